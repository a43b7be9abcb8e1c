"""The key ring: the published keys as one process sees them, in memory and immutable."""

from dataclasses import dataclass
from typing import Literal

from service.tokens.key_pairs import KeyUnreadable, PrivateKey, PublicKey

State = Literal["next", "active", "retiring", "revoked"]
PUBLISHED: tuple[State, ...] = ("next", "active", "retiring")
"""The states whose keys verify; a revoked key is in no ring."""


@dataclass(frozen=True)
class KeyRing:
    """A snapshot of the published keys.

    `active_kid` names the key that signs; `signing_key` is None where its private half couldn't be
    read: such a ring still verifies, and still follows a revocation.
    """

    keys: tuple[PublicKey, ...]
    active_kid: str
    signing_key: PrivateKey | None

    @property
    def active(self) -> PrivateKey:
        """The key that signs now; KeyUnreadable when the settings' secret has changed."""
        if self.signing_key is None:
            raise KeyUnreadable(self.active_kid)
        return self.signing_key

    def find(self, kid: str) -> PublicKey | None:
        """The published key of this name. Next keys count: another process may already sign."""
        for key in self.keys:
            if key.kid == kid:
                return key
        return None

    def public_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JSON Web Key Set (RFC 7517, section 5) that everybody may read."""
        return {"keys": [key.jwk() for key in self.keys]}
