"""What a refresh token is made of, and how its successor is kept.

It reads `<session>.<256 random bits>.<MAC>`. The MAC tells a token that we once issued from one that
somebody made up, who must not be able to end a family. The successor is stored sealed under the token
before it: the database alone gives away neither.
"""

import base64
import hmac
import re

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.identity.secrets import derived_key, new_secret
from service.settings import Settings

_SHAPE = re.compile(r"(ses_[0-9a-f]{24})\.[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{22}")
_NONCE = bytes(12)
"""Each key seals one successor only, so its nonce may stay the same."""


def new_token(session_id: str, settings: Settings) -> str:
    return _with_mac(f"{session_id}.{new_secret()}", settings)


def session_in(token: str, settings: Settings) -> str | None:
    """The session's id in a token of ours; None: it is none of ours."""
    shape = _SHAPE.fullmatch(token)
    if shape is None or not hmac.compare_digest(
        token, _with_mac(token.rpartition(".")[0], settings)
    ):
        return None
    return shape.group(1)


def _with_mac(text: str, settings: Settings) -> str:
    mac = hmac.digest(derived_key(settings, "session"), text.encode(), "sha256")[:16]
    return f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def sealed(successor: str, token: str) -> str:
    """The successor as it is stored; only the holder of `token` can open it."""
    box = AESGCM(_sealing_key(token)).encrypt(_NONCE, successor.encode(), None)
    return base64.b64encode(box).decode()


def unsealed(kept: str, token: str) -> str:
    """The successor. Raises cryptography.exceptions.InvalidTag for another token than it was sealed under."""
    return AESGCM(_sealing_key(token)).decrypt(_NONCE, base64.b64decode(kept), None).decode()


def _sealing_key(token: str) -> bytes:
    # The token has 256 random bits of its own, so one hash apart from the stored one is enough.
    return hmac.digest(token.encode(), b"successor", "sha256")
