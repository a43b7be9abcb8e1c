"""Web Bot Auth: a crawler signs its request, and a key that the newsroom knows verifies it. Pure.

What a signature has to be is the profile of draft-ietf-webbotauth-httpsig-protocol on HTTP Message Signatures
(RFC 9421): Ed25519, the tag `web-bot-auth`, the covered components `@authority` or `@target-uri` and, where it is
sent, `signature-agent` (and others that any request has), `created` and `expires`. Whatever else is sent proves
nothing. Reading and verifying is the work of a library (signed_requests.py).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True)
class SignedRequest:
    """What of a request may be signed. `headers` by names in small letters, each once; `path` as it was sent.

    `authority` is the host that was asked, if it is one of ours: what another host was sent proves nothing here.
    `scheme` is that of its address as we publish it: a proxy may ask by another one.
    """

    method: str
    authority: str
    path: str
    query: str
    headers: Mapping[str, str]
    scheme: str = "https"

    @property
    def url(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.authority}{self.path}{query}"


def thumbprint(key: Mapping[str, str]) -> str:
    """The key id of an Ed25519 JSON Web Key (RFC 7638, RFC 8037)."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'
    return base64.urlsafe_b64encode(sha256(canonical.encode()).digest()).decode().rstrip("=")


def checked_key(key: Mapping[str, str]) -> dict[str, str]:
    """The members of a JSON Web Key that are kept. ValueError says what is wrong with it."""
    if key.get("kty") != "OKP" or key.get("crv") != "Ed25519" or not isinstance(key.get("x"), str):
        raise ValueError("A key is no Ed25519 key: it needs kty OKP, crv Ed25519 and x.")
    if "d" in key:
        raise ValueError("A key is private: it has d. Only the public part belongs here.")
    public_key(key)
    return {"kty": "OKP", "crv": "Ed25519", "x": key["x"]}


def public_key(key: Mapping[str, str]) -> Ed25519PublicKey:
    """Raises ValueError for what is none."""
    x = key["x"]
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
