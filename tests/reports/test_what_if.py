"""What if the meter had another limit, on both databases: replayed rows against lives lived again."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.db.session import Database
from service.db.tables import AccessEntry, HolderDay, LedgerDay, Reader, RolledDay
from service.identity.cookies import cookie_name
from service.identity.devices import HEADER
from service.identity.sessions import open_session
from service.reports.asked import Asked
from service.reports.cells import Cell, Line
from service.reports.period import midnight
from service.reports.queries.what_if import what_if
from service.reports.replay import AS_IT_WAS, LIMITS, Place, Tried, replay
from service.reports.rollups import roll_day
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.sampled import sampled

SOME = sampled(2)
BEGIN, DAYS = datetime(2026, 3, 20, tzinfo=UTC), 24
LATER = BEGIN + timedelta(days=200)
DAY = timedelta(days=1)
REASONS = {
    "free": None,
    "comp": None,
    "registered_only": "register",
    "subscribers_only": "subscribe",
}
"""Of articles at which the meter isn't asked, and the wall that each is."""
ALIKE = {"rdr_2": "box+news@posteo.de", "rdr_3": "box@posteo.de"}
"""Two readers of one mailbox, who have one meter."""
HOLDERS = ("device:d1", "device:d2", "device:d3", "reader:rdr_1", "reader:rdr_2", "reader:rdr_3")
Limits = Callable[[str], int]


@dataclass(frozen=True)
class Attempt:
    """Somebody opens an article: a metered one, or one at which another reason decides."""

    at: datetime
    holder: str
    article: str
    reason: str


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    kind = draw(st.sampled_from(["metered"] * 6 + list(REASONS)))
    number = draw(st.integers(1, 12))
    return Attempt(
        BEGIN + timedelta(minutes=draw(st.integers(0, DAYS * 24 * 60))),
        draw(st.sampled_from(HOLDERS)), f"{kind}_{number}", kind,
    )  # fmt: skip


histories = st.lists(attempts(), min_size=60, max_size=160)


def meter_of(holder: str) -> str:
    return "one box" if holder.removeprefix("reader:") in ALIKE else holder


def lived(history: list[Attempt], limit_of: Limits, zone: ZoneInfo) -> Iterator[AccessEntry]:
    """The ledger of these attempts with these limits, by the calendar month."""
    used: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for number, each in enumerate(sorted(history, key=lambda one: one.at)):
        day = each.at.astimezone(zone).date()
        reason, wall, consumed = each.reason, REASONS.get(each.reason), False
        window = None
        if reason == "metered":
            window = midnight(day.replace(day=1), zone)
            counted = used[meter_of(each.holder), f"{day:%Y-%m}"]
            consumed = each.article not in counted and len(counted) < limit_of(each.holder)
            if consumed:
                counted.append(each.article)
            reason = "meter" if each.article in counted else "meter_exhausted"
            wall = None if reason == "meter" else "subscribe"
        yield AccessEntry(
            day=day, holder=each.holder, id=f"{number:06}", at=each.at, article_id=each.article,
            granted=wall is None, consumed=consumed, reason=reason, wall=wall, window_start=window,
            once=False,
        )  # fmt: skip


def stopped(ledger: list[AccessEntry], kind: str, first: date, last: date) -> tuple[int, int]:
    """Distinct holders of the kind with a wall in these days, and all of them."""
    prefix = {"anonymous": "device:", "registered": "reader:"}[kind]
    theirs = [r for r in ledger if r.holder.startswith(prefix) and first <= r.day <= last]
    return len({row.holder for row in theirs if row.wall}), len({row.holder for row in theirs})


def test_a_replay_is_what_another_limit_would_have_done(database_url: str) -> None:
    @SOME
    @given(
        history=histories, start=st.integers(0, 8), days=st.integers(1, 18),
        zone=st.sampled_from(["Europe/Lisbon", "America/Santiago"]),
        anonymous=st.integers(0, 5), registered=st.integers(0, 8),
    )  # fmt: skip
    def play(
        history: list[Attempt], start: int, days: int, zone: str, anonymous: int, registered: int
    ) -> None:
        home = ZoneInfo(zone)
        first = BEGIN.date() + start * DAY
        what = asked(str(first), str(first + (days - 1) * DAY), "day", now=LATER, home=home)

        def limit_of(holder: str) -> int:
            return anonymous if holder.startswith("device:") else registered

        asyncio.run(_compare(database_url, what, history, limit_of))

    play()


async def _compare(url: str, what: Asked, history: list[Attempt], limit_of: Limits) -> None:
    zone = what.home
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in (AccessEntry, HolderDay, LedgerDay, RolledDay, Reader):
                await session.execute(delete(table))
        readers = [rows.reader(id=each, verified_key=key) for each, key in ALIKE.items()]
        await store(database, *readers, *lived(history, limit_of, zone))
        found = await lines_of(database, "what-if-meter", what)
    finally:
        await database.dispose()
    days = [step.first for step in what.period.steps]
    for line in found:
        limit = line.split.removeprefix("limit ")
        then = limit_of if limit == "as it was" else _always(int(limit))
        lives = list(lived(history, then, zone))
        expected = [stopped(lives, line.series, day, day) for day in days]
        expected.append(stopped(lives, line.series, days[0], days[-1]))
        assert [(cell.part, cell.whole) for cell in (*line.cells, line.total)] == expected, line


def _always(limit: int) -> Limits:
    return lambda _: limit


def parts(found: list[Line]) -> dict[tuple[str, str], tuple[object, object]]:
    return {(each.series, each.split): (each.total.part, each.total.whole) for each in found}


TRIED = {
    "first": "abcab", "second": "abcdaef", "third": "a", "fourth": "free abcd", "reader": "abcdefa",
}  # fmt: skip
"""What each device, and a registered reader, opens in this order."""


async def _try_all(paywall: Paywall) -> None:
    for slug in "abcdef":
        await paywall.publish(slug)
    await paywall.publish("free", access={"level": "free"})
    for name, tried in TRIED.items():
        async with paywall.new_client() as client:
            if name == "reader":
                await _sign_in(paywall, client.cookies.set)
            for slug in ["free", *tried[5:]] if tried.startswith("free") else tried:
                answer = await client.post(f"/v1/articles/{slug}/unlock")
                client.headers.setdefault(HEADER, answer.json().get("device_token", ""))
                paywall.clocks.travel(timedelta(hours=1))
    await paywall.ledger()


async def _sign_in(paywall: Paywall, set_cookie: Callable[..., None]) -> None:
    now = paywall.clocks.wall()
    async with paywall.database.transaction() as session:
        reader = rows.reader(email_verified_at=now, created_at=now)
        session.add(reader)
        await session.flush()
        opened = await open_session(
            session, reader_id=reader.id, now=now, settings=paywall.settings
        )
    set_cookie(cookie_name("session", paywall.settings), opened.token, domain="127.0.0.1")


@on_sqlite
async def test_the_service_agrees_with_its_replay(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """The same readers at services with the limits 3 and 5, then 2 and 2: in the first one's replay the
    limits of either are what happened there.
    """
    found = {}
    for limits in ((3, 5), (2, 2)):
        limited = settings.model_copy(
            update={"meter_limit": limits[0], "registered_meter_limit": limits[1]}
        )
        async with inside(database, limited, clocks) as paywall:
            await _try_all(paywall)
        what = asked("2026-03-10", "2026-03-31", "month", now=clocks.business())
        found[limits] = parts(await lines_of(database, "what-if-meter", what))
        async with database.transaction() as session:
            await session.execute(delete(AccessEntry))
        clocks.time = datetime(2026, 3, 10, 9, tzinfo=UTC)
    real, other = found[3, 5], found[2, 2]
    assert real["anonymous", "as it was"] == real["anonymous", "limit 3"] == (2, 4)
    assert real["registered", "as it was"] == real["registered", "limit 5"] == (1, 1)
    assert real["anonymous", "limit 2"] == other["anonymous", "as it was"] == (3, 4)
    assert real["registered", "limit 2"] == other["registered", "as it was"] == (1, 1)
    assert [real["anonymous", f"limit {n}"][0] for n in range(1, 11)] == [3, 3, 2, 1, 1] + 5 * [0]


async def test_what_a_device_brought_along_is_free_in_the_replay(database: Database) -> None:
    """A reader reads again what the device had read, and then one article by the own meter."""
    article, other = rows.article("a", "A"), rows.article("b", "B")
    at, window = datetime(2026, 3, 9, 12, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    shared = {"holder": "reader:rdr_1", "window_start": window}
    await store(
        database, article, other,
        rows.read(article, at, consumed=False, **shared),
        rows.read(other, at + timedelta(hours=1), **shared),
    )  # fmt: skip
    what = asked("2026-03-01", "2026-03-10", "month", now=at + DAY)
    found = parts(await lines_of(database, "what-if-meter", what))
    assert found["registered", "as it was"] == found["registered", "limit 1"] == (0, 1)


async def test_a_huge_ledger_is_sampled_by_holders_at_a_stated_rate(database: Database) -> None:
    """40 rows of 20 devices, two of which have names that begin with the sample's digit."""
    article, at = rows.article("a", "A"), datetime(2026, 3, 9, 12, tzinfo=UTC)
    names = [f"device:dev_{number:02x}ff" for number in (0x70, 0x7F, *range(0x20, 0x32))]
    read = [
        rows.read(article, at + timedelta(minutes=minute), holder=each, window_start=at)
        for each in names
        for minute in (0, 1)
    ]
    await store(database, article, *read)
    what = asked("2026-03-01", "2026-03-10", "month", now=at + DAY)
    async with database.reading() as session:
        whole = await what_if(session, what, most=40)
        sampled = await what_if(session, what, most=39)
    assert {line.total.whole for line in whole if line.series == "anonymous"} == {20}
    assert not [line for line in whole if line.series == "sample"]
    assert {line.total.whole for line in sampled if line.series == "anonymous"} == {2}
    assert sampled[-1].total == Cell(Fraction(1, 16))


async def test_what_was_read_before_the_period_is_sampled_too(database: Database) -> None:
    """A rolling window may have begun long before: 20 rows of the period and 20 of before."""
    article, at = rows.article("a", "A"), datetime(2026, 3, 9, 12, tzinfo=UTC)
    names = [f"device:dev_{number:02x}ff" for number in (0x70, *range(0x20, 0x33))]
    read = [
        rows.read(article, when, holder=each, window_start=at - 60 * DAY)
        for each in names
        for when in (at - 60 * DAY, at)
    ]
    await store(database, article, *read)
    what = asked("2026-03-01", "2026-03-10", "month", now=at + DAY)
    async with database.reading() as session:
        whole, sampled = [await what_if(session, what, most=most) for most in (40, 39)]
    assert {line.total.whole for line in whole if line.series == "anonymous"} == {20}
    assert {line.total.whole for line in sampled if line.series == "anonymous"} == {1}


@pytest.mark.parametrize("kept", [True, False])
async def test_without_the_ledgers_rows_there_is_no_replay(database: Database, kept: bool) -> None:
    article, at = rows.article("a", "A"), datetime(2026, 3, 3, 12, tzinfo=UTC)
    later = [rows.read(article, at + 4 * DAY)] if kept else []
    await store(database, article, rows.read(article, at), *later)
    await roll_day(database, at.date(), now=at + DAY)
    async with database.transaction() as session:
        await session.execute(delete(AccessEntry).where(AccessEntry.day == at.date()))
    what = asked("2026-03-01", "2026-03-10", "month", now=at + 7 * DAY)
    for line in await lines_of(database, "what-if-meter", what):
        day = "2026-03-07" if kept else "2026-03-11"
        assert line.total.why == (
            f"Reads and walls before {day} are deleted, and this needs each of them."
        )


def tried(article: str, *, window: datetime, walled: bool = False, own: bool = False) -> Tried:
    return Tried(
        meter="device:d", step=0, kind="anonymous", holder="device:d", article=article, reason="meter_exhausted" if walled else "meter",
        is_walled=walled, consumed=not walled, window=window, is_own=own,
    )  # fmt: skip


def stopping(rows_of: list[Tried]) -> list[int]:
    """The limits at which the device met a wall."""
    found = replay(rows_of)
    return [limit for limit in (AS_IT_WAS, *LIMITS) if found.stopped[Place("anonymous", 0, limit)]]


def test_rolling_windows_are_replayed_each_by_itself() -> None:
    first, second = BEGIN, BEGIN + 10 * DAY
    reads = [("a", first), ("b", first), ("c", second), ("d", second), ("e", second)]
    assert stopping([tried(slug, window=window) for slug, window in reads]) == [1, 2]


def test_a_meter_of_its_own_is_replayed_as_it_was() -> None:
    first, second = tried("a", window=BEGIN), tried("b", window=BEGIN)
    own = tried("m", window=BEGIN + DAY, own=True)
    walled = tried("n", window=BEGIN + DAY, own=True, walled=True)
    assert stopping([first, own, second]) == [1]
    assert stopping([first, own, walled, second]) == [AS_IT_WAS, *LIMITS]
