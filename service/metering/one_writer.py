"""SQLite: a batch of reads by the one who writes, in the driver's own terms.

It looks, then it writes: a transaction is the only one that writes, from its beginning on (db/session.py), so what
it saw is still so. What is read comes as one row, and rows are inserted many at a time: after each step of the
database, this thread would wait for the interpreter.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection

from service.db.bulk import insert_stored, stored_time
from service.db.tables import AccessEntry, MeterWindow
from service.identity.touches import record_touches
from service.limits.rate import Limit, take_for_many
from service.metering.attempt import Attempt, Recorded
from service.metering.ledger import Entry
from service.metering.window import MeterState, Window, rolling_from

_WINDOWS = """
SELECT json_group_array(json_array(holder, window_start, json(counted), json(carried), began_at))
FROM json_each(?) AS asked CROSS JOIN meter_windows
ON holder = json_extract(asked.value, '$[0]') AND window_start = json_extract(asked.value, '$[1]')
"""
_BEGUN = """
SELECT json_group_array(asked.key) FROM json_each(?) AS asked
WHERE EXISTS (SELECT 1 FROM meter_windows WHERE holder = asked.key)
  OR EXISTS (
    SELECT 1 FROM meter_windows WHERE holder > asked.key || '@' AND holder < asked.key || 'A'
  )
  OR EXISTS (SELECT 1 FROM gift_openings WHERE device_id = asked.value)
"""
"""Asked by holder and device: holders who have read by any meter, or by a gift link. Meters of their own are
those after `holder@`: `A` is what follows `@`.
"""
_WINDOW_COLUMNS = ("holder", "window_start", "began_at", "counted", "carried", "updated_at")
_COUNTED_GROWS = """
ON CONFLICT (holder, window_start) DO UPDATE
SET counted = excluded.counted, carried = excluded.carried, began_at = excluded.began_at,
  updated_at = excluded.updated_at
"""
_Known = tuple[list[str], list[str], str | None]
_Columns = tuple[str | None, str, str]
_EMPTY: _Known = [], [], None


def write(connection: Connection, batch: Sequence[Attempt], now: datetime) -> dict[str, Recorded]:
    """Count for each what has room, and record it; by meter what came of it. `now` is wall time."""
    driver: Any = connection.connection.driver_connection
    closed = _closed(connection, driver.execute, batch, now)
    known = _windows(driver.execute, batch)
    found: dict[str, Recorded] = {}
    windows: list[tuple[Any, ...]] = []
    entries: list[tuple[Any, ...]] = []
    touches = []
    for each in batch:
        meter, entry, touch, window, limit = each[:5]
        if meter in closed:
            found[meter] = Recorded(MeterState(window, limit), closed=True)
            continue
        start = _stored_start(window.key)
        held = known.get((meter, start))
        decide = _in_new_window if held is None else partial(_in_window, held)
        recorded, columns = decide(window, limit, entry.article_id)
        found[meter] = recorded
        if columns is None:
            continue
        at = stored_time(entry.at)
        windows.append((meter, start, *columns, at))
        entries.append(_stored(each, recorded.state, at))
        if touch is not None:
            touches.append((entry.holder, touch, entry.at))
    insert_stored(driver.execute, MeterWindow, _WINDOW_COLUMNS, windows, _COUNTED_GROWS)
    insert_stored(driver.execute, AccessEntry, Entry._fields, entries)
    record_touches(connection, touches)
    return found


def _in_window(
    held: _Known, window: Window, limit: int, article: str
) -> tuple[Recorded, _Columns | None]:
    """What comes of the article in this window, and the window's columns then; None: they stay."""
    counted, carried, began = held
    if window.rolls:
        counted, carried, window = _rolled(counted, carried, began, window)
    if len(counted) >= limit or article in counted or article in carried:
        return Recorded(MeterState.of(window, limit, counted, carried)), None
    now_counted = (*counted, article)
    columns = stored_time(window.began), json.dumps(now_counted), json.dumps(carried)
    return Recorded(MeterState.of(window, limit, now_counted, carried), counted=True), columns


@lru_cache(maxsize=1_000)
def _in_new_window(window: Window, limit: int, article: str) -> tuple[Recorded, _Columns | None]:
    """The same for all whose first article it is."""
    return _in_window(_EMPTY, window, limit, article)


def _windows(
    execute: Callable[..., Any], batch: Sequence[Attempt]
) -> dict[tuple[str, str | None], _Known]:
    """What was counted and carried, and when a rolling window began, by meter and window."""
    asked = [(each.meter, _stored_start(each.window.key)) for each in batch]
    (rows,) = execute(_WINDOWS, (json.dumps(asked),)).fetchone()
    return {
        (holder, start): (counted, carried, began)
        for holder, start, counted, carried, began in json.loads(rows)
    }


def _rolled(
    counted: list[str], carried: list[str], began: str | None, asked: Window
) -> tuple[list[str], list[str], Window]:
    """What is in the rolling window at the start of the one that is asked for, and the window.

    It begins with the next article that is counted where it is over, or has only what came along.
    """
    if began is None:
        return counted, carried, asked
    window = rolling_from(datetime.fromisoformat(began).replace(tzinfo=UTC), asked.span)
    if window.end <= asked.start:
        return [], [], asked
    return counted, carried, window if counted else asked


def _stored(each: Attempt, state: MeterState, at: str | None) -> tuple[Any, ...]:
    entry = each.recorded(state) if each.prompts else each.entry
    day, holder, row_id = entry[:3]
    start = _stored_start(state.window.start)
    return (
        _stored_start(day), holder, row_id, at,
        *entry[4:_WINDOW_START], start, *entry[_WINDOW_START + 1 :],
    )  # fmt: skip


_WINDOW_START = Entry._fields.index("window_start")

# Those who read at a time have the same day, and few windows.
_stored_start = lru_cache(maxsize=1_000)(stored_time)


def _closed(
    connection: Connection,
    execute: Callable[..., Any],
    batch: Sequence[Attempt],
    now: datetime,
) -> set[str]:
    """Meters whose network has no room left; it isn't asked for those with a past."""
    by_limit: defaultdict[Limit, dict[str, str]] = defaultdict(dict)
    for each in batch:
        if each.network is not None:
            limit, key = each.network
            by_limit[limit][each.meter] = key
    closed: set[str] = set()
    for limit, networks in by_limit.items():
        asked = [each for each in batch if each.meter in networks]
        holders = {each.meter: each.entry.holder for each in asked}
        devices = {each.entry.holder: each.entry.device_id for each in asked}
        (rows,) = execute(_BEGUN, (json.dumps(devices),)).fetchone()
        begun = set(json.loads(rows))
        beginning = {meter: key for meter, key in networks.items() if holders[meter] not in begun}
        if not beginning:
            continue
        room = take_for_many(connection, limit, Counter(beginning.values()), now)
        for holder, key in beginning.items():
            room[key] -= 1
            if room[key] < 0:
                closed.add(holder)
    return closed
