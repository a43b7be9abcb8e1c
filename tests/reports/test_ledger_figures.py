"""Figures of the ledger, on both databases: counted again from its rows, added up by day or not."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from service.clock import Clocks
from service.db.context import Context
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    Checkout,
    HabitDay,
    HolderDay,
    HolderReturn,
    LedgerDay,
    MovementRow,
    Pass,
    Reader,
    ReaderDevice,
    RolledDay,
    Rollup,
    SignInAsk,
    StepDepth,
    Subscription,
    Touches,
)
from service.identity.sign_in_asks import NOTED
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.day_rollup import count_days
from service.reports.returns import DAYS_TO_PAY
from service.reports.rollups import roll_up
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals
from tests.reports.ledger_histories import (
    BEGIN,
    CAME_BY,
    DAYS,
    DEVICES,
    LATER,
    LINKED,
    READERS,
    LedgerOracle,
    in_zone,
    ledgers,
)
from tests.reports.sampled import sampled

SOME = sampled(2)
DAY = timedelta(days=1)
NOWS = [
    LATER,
    *(BEGIN + (DAYS + after) * DAY + timedelta(hours=9) for after in (3, 12, 20)),
]
MONDAY = BEGIN.date() + 3 * DAY
STEPS = {1: "day", 7: "week"}
MIDDAY = datetime(2026, 3, 10, 12, tzinfo=UTC)
moments = st.integers(0, (DAYS + 40) * 24).map(lambda hours: BEGIN + timedelta(hours=hours))
asking = st.lists(
    st.tuples(st.sampled_from([f"device:{each}" for each in DEVICES]), moments),
    max_size=6, unique=True,
)  # fmt: skip


def test_figures_are_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        ledger=ledgers, start=st.integers(0, 8), days=st.integers(1, 18), length=st.sampled_from([1, 7]),
        zone=st.sampled_from(["Europe/Lisbon", "America/Santiago", "UTC"]),
        rolled=st.integers(-1, DAYS), paid=moments, passed=moments, verified=moments,
        clicked=moments, now=st.sampled_from(NOWS), asks=asking,
    )  # fmt: skip
    def play(
        ledger: list[AccessEntry], start: int, days: int, length: int, zone: str, rolled: int,
        paid: datetime, passed: datetime, verified: datetime, clicked: datetime, now: datetime,
        asks: list[tuple[str, datetime]],
    ) -> None:  # fmt: skip
        home = ZoneInfo(zone)
        first = MONDAY if length > 1 else BEGIN.date() + start * DAY
        last = first + (days - 1) * DAY
        what = asked(str(first), str(last), STEPS[length], now=now, home=home)
        payments = {"rdr_1": min(paid, passed), "rdr_2": passed}
        clicks = {"rdr_1": clicked, "rdr_2": passed, "d4": clicked}
        oracle = LedgerOracle(
            in_zone(ledger, home),
            first,
            last,
            length,
            home,
            payments,
            {"rdr_1": verified},
            clicks,
            now,
            asks,
        )
        asyncio.run(_compare(database_url, what, oracle, rolled, (paid, passed)))

    play()


async def _compare(
    url: str, what: Asked, oracle: LedgerOracle, rolled: int, paid: tuple[datetime, datetime]
) -> None:
    """Days up to the one of this number are added up and counted; then rows come late, and devices
    join their readers; the night after it they are added up and counted again.
    """
    database = Database(url)
    settings = Settings(_env_file=None, database_url=url, time_zone=what.home.key)
    clocks = MovingClocks()
    context = Context(settings, clocks, database)
    clocks.time = BEGIN + (rolled + 1) * DAY + timedelta(hours=12)
    late = {id(row) for row in oracle.rows[::4] if clocks.time.date() - row.day < 5 * DAY}
    if rolled < 0:
        late = {id(row) for row in oracle.rows}
    try:
        await _fill(database, oracle, paid)
        await store(database, *(_copy(row) for row in oracle.rows if id(row) not in late))
        if rolled >= 0:
            await roll_up(context)
            await count_days(context)
        await store(database, *_links(), *(_copy(row) for row in oracle.rows if id(row) in late))
        if rolled >= 0:
            clocks.travel(DAY)
            await roll_up(context)
            await count_days(context)
        await _agree(database, what, oracle)
    finally:
        await database.dispose()


async def _fill(database: Database, oracle: LedgerOracle, paid: tuple[datetime, datetime]) -> None:
    """Everything but the ledger's rows and the links of devices."""
    tables = (
        AccessEntry, HolderDay, LedgerDay, RolledDay, HolderReturn, StepDepth, HabitDay, MovementRow, Pass, Checkout, Subscription,
        ReaderDevice, Touches, Article, SignInAsk,
    )  # fmt: skip
    async with database.transaction() as session:
        for table in tables:
            await session.execute(delete(table))
        await session.execute(delete(Reader))
    readers = [
        rows.reader(id=each, email_verified_at=oracle.verified.get(each)) for each in READERS
    ]
    offer, present = rows.offer(), rows.offer(kind="gift")
    bought = rows.subscription(readers[0], offer)
    checkouts = [rows.checkout(each, offer, oracle.clicked[each.id]) for each in readers]
    nobodys = rows.checkout(
        readers[0], offer, oracle.clicked["d4"], reader_id=None, device_id="d4", status="open"
    )
    # A gift for somebody else is no checkout that a holder leaves.
    gifts = [rows.checkout(r, present, BEGIN + n * DAY) for r in readers for n in range(DAYS + 1)]
    news = rows.article("art_1", "News")
    news.id, news.section = news.slug, "News"
    await store(database, offer, present, news, *readers, *checkouts, nobodys, *gifts)
    touches = [
        Touches(holder=holder, first_at=BEGIN, last_at=BEGIN, first_source=came_by)
        for holder, came_by in CAME_BY.items()
    ]
    asks = [SignInAsk(holder=holder, at=at) for holder, at in oracle.asks]
    await store(database, *touches, *asks)
    await store(
        database, bought, rows.movement(bought, 1, paid[0]),
        *(
            rows.bought_pass(reader, offer, checkout, paid_at=paid[1])
            for reader, checkout in zip(readers, checkouts, strict=True)
        ),
        # A gift for somebody else is nobody's first payment.
        *(rows.bought_pass(each, present, checkouts[0], paid_at=BEGIN) for each in readers),
    )  # fmt: skip


def _links() -> list[ReaderDevice]:
    return [
        ReaderDevice(device_id=device, reader_id=reader, linked_at=BEGIN)
        for device, reader in LINKED.items()
    ]


def _copy(row: AccessEntry) -> AccessEntry:
    return AccessEntry(**{c.key: getattr(row, c.key) for c in AccessEntry.__table__.columns})


def parts(line: Line) -> list[tuple[object, object]]:
    """Part and whole of each step, then of the period."""
    return [(cell.part, cell.whole) for cell in (*line.cells, line.total)]


async def _agree(database: Database, what: Asked, oracle: LedgerOracle) -> None:
    expected = list(oracle.stop_rate())
    found = {line.series: parts(line) for line in await lines_of(database, "stop-rate", what)}
    for place, name in enumerate(("all", "subscribe", "register")):
        assert found[name] == [(each[place], each[3]) for each in expected]

    mix = list(oracle.mix())
    for line in await lines_of(database, "access-mix", what):
        assert parts(line) == [(each.get(line.series, 0), sum(each.values())) for each in mix]

    depth = list(oracle.depth())
    for line in await lines_of(database, "meter-depth", what):
        used = {"6-10": range(6, 11), "11+": range(11, 10**6)}.get(line.series)
        wanted = used if used is not None else range(int(line.series), int(line.series) + 1)
        counts = [sum(n for many, n in each.items() if many in wanted) for each in depth]
        # Of the period: all steps together.
        assert [cell.value for cell in line.cells] == counts[:-1]
        assert line.total.value == sum(counts[:-1])

    left = list(oracle.left())
    for line in await lines_of(database, "paid-after-a-wall", what):
        if line.series.startswith("left_at"):
            place = ("left_at_checkout", "left_at_wall").index(line.series)
            assert parts(line) == [(each[place], each[2]) for each in left]
            continue
        within = int(line.series.removeprefix("within_"))
        assert parts(line) == list(oracle.after("subscribe", oracle.paid, within))

    await _agree_by_wall(database, what, oracle)
    funnel = await lines_of(database, "registration-funnel", what)
    met, has_asked, registered, paid, days, reads = funnel
    way = list(oracle.on_the_way(30))
    assert parts(days) == [
        (None, None) if w is None else (sum(w, timedelta()) / DAY, len(w)) for w, _ in way
    ]
    assert parts(reads) == [(None, None) if n is None else (sum(n), len(n)) for _, n in way]
    assert parts(has_asked) == list(oracle.after_any("register", oracle.asks, 30))
    assert parts(registered) == list(oracle.after("register", oracle.verified, 30))
    assert parts(paid) == list(oracle.after("register", oracle.paid, 30))
    assert [cell.value for cell in (*met.cells, met.total)] == oracle.met("register")

    for name in (*CAME_BY.values(), "direct or unknown"):
        some = oracle.of_source(name)
        split = await lines_of(database, "stop-rate", replace(what, split="source"))
        only = await lines_of(database, "stop-rate", replace(what, chosen={"source": name}))
        of_some = list(some.stop_rate())
        for found_lines in ([each for each in split if each.split == name], only):
            for place, line in enumerate(found_lines):
                assert parts(line) == [(each[place], each[3]) for each in of_some]
        paid_some = await lines_of(
            database, "paid-after-a-wall", replace(what, chosen={"source": name})
        )
        for line, days_to_pay in zip(paid_some, DAYS_TO_PAY, strict=False):
            assert parts(line) == list(some.after("subscribe", some.paid, days_to_pay))
        funnel = await lines_of(
            database, "registration-funnel", replace(what, chosen={"source": name})
        )
        assert parts(funnel[1]) == list(some.after_any("register", some.asks, 30))
        assert parts(funnel[2]) == list(some.after("register", some.verified, 30))
        assert [cell.value for cell in (*funnel[0].cells, funnel[0].total)] == some.met("register")


async def _agree_by_wall(database: Database, what: Asked, oracle: LedgerOracle) -> None:
    """By a wall's kind, and by the section of its article."""
    for split, ways in (
        ("wall", {name: (oracle, name) for name in ("subscribe", "register")}),
        ("section", {"News": (oracle.of_article("art_1"), "subscribe")}),
    ):
        for line in await lines_of(database, "paid-after-a-wall", replace(what, split=split)):
            if line.split in ways and line.series.startswith("within_"):
                some, wall = ways[line.split]
                within = int(line.series.removeprefix("within_"))
                assert parts(line) == list(some.after(wall, some.paid, within)), line.split


@pytest.fixture
def context(settings: Settings, clocks: Clocks, database: Database) -> Context:
    return Context(settings, clocks, database)


async def rolled(database: Database) -> dict[str, int]:
    """The ledger's rows of each day that is added up, by the rollup."""
    async with database.reading() as session:
        days = list(await session.scalars(select(RolledDay).order_by(RolledDay.day)))
        sums = await session.execute(
            select(LedgerDay.day, func.sum(LedgerDay.rows)).group_by(LedgerDay.day)
        )
        rows_of = {day: int(number) for day, number in sums}
    assert {day.day: day.rows for day in days if day.rows} == rows_of
    return {f"{day.day:%m-%d}": day.rows for day in days}


async def test_days_that_are_over_are_added_up_once(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    article = rows.article("a", "A")
    at = [MIDDAY - 3 * DAY, MIDDAY - DAY, MIDDAY - DAY, MIDDAY]
    clocks.time = MIDDAY
    await store(database, article, *(rows.read(article, each) for each in at))
    await roll_up(context)
    assert await rolled(database) == {"03-07": 1, "03-08": 0, "03-09": 2}
    # A row that was noted before midnight and written later is found the next night.
    await store(database, rows.read(article, MIDDAY - DAY, holder="device:late"))
    await roll_up(context)
    assert (await rolled(database))["03-09"] == 2
    clocks.travel(DAY)
    await roll_up(context)
    assert await rolled(database) == {"03-07": 1, "03-08": 0, "03-09": 3, "03-10": 1}


async def test_the_day_before_waits_for_its_last_rows(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    clocks.time = datetime(2026, 3, 11, 0, 14, tzinfo=UTC)
    await store(database, rows.read(rows.article("a", "A"), MIDDAY))
    await roll_up(context)
    assert await rolled(database) == {}
    clocks.travel(timedelta(minutes=2))
    await roll_up(context)
    assert await rolled(database) == {"03-10": 1}


async def test_figures_stay_when_the_ledgers_rows_are_gone(
    context: Context, database: Database, clocks: MovingClocks
) -> None:
    """As when its months are dropped by age."""
    article = rows.article("a", "A")
    clocks.time = MIDDAY
    walls = [
        rows.read(article, MIDDAY - DAY, holder=f"device:{n}", wall="subscribe" if n < 5 else None)
        for n in range(20)
    ]
    await store(database, article, *walls)
    await roll_up(context)
    await count_days(context)
    async with database.transaction() as session:
        await session.execute(delete(AccessEntry))
    await roll_up(context)
    await count_days(context)
    what = asked("2026-03-09", "2026-03-10", "day", now=MIDDAY)
    cell = totals(await lines_of(database, "stop-rate", what))["all"]
    assert (cell.part, cell.whole) == (5, 20)


async def test_another_zone_than_the_publications_has_no_days(database: Database) -> None:
    what = asked("2026-03-09", "2026-03-10", zone="Asia/Tokyo")
    for line in await lines_of(database, "stop-rate", what):
        assert line.total.why == "This figure uses days in Europe/Lisbon: choose that time zone."


@pytest.mark.parametrize("chosen", [{}, {"source": "direct or unknown"}])
async def test_the_whole_is_of_those_who_have_had_the_days(
    database: Database, chosen: dict[str, str]
) -> None:
    article, early, late = rows.article("a", "A"), MIDDAY - 8 * DAY, MIDDAY - 6 * DAY
    walls = [
        rows.read(article, at, holder=f"device:{at:%d}_{n}", wall=wall)
        for at, number in ((early, 20), (late, 30))
        for n in range(number)
        for wall in ("subscribe", "register")
    ]
    await store(database, article, *walls)
    what = replace(asked("2026-03-01", "2026-03-10", "day", now=MIDDAY), chosen=chosen)
    lines = await lines_of(database, "paid-after-a-wall", what)
    found = totals(lines)
    assert (found["within_7"].whole, found["within_3"].whole) == (20, 50)
    assert found["within_7"].among == "Of those who met a wall up to 2 March 2026."
    assert found["within_30"].why == "All its walls were less than 30 days ago."
    within_7 = next(each for each in lines if each.series == "within_7")
    assert [cell.value for cell in within_7.cells[1:4]] == [0, None, None]
    assert within_7.cells[3].why == "Its last wall was less than 7 days ago."
    april = replace(asked("2026-03-01", "2026-04-04", now=MIDDAY + 25 * DAY), chosen=chosen)
    funnel = totals(await lines_of(database, "registration-funnel", april))
    assert (funnel["met"].value, funnel["met"].among) == (50, "")
    assert (funnel["registered"].whole, funnel["registered"].among) == (
        50, "Of those who met a wall up to 4 March 2026.",
    )  # fmt: skip


async def test_asks_arent_known_of_the_time_before_they_were_noted(database: Database) -> None:
    """As after an upgrade at noon of 2 March: the first whole day is the 3rd."""
    article, now = rows.article("a", "A"), MIDDAY + 60 * DAY
    walls = [
        rows.read(article, MIDDAY - back * DAY, holder=f"device:{back}_{n}", wall="register")
        for back in (8, 7)
        for n in range(20)
    ]
    asks = [SignInAsk(holder=f"device:7_{n}", at=MIDDAY - 6 * DAY) for n in range(5)]
    noted = Rollup(name=NOTED, zone="", version=1, made_at=MIDDAY - 8 * DAY)
    await store(database, article, *walls, *asks, noted)
    what = asked("2026-03-02", "2026-03-03", "day", now=now)
    for each in (what, replace(what, chosen={"source": "direct or unknown"})):
        lines = await lines_of(database, "registration-funnel", each)
        (found,) = (line for line in lines if line.series == "asked")
        before, since = found.cells
        assert before.value is found.total.value is None
        assert before.why == "Who asked isn't known before 2026-03-03: begin on that day or later."
        assert (since.part, since.whole) == (5, 20)
