"""One-time codes of an authenticator app (TOTP, RFC 6238): 6 digits, SHA-1, steps of 30 seconds.

The secret is stored sealed by AES-256-GCM under a key derived from the settings, bound to its
operator, so that a row can't lend its second factor to another one.
"""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from service import sealing
from service.identity.secrets import derived_key
from service.sealing import SecretUnreadable
from service.settings import Settings
from service.tokens.key_pairs import decode_base64url, encode_base64url

STEP_SECONDS = 30
DIGITS = 6
_SECRET_BYTES = 20
"""As long as the HMAC's output (RFC 4226, section 4, R6)."""
_CODE = re.compile(r"[0-9]{6}")
_STEPS_ACCEPTED = (0, -1, 1)
"""The present step and, for clocks that are a little off, one before and one after."""


@dataclass(frozen=True)
class OneTimeCodes:
    """The codes of one secret."""

    secret: bytes

    def step_of(self, code: str, now: datetime) -> int | None:
        """The time step whose code this is, or None. Blanks between the digits don't matter."""
        digits = "".join(code.split())
        if _CODE.fullmatch(digits) is None:
            return None
        present = int(now.timestamp()) // STEP_SECONDS
        found = None
        for distance in _STEPS_ACCEPTED:  # all of them, so that time tells nothing
            if hmac.compare_digest(self.code_at(present + distance), digits) and found is None:
                found = present + distance
        return found

    def code_at(self, step: int) -> str:
        """The code of a time step."""
        return self._totp().generate(step * STEP_SECONDS).decode()

    def address(self, account: str, issuer: str) -> str:
        """The `otpauth://` address that an app takes, as text or QR code."""
        return self._totp().get_provisioning_uri(account, issuer.replace(":", " "))

    def in_words(self) -> str:
        """The secret for typing: base32 in groups of four."""
        text = base64.b32encode(self.secret).decode()
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))

    def _totp(self) -> TOTP:
        # SHA-1 is what apps know; in an HMAC nothing is known against it.
        return TOTP(self.secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303


def new_one_time_codes() -> OneTimeCodes:
    """Codes of a new secret of 160 random bits."""
    return OneTimeCodes(secrets.token_bytes(_SECRET_BYTES))


def seal(codes: OneTimeCodes, operator_id: str, settings: Settings) -> str:
    """The secret as text for the database."""
    return encode_base64url(sealing.seal(codes.secret, derived_key(settings, "totp"), operator_id))


def unseal(sealed: str, operator_id: str, settings: Settings) -> OneTimeCodes:
    """The inverse of `seal`. SecretUnreadable where settings, operator or text are others."""
    try:
        raw = decode_base64url(sealed)
    except ValueError as error:
        raise SecretUnreadable(operator_id) from error
    return OneTimeCodes(sealing.unseal(raw, derived_key(settings, "totp"), operator_id))
