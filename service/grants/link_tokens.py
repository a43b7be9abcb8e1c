"""What stands in the address of a gift link, a gift subscription or a seat: its id, signed, so that no other can be
guessed or made.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field

from service.identity.secrets import derived_key
from service.settings import Settings

LONGEST = 100
_SHAPE = re.compile(r"((?:gft|gsb|sea)_[0-9a-f]{24})\.([A-Za-z0-9_-]{22})")
_MAC_BYTES = 16
"""Half of the hash, which RFC 2104 allows: the address stays short."""


@dataclass(frozen=True)
class LinkKey:
    """Signs links and reads them back; `secret` is 32 bytes for this purpose alone."""

    secret: bytes = field(repr=False)

    def sign(self, link_id: str) -> str:
        mac = hmac.digest(self.secret, link_id.encode(), "sha256")[:_MAC_BYTES]
        return f"{link_id}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    def read(self, token: str) -> str | None:
        """The id of the link; None where we didn't sign it."""
        match = _SHAPE.fullmatch(token)
        if match is None or not hmac.compare_digest(self.sign(match.group(1)), token):
            return None
        return match.group(1)


def link_key(settings: Settings) -> LinkKey:
    """The key of this installation."""
    return LinkKey(derived_key(settings, "gifts"))
