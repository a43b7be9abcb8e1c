"""One transaction for what many readers do at once: counts, the ledger's rows, where they came from.

Counts stay exact over all processes: the same conditional upsert decides, for many holders at once.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from service.identity.touches import Touch, record_touches
from service.limits.rate import Limit, take_for_many
from service.metering.ledger import Entry, write_all
from service.metering.store import begun_among, count_articles, read_meters
from service.metering.window import MeterState, Window


class Attempt(NamedTuple):
    """The entry's article is to be counted in the window of this meter, if it is new there and has room.

    `touch` is what led the entry's holder here, None where nothing of it is new. `network`: a meter
    without a past counts against this limit, under this key.
    """

    meter: str
    entry: Entry
    touch: Touch | None
    window: Window
    limit: int
    network: tuple[Limit, str] | None = None


class Recorded(NamedTuple):
    """What came of it: the window afterwards.

    `counted`: by this call. `closed`: the network has no room for another reader.
    """

    state: MeterState
    counted: bool = False
    closed: bool = False


def write(connection: Connection, batch: Sequence[Attempt], now: datetime) -> list[Recorded]:
    """Count for each what has room, and record it; what came of each, in their order.

    No meter comes twice. `now` is wall time.
    """
    closed = _closed(connection, batch, now)
    groups: defaultdict[tuple[Window, int], dict[str, Attempt]] = defaultdict(dict)
    for attempt in batch:
        if attempt.meter not in closed:
            groups[attempt.window, attempt.limit][attempt.meter] = attempt
    found: dict[str, Recorded] = {}
    for (window, limit), by_holder in groups.items():
        found |= _counted(connection, window, limit, by_holder)
    recorded = [
        found.get(each.meter) or Recorded(MeterState(each.window, each.limit), closed=True)
        for each in batch
    ]
    counted = [each for each, result in zip(batch, recorded, strict=True) if result.counted]
    write_all(connection, [each.entry for each in counted])
    record_touches(
        connection,
        [(each.entry.holder, each.touch, each.entry.at) for each in counted if each.touch],
    )
    return recorded


def _closed(connection: Connection, batch: Sequence[Attempt], now: datetime) -> set[str]:
    """Meters whose network has no room left; it isn't asked for those with a past."""
    by_limit: defaultdict[Limit, dict[str, str]] = defaultdict(dict)
    for each in batch:
        if each.network is not None:
            limit, key = each.network
            by_limit[limit][each.meter] = key
    closed: set[str] = set()
    for limit, networks in by_limit.items():
        begun = begun_among(connection, networks.keys())
        beginning = {holder: key for holder, key in networks.items() if holder not in begun}
        if not beginning:
            continue
        room = take_for_many(connection, limit, Counter(beginning.values()), now)
        for holder, key in beginning.items():
            room[key] -= 1
            if room[key] < 0:
                closed.add(holder)
    return closed


def _counted(
    connection: Connection, window: Window, limit: int, by_holder: dict[str, Attempt]
) -> dict[str, Recorded]:
    """Count for all of them, and read the windows of those who had no room."""
    articles = {holder: each.entry.article_id for holder, each in by_holder.items()}
    now = max(each.entry.at for each in by_holder.values())
    counted = count_articles(connection, articles, window=window, limit=limit, now=now)
    others = read_meters(connection, by_holder.keys() - counted.keys(), window, limit)
    return {
        holder: Recorded(counted.get(holder) or others[holder], counted=holder in counted)
        for holder in by_holder
    }
