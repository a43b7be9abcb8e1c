"""Unlock tokens: signed once, reused for half of their life."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.access.revocations import Revocations
from service.settings import Settings
from service.tokens.claims import UnlockClaims, unlock_claims
from service.tokens.keys import KeyRingHolder
from service.tokens.signing import sign

REMEMBERED = 10_000
_Key = tuple[str, str, str, str | None, str]


@dataclass(frozen=True)
class _Signed:
    token: str
    expires_at: datetime
    claims: UnlockClaims


class UnlockTokens:
    """Signs tokens and remembers the latest ones, so that a re-read costs no signature."""

    def __init__(self, rings: KeyRingHolder, settings: Settings, revocations: Revocations) -> None:
        self._rings = rings
        self._settings = settings
        self._revocations = revocations
        self.life = timedelta(minutes=settings.unlock_token_minutes)
        self._signed: OrderedDict[_Key, _Signed] = OrderedDict()

    def token(
        self, *, holder_id: str, article: str, reason: str, session_id: str | None, now: datetime
    ) -> tuple[str, datetime]:
        """The token for this holder and article, and when it expires. `now` is wall time."""
        ring = self._rings.current
        key = (holder_id, article, reason, session_id, ring.active_kid)
        known = self._signed.get(key)
        if known is not None and self._is_good(known, now):
            return known.token, known.expires_at
        claims = unlock_claims(
            issuer=self._settings.public_url,
            audience=self._settings.publication,
            holder_id=holder_id,
            article=article,
            reason=reason,
            session_id=session_id,
            token_id=secrets.token_hex(12),
            now=now,
            life=self.life,
        )
        signed = _Signed(sign(claims, ring.active), now + self.life, claims)
        self._signed[key] = signed
        self._signed.move_to_end(key)
        if len(self._signed) > REMEMBERED:
            self._signed.popitem(last=False)
        return signed.token, signed.expires_at

    def _is_good(self, signed: _Signed, now: datetime) -> bool:
        """Whether half of its life is left, and nothing that it is based on was revoked.

        More than all of it is left where the clock was set back: it lies in the future then.
        """
        left = signed.expires_at - now
        return self.life / 2 < left <= self.life and not self._revocations.refuse(signed.claims)
