"""Answers that are given again: to a reload of an article or of a wall, for some seconds."""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import NamedTuple

from service.access.answers import Answered
from service.access.gifts import Gifts
from service.access.openings import Openings
from service.access.read import ReadRequest
from service.access.reader_memory import KnownReader, ReaderMemory
from service.access.revocations import Revocations
from service.content.cache import CachedArticle
from service.db.context import context_in
from service.encoded import Head
from service.metering.ledger import Noted
from service.metering.meter import Metering
from service.metering.store import meter_of, named_meter
from service.metering.window import MeterState
from service.offers.on_sale import Assortment, OnSale
from service.running import Running

_OK = 200
_TIED_TO_MORE = frozenset({"network_exhausted", "institution"})
"""Reasons of answers that depend on where the device is, or of which an institution is told."""
_REPEATED = timedelta(seconds=10)
"""So long an answer is given again."""
_MOST_REPEATS = 10_000

Key = tuple[str, Hashable]
"""An article's slug, and all that was sent."""


class Repeat(NamedTuple):
    """An answer that is given again for the same copy of the article, until then by wall time, as long as
    the window of `meter_of` is as it says, the same is `sold` (None: it is no wall), the reader, known by this key,
    is as remembered (None: nobody is signed in), and nothing else was revoked. It is recorded each time.
    """

    entry: CachedArticle
    status: int
    parts: tuple[bytes, ...]
    head: Head
    noted: Noted
    until: datetime
    meter_of: str
    meter: MeterState | None
    reader: tuple[Hashable, KnownReader] | None
    sold: Assortment | None
    revocations: int


class Repeats:
    """Answers of one application by what was sent."""

    def __init__(self, running: Running) -> None:
        self._clocks = context_in(running).clocks
        self._readers = running.get(ReaderMemory)
        self._metering = running.get(Metering)
        self._revocations = running.get(Revocations)
        self._on_sale = running.get(OnSale)
        self._gifts, self._openings = running.get(Gifts), running.get(Openings)
        self._kept: OrderedDict[Key, Repeat] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Key) -> Repeat | None:
        """The answer, which may not hold any more."""
        return self._kept.get(key)

    def keep(
        self, key: Key, entry: CachedArticle, read: ReadRequest, reader_key: Hashable | None,
        answered: Answered, head: Head, sold: Assortment | None,
    ) -> None:  # fmt: skip
        """Keep the answer to a known device where nothing was counted, of a signed-in reader's one that opens.

        A window only fills up, until it ends: what was read in it is so still, and a full one is full.
        `reader_key` is what a signed-in reader is known by; `sold` is what was sold before it was decided.
        """
        caller, noted, reader = read.caller, answered.noted, None
        if noted is None or caller.device_id is None or noted.entry.reason in _TIED_TO_MORE:
            return  # it was counted, is a new device's, or depends on more, or has more to be recorded
        if answered.status != _OK and (sold is None or sold is not self._on_sale.fresh()):
            return  # what was sold at the wall has just changed, or may have
        if caller.reader_id is not None:
            reader = self._remembered(reader_key, read) if answered.status == _OK else None
            if reader is None:
                return
        now = self._clocks.wall()
        # Those that are over go first: they hold on to copies of articles.
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._kept.popitem(last=False)
        until = now + _REPEATED
        until = min(until, answered.until) if answered.until is not None else until
        self._kept[key] = Repeat(
            entry, answered.status, answered.parts, head, noted, until,
            named_meter(meter_of(caller) or noted.entry.holder, noted.entry.meter_name),
            answered.meter, reader,
            sold if answered.status != _OK else None, self._revocations.changes,
        )  # fmt: skip
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST_REPEATS:
            self._kept.popitem(last=False)

    def _remembered(
        self, key: Hashable | None, read: ReadRequest
    ) -> tuple[Hashable, KnownReader] | None:
        """The reader whom the answer was decided for, if none of their grants is about to begin or end."""
        known = self._readers.find(key) if key is not None else None
        if key is None or known is None or known.held is not read.held:
            return None  # it was read anew
        now = self._clocks.business()
        edges = (edge for each in known.held for edge in (each.starts_at, each.ends_at))
        if any(edge is not None and now < edge <= now + _REPEATED for edge in edges):
            return None
        return key, known

    def holds(self, repeat: Repeat, now: datetime) -> bool:
        """Whether it may be given again `now`, in business time."""
        wall = now - self._clocks.offset
        if not wall < repeat.until <= wall + _REPEATED:
            return False
        meter, reader = repeat.meter, repeat.reader
        if meter is not None:
            known = self._metering.remembered(repeat.meter_of, meter)
            if known != meter or now >= meter.window.end:
                return False
        return (
            repeat.revocations == self._revocations.changes
            and (repeat.sold is None or self._is_walled_still(repeat.sold, repeat.entry))
            and (reader is None or self._readers.find(reader[0]) is reader[1])
        )

    async def is_certain(self, repeat: Repeat) -> bool:
        """Whether it is known what was opened elsewhere, which matters before a wall."""
        is_known = repeat.sold is None or self._openings.are_certain()
        return is_known or await self._openings.make_certain()

    def _is_walled_still(self, sold: Assortment, entry: CachedArticle) -> bool:
        """Whether a wall that is certain may be shown again: the device may have been given the article meanwhile."""
        return sold is self._on_sale.fresh() and not self._gifts.opened(entry.article.id)
