"""One transaction for what many readers do at once: counts, the ledger's rows, where they came from.

Counts stay exact over all processes. On PostgreSQL one conditional upsert decides, for many holders at once; on
SQLite one writes at a time.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from service.identity.touches import record_touches
from service.limits.rate import Limit, take_for_many
from service.metering.attempt import Attempt, Recorded
from service.metering.ledger import write_all
from service.metering.one_statement import send
from service.metering.store import begun_among, count_articles, read_meters, state_of
from service.metering.window import MeterState, Window


def write(connection: Connection, batch: Sequence[Attempt], now: datetime) -> list[Recorded]:
    """Count for each what has room, and record it; what came of each, in their order.

    No meter comes twice; they are in their order, so that two processes can't wait for each other's rows in a
    circle. `now` is wall time.
    """
    write_all_of = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
    found = write_all_of(connection, batch, now)
    return [found[each.meter] for each in batch]


def _on_postgresql(
    connection: Connection, batch: Sequence[Attempt], now: datetime
) -> dict[str, Recorded]:
    """One statement, which commits; of those who had no room, it takes another to see the windows."""
    found: dict[str, Recorded] = {}
    others: defaultdict[tuple[Window, int], list[str]] = defaultdict(list)
    for each, (meter, counted, carried, closed) in zip(
        batch, send(connection, batch, now), strict=True
    ):
        if counted is not None:
            state = state_of(counted, carried, each.window, each.limit)
            found[meter] = Recorded(state, counted=True)
        elif closed:
            found[meter] = Recorded(MeterState(each.window, each.limit), closed=True)
        else:
            others[each.window, each.limit].append(meter)
    for (window, limit), meters in others.items():
        states = read_meters(connection, meters, window, limit)
        found |= {meter: Recorded(state) for meter, state in states.items()}
    return found


def _on_sqlite(
    connection: Connection, batch: Sequence[Attempt], now: datetime
) -> dict[str, Recorded]:
    closed = _closed(connection, batch, now)
    groups: defaultdict[tuple[Window, int], dict[str, Attempt]] = defaultdict(dict)
    for attempt in batch:
        if attempt.meter not in closed:
            groups[attempt.window, attempt.limit][attempt.meter] = attempt
    found = {
        each.meter: Recorded(MeterState(each.window, each.limit), closed=True)
        for each in batch
        if each.meter in closed
    }
    for (window, limit), by_holder in groups.items():
        found |= _counted(connection, window, limit, by_holder)
    counted = [each for each in batch if found[each.meter].counted]
    write_all(connection, [each.entry for each in counted])
    record_touches(
        connection,
        [(each.entry.holder, each.touch, each.entry.at) for each in counted if each.touch],
    )
    return found


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
