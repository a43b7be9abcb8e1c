"""Signed-in readers that this process has read from the database within the last seconds.

What is remembered may open an article and never closes one: gathering.py reads a reader anew before it shows
a wall. So nobody who has just paid meets one, and what was taken away holds for some seconds at most:
for one where revocations know it, and for none where a request to this process did it.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.access.revocations import Revocations
from service.clock import Clocks
from service.grants.grants import GrantFacts
from service.identity.callers import Caller
from service.tokens.claims import AccessClaims

FRESH = timedelta(seconds=10)
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class KnownReader:
    """A caller with a session, the live grants, and whether they have subscribed before where that matters, as it was
    `at` (wall time).
    """

    caller: Caller
    held: tuple[GrantFacts, ...]
    at: datetime
    former: bool = False


class ReaderMemory:
    """Readers by what they came with: a session's token, or the claims of an access token."""

    def __init__(self, clocks: Clocks, revocations: Revocations) -> None:
        self._clocks = clocks
        self._revocations = revocations
        self._known: OrderedDict[Hashable, KnownReader] = OrderedDict()
        self.generation = 0
        """How often everything was forgotten."""

    def find(self, key: Hashable) -> KnownReader | None:
        known = self._known.get(key)
        if known is None:
            return None
        is_fresh = timedelta(0) <= self._clocks.wall() - known.at < FRESH
        if not is_fresh or self._has_ended(key, known):
            del self._known[key]
            return None
        return known

    def _has_ended(self, key: Hashable, known: KnownReader) -> bool:
        if isinstance(key, AccessClaims) and self._revocations.refuse(key):
            return True
        session_id, reader_id = known.caller.session_id, known.caller.reader_id
        return self._revocations.have_ended(session_id, reader_id, since=known.at)

    def put(self, key: Hashable, known: KnownReader, generation: int) -> None:
        """Remember what was read while `generation` was current; later, it may be too old."""
        if generation != self.generation:
            return
        self._known[key] = known
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Forget everybody: something was changed here."""
        self.generation += 1
        self._known.clear()
