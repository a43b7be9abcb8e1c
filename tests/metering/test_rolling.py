"""Rolling windows in the store, on both databases: one row a holder, begun by the first article counted."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from service.db.failures import past_deadlocks
from service.db.session import Database
from service.db.tables import AccessEntry, MeterWindow
from service.identity.touches import Touch
from service.levels import Span
from service.limits.rate import Limit
from service.metering.attempt import Attempt
from service.metering.group_commit import write
from service.metering.ledger import Ledger, entry_at
from service.metering.meter import Metering
from service.metering.past import window_before
from service.metering.store import carry_reads, has_begun, named_meter, read_meter
from service.metering.window import MeterState, Window, rolling_from, window_at
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.statements import statements

BERLIN = ZoneInfo("Europe/Berlin")
SPAN = Span("rolling", 30)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TICK, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
DEVICE, READER = "device:d", "reader:r"


def asked(at: datetime, span: Span = SPAN) -> Window:
    return window_at(at, span, BERLIN)


async def count(
    database: Database,
    article: str,
    at: datetime,
    *,
    limit: int = 2,
    holder: str = DEVICE,
    span: Span = SPAN,
    name: str | None = None,
) -> MeterState | None:
    """The window after the article was counted in it; None: it wasn't."""
    each = attempt(holder, article, at, limit=limit, span=span, name=name)
    work = partial(write, batch=[each], now=at)
    (found,) = await past_deadlocks(lambda: database.by_statement(work))
    return found.state if found.counted else None


def attempt(
    holder: str, article: str, at: datetime, *, limit: int = 2, span: Span = SPAN,
    name: str | None = None,
) -> Attempt:  # fmt: skip
    row = entry_at(
        at, BERLIN, holder=holder, article_id=article, reader_id=None, device_id=holder,
        reason="meter", consumed=True, window_start=at, meter_name=name,
    )  # fmt: skip
    return Attempt(named_meter(holder, name), row, None, asked(at, span), limit)


async def seen(
    database: Database, at: datetime, holder: str = DEVICE, span: Span = SPAN
) -> MeterState:
    async with database.reading() as session:
        return await read_meter(session, holder, asked(at, span), 2)


@pytest.mark.parametrize(
    ("began", "days", "end"),
    [
        (datetime(2026, 1, 29, 23, 30, tzinfo=UTC), 30, datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        (datetime(2026, 1, 31, tzinfo=UTC), 1, datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2028, 1, 30, 12, tzinfo=UTC), 30, datetime(2028, 2, 29, 12, tzinfo=UTC)),
        # Days of 24 hours: a clock that is changed makes none of them shorter.
        (datetime(2026, 3, 28, 22, tzinfo=UTC), 1, datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 7, datetime(2026, 10, 31, 22, tzinfo=UTC)),
    ],
)
def test_a_rolling_window_is_days_of_24_hours(began: datetime, days: int, end: datetime) -> None:
    span = Span("rolling", days)
    assert window_at(began, span, BERLIN) == Window(began, end, span) == rolling_from(began, span)


async def test_it_begins_with_the_first_article_and_is_over_days_later(database: Database) -> None:
    state = await count(database, "a", NOON)
    assert state == MeterState(rolling_from(NOON, SPAN), 2, frozenset("a"))
    later = await count(database, "b", NOON + 10 * DAY)
    assert later == MeterState(rolling_from(NOON, SPAN), 2, frozenset("ab"))
    last = NOON + 30 * DAY - TICK
    assert await count(database, "c", last) is None
    assert (await seen(database, last)).read_set == frozenset("ab")
    assert await seen(database, last + TICK) == MeterState(asked(last + TICK), 2)
    again = await count(database, "a", last + TICK)
    assert again == MeterState(rolling_from(last + TICK, SPAN), 2, frozenset("a"))
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(MeterWindow)) == 1


async def test_other_days_hold_at_once_for_a_window_that_has_begun(database: Database) -> None:
    await count(database, "a", NOON)
    week, quarter = Span("rolling", 7), Span("rolling", 90)
    assert (await seen(database, NOON + 8 * DAY, span=week)).read_set == frozenset()
    assert (await seen(database, NOON + 40 * DAY, span=quarter)).window.end == NOON + 90 * DAY


async def test_calendar_windows_beside_it_are_others(database: Database) -> None:
    await count(database, "a", NOON)
    month = window_at(NOON, Span("month"), BERLIN)
    async with database.reading() as session:
        assert (await read_meter(session, DEVICE, month, 2)).read_set == frozenset()


@pytest.mark.parametrize("as_counted", [True, False])
async def test_what_comes_along_at_a_sign_in(database: Database, as_counted: bool) -> None:
    await count(database, "a", NOON)

    async def sign_in(at: datetime) -> None:
        async with database.transaction() as session:
            await carry_reads(
                session, from_holder=DEVICE, to_holder=READER, window=asked(at),
                as_counted=as_counted, now=at,
            )  # fmt: skip

    at = NOON + 20 * DAY
    await sign_in(at)
    await sign_in(at + HOUR)
    carried = await seen(database, at, READER)
    assert (carried.used, carried.read_set) == (1 if as_counted else 0, frozenset("a"))
    assert carried.window.end == NOON + 30 * DAY
    assert await count(database, "a", at, holder=READER) is None
    state = await count(database, "b", at, holder=READER)
    # What only came along begins nothing: the reader's own first article does.
    began = NOON if as_counted else at
    assert state is not None
    assert (state.window.start, state.read_set) == (began, frozenset("ab"))
    assert (await seen(database, began + 30 * DAY, READER)).read_set == frozenset()


async def test_a_window_that_is_over_takes_nothing_along_and_keeps_nothing(
    database: Database,
) -> None:
    await count(database, "a", NOON)
    await count(database, "old", NOON, holder=READER)
    late = NOON + 31 * DAY
    await count(database, "b", late)
    async with database.transaction() as session:
        await carry_reads(
            session, from_holder=DEVICE, to_holder=READER, window=asked(late), as_counted=False,
            now=late,
        )  # fmt: skip
    state = await seen(database, late, READER)
    assert (state.counted, state.carried) == (frozenset(), frozenset("b"))


async def test_parallel_articles_begin_one_window_and_fill_it_exactly(database: Database) -> None:
    """At the instant at which the former one is over, in transactions of their own."""
    await count(database, "old", NOON)
    late = NOON + 30 * DAY
    found = await asyncio.gather(
        *(count(database, f"a{n}", late + n * TICK, limit=3) for n in range(30))
    )
    states = [each for each in found if each is not None]
    assert len(states) == 3
    assert len({state.window for state in states}) == 1
    state = await seen(database, late + DAY)
    assert (state.used, "old" in state.counted) == (3, False)


async def test_the_ledger_has_the_window_that_it_was_counted_in(database: Database) -> None:
    for article, at in (("a", NOON), ("b", NOON + DAY), ("c", NOON + 40 * DAY)):
        batch = [attempt(DEVICE, article, at), attempt(f"device:{article}", article, at + TICK)]
        await database.by_statement(partial(write, batch=batch, now=at))
    async with database.reading() as session:
        rows = await session.execute(
            select(AccessEntry.article_id, AccessEntry.window_start)
            .where(AccessEntry.holder == DEVICE)
            .order_by(AccessEntry.at)
        )
        began, next_one = NOON, NOON + 40 * DAY
        assert [tuple(row) for row in rows] == [("a", began), ("b", began), ("c", next_one)]
        whose = AccessEntry.holder == DEVICE
        before: dict[datetime, Sequence[str]] = {
            NOON: "", NOON + HOUR: "a", NOON + 2 * DAY: "ab", NOON + 31 * DAY: "",
            NOON + 41 * DAY: "c",
        }  # fmt: skip
        for at, read in before.items():
            past = await window_before(session, DEVICE, whose, MeterState(asked(at), 2), at)
            assert (past.state.read_set, past.undated) == (frozenset(read), 0), at


class Joining(NamedTuple):
    """Whose meter a device's reads come along to, and whether they count there."""

    audience: str
    limit: int
    as_counted: bool


JOINING = (
    Joining("registered", 2, as_counted=False), Joining("registered", 2, as_counted=True),
    Joining("former", 1, as_counted=False), Joining("former", 0, as_counted=False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("span", "name"),
    [(Span("day"), None), (Span("week"), None), (Span("month"), None), (SPAN, None), (SPAN, "magazine")],
)  # fmt: skip
async def test_signing_in_amid_parallel_reads_keeps_both_meters_exact(
    database: Database, database_url: str, span: Span, name: str | None
) -> None:
    """As two processes: by connections of their own, each read in a transaction of its own."""
    other = Database(database_url) if database_url.startswith("postgresql") else database
    for number, joining in enumerate(JOINING):
        holders = f"{DEVICE}{number}", f"{READER}{number}"
        await sign_in_amid_reads(joining, span, name, (database, other), holders)
    if other is not database:
        await other.dispose()


async def sign_in_amid_reads(
    joining: Joining, span: Span, name: str | None, both: tuple[Database, Database], holders: tuple[str, str]
) -> None:  # fmt: skip
    database, other = both
    device, reader = holders
    device_meter, reader_meter = (named_meter(each, name) for each in holders)

    async def read(holder: str, article: str, limit: int, by: Database) -> bool:
        counted = await count(by, article, NOON, limit=limit, holder=holder, span=span, name=name)
        return counted is not None

    async def sign_in(by: Database) -> None:
        async with by.transaction() as session:
            await carry_reads(
                session, from_holder=device_meter, to_holder=reader_meter, window=asked(NOON, span),
                as_counted=joining.as_counted, now=NOON,
            )  # fmt: skip

    for article in "ab":
        assert await read(device, article, 3, database)
    by_device, by_reader, _ = await asyncio.gather(
        asyncio.gather(*(read(device, f"d{n}", 3, both[n % 2]) for n in range(8))),
        asyncio.gather(*(read(reader, f"r{n}", joining.limit, both[n % 2]) for n in range(8))),
        sign_in(other),
    )
    await sign_in(database)
    assert sum(by_device) == 1
    if joining.as_counted:
        # What came along took the places of those that came later.
        assert sum(by_reader) <= joining.limit
        used = sum(by_reader) + 3
    else:
        assert sum(by_reader) == joining.limit
        used = joining.limit
    # What the device has read is free to read again; nothing of the other meter is touched.
    assert not await read(reader, "a", 3, database)
    async with database.reading() as session:
        state = await read_meter(session, reader_meter, asked(NOON, span), joining.limit)
        elsewhere = named_meter(reader, "other" if name else "magazine")
        assert (await read_meter(session, elsewhere, asked(NOON, span), 2)).read_set == frozenset()
    assert (state.used, {"a", "b"} <= state.read_set) == (used, True)


@on_sqlite
async def test_what_was_counted_is_remembered_without_the_database(
    database: Database, clocks: MovingClocks
) -> None:
    metering = Metering(database, clocks, Ledger())
    first = attempt(DEVICE, "a", NOON)
    await metering.count(DEVICE, first.entry, Touch(), first.window, first.limit, None)
    again = MeterState(asked(NOON + HOUR), 2)
    with statements() as seen:
        known = metering.remembered(DEVICE, again)
    assert (known, seen) == (MeterState(rolling_from(NOON, SPAN), 2, frozenset("a")), [])
    assert metering.remembers(DEVICE, again.window)
    assert metering.remembered(DEVICE, MeterState(asked(NOON + 30 * DAY), 2)) is None


@pytest.mark.parametrize("names", [(None, "magazine"), ("magazine", None), ("magazine", "books")])
async def test_a_device_that_has_read_takes_one_place_of_its_network(
    database: Database, names: Sequence[str | None]
) -> None:
    network = (Limit("cookieless", 1, DAY, "Too many."), "here")

    async def read(holder: str, name: str | None) -> bool:
        each = attempt(holder, f"of {name}", NOON, name=name)._replace(network=network)
        work = partial(write, batch=[each], now=NOON)
        (found,) = await database.by_statement(work)
        return found.counted

    async def begun(holder: str) -> bool:
        async with database.reading() as session:
            return await has_begun(session, holder)

    assert not await begun(DEVICE)
    assert [await read(DEVICE, each) for each in names] == [True, True]
    others = (f"{DEVICE}A", f"{DEVICE}0", "device:", "device:other")
    assert [await read(each, "magazine") for each in others] == [False] * 4
    assert [await begun(each) for each in (DEVICE, *others)] == [True, *[False] * 4]
