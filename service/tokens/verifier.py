"""Verifying at speed: a bounded memory of tokens that have been verified already."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.tokens.claims import Claims, has_expired
from service.tokens.ring import KeyRing
from service.tokens.signing import LEEWAY, open_signed, read_claims, token_text

REMEMBERED_TOKENS = 10_000


class RingSource(Protocol):
    """Where the current ring comes from: `KeyRingHolder`."""

    @property
    def current(self) -> KeyRing: ...


@dataclass(frozen=True)
class _Verified:
    kid: str
    claims: Claims


class VerifiedTokens:
    """Claims of at most `maxsize` valid tokens, the least recently used forgotten first.

    Only valid tokens are stored, by their digest, so that nobody can fill it with made-up ones and
    it holds no secrets.
    """

    def __init__(self, maxsize: int = REMEMBERED_TOKENS) -> None:
        self._maxsize = maxsize
        self._by_digest: OrderedDict[bytes, _Verified] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, digest: bytes, ring: KeyRing, now: datetime) -> Claims | None:
        """The claims, unless they have expired or their key has left the ring."""
        found = self._by_digest.get(digest)
        if found is None:
            return None
        if ring.find(found.kid) is None or has_expired(found.claims, now, LEEWAY):
            del self._by_digest[digest]
            return None
        self._by_digest.move_to_end(digest)
        return found.claims

    def remember(self, digest: bytes, kid: str, claims: Claims) -> None:
        self._by_digest[digest] = _Verified(kid, claims)
        if len(self._by_digest) > self._maxsize:
            self._by_digest.popitem(last=False)


class TokenVerifier:
    """Verifies the tokens of one issuer for one audience with the current ring."""

    def __init__(
        self,
        rings: RingSource,
        issuer: str,
        audience: str,
        maxsize: int = REMEMBERED_TOKENS,
    ) -> None:
        self._rings = rings
        self._issuer = issuer
        self._audience = audience
        self._verified = VerifiedTokens(maxsize)

    def verify(self, token: str | bytes, now: datetime) -> Claims:
        """As `signing.verify`: the claims, or Problem `invalid-token`. `now` is wall time."""
        raw = token if isinstance(token, bytes) else token_text(token).encode("ascii")
        digest = hashlib.sha256(raw).digest()
        ring = self._rings.current
        claims = self._verified.find(digest, ring, now)
        if claims is None:
            signed = open_signed(raw, ring)
            claims = read_claims(signed, issuer=self._issuer, audience=self._audience, now=now)
            self._verified.remember(digest, signed.kid, claims)
        return claims
