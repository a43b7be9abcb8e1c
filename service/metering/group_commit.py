"""One transaction for what many readers do at once: counts, the ledger's rows, where they came from.

Counts stay exact over all processes. On PostgreSQL one conditional upsert decides, for many holders at once; on
SQLite one writes at a time.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from service.levels import Span
from service.metering import one_writer
from service.metering.attempt import Attempt, Recorded
from service.metering.one_statement import begun, send
from service.metering.store import read_meters, state_of
from service.metering.window import MeterState, first_of


def write(connection: Connection, batch: Sequence[Attempt], now: datetime) -> list[Recorded]:
    """Count for each what has room, and record it; what came of each, in their order.

    No meter comes twice; they are in their order, so that two processes can't wait for each other's rows in a
    circle. `now` is wall time.
    """
    if connection.dialect.name == "sqlite":
        found = one_writer.write(connection, batch, now)
    else:
        found = _by_one_statement(connection, batch, now)
    return [found[each.meter] for each in batch]


def _by_one_statement(
    connection: Connection, batch: Sequence[Attempt], now: datetime
) -> dict[str, Recorded]:
    """As `_counted`; a device whose own tab took its network's last place at this moment has begun."""
    found = _counted(connection, batch, now)
    closed = [each for each in batch if found[each.meter].closed]
    if not closed:
        return found
    meters = set(begun(connection, closed))
    again = [each._replace(network=None) for each in closed if each.meter in meters]
    return found | _counted(connection, again, now) if again else found


def _counted(
    connection: Connection, batch: Sequence[Attempt], now: datetime
) -> dict[str, Recorded]:
    """One statement, which commits; of those who had no room, it takes another to see the windows."""
    found: dict[str, Recorded] = {}
    others: defaultdict[tuple[datetime, Span, int], list[Attempt]] = defaultdict(list)
    by_meter = {each.meter: each for each in batch}
    for meter, counted, carried, began, closed in send(connection, batch, now):
        each = by_meter[meter]
        if counted is not None:
            state = state_of(counted, carried, began, each.window, each.limit)
            found[meter] = Recorded(state, counted=True)
        elif closed:
            found[meter] = Recorded(MeterState(each.window, each.limit), closed=True)
        else:
            others[each.window.key, each.window.span, each.limit].append(each)
    for (_, _, limit), attempts in others.items():
        window = first_of(each.window for each in attempts)
        states = read_meters(connection, [each.meter for each in attempts], window, limit)
        found |= {meter: Recorded(state) for meter, state in states.items()}
    return found
