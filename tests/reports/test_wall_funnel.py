"""From a wall, or a prompt, to a payment, on both databases: counted again from rows in plain Python."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    Checkout,
    Offer,
    Reader,
    ReaderDevice,
    RolledDay,
    Touches,
)
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.period import midnight
from service.reports.queries.wall_funnel import PROMPT_SPLITS, SPLITS, wall_funnel
from service.reports.rollups import roll_day
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals
from tests.reports.ledger_histories import (
    BEGIN,
    CAME_BY,
    DAYS,
    LATER,
    LINKED,
    READERS,
    in_zone,
    joined,
    ledgers,
    source_of,
)
from tests.reports.sampled import sampled

SOME = sampled(2)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
SECTIONS = {"art_1": "News", "art_2": None}
FIGURES = {"wall-funnel": SPLITS, "prompt-funnel": PROMPT_SPLITS}
OFFERS = ("off_1", "off_2", "off_gift")
_TABLES: tuple[type[Base], ...] = (
    AccessEntry, RolledDay, Checkout, ReaderDevice, Touches, Reader, Offer, Article,
)  # fmt: skip
VALUES: dict[str, Callable[[AccessEntry], str]] = {
    "": lambda _: "",
    "wall": lambda row: row.wall or "",
    "audience": lambda row: row.audience or "not known",
    "prompt": lambda row: row.prompt or "not known",
    "section": lambda row: SECTIONS[row.article_id] or "no section",
    "source": lambda row: source_of(row.holder),
    "last_source": lambda row: source_of(row.holder),
    "campaign": lambda _: "no campaign",
    "offer": lambda _: "",
}
"""By split, the value of a row of the ledger."""


@st.composite
def clicks(draw: st.DrawFn) -> Checkout:
    """An offer that a reader, or a device of nobody, bought or left."""
    whose = draw(st.sampled_from([*READERS, *READERS, None]))
    at = BEGIN + timedelta(hours=draw(st.integers(0, DAYS * 24)), seconds=1)
    return rows.checkout(
        rows.reader(id=whose or "rdr_1"), rows.offer(id=draw(st.sampled_from(OFFERS))), at,
        reader_id=whose, device_id=None if whose else draw(st.sampled_from([*LINKED, "d4"])),
        status=draw(st.sampled_from(["completed", "expired"])),
    )  # fmt: skip


def test_the_funnel_is_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        ledger=ledgers, bought=st.lists(clicks(), min_size=1, max_size=8), start=st.integers(0, 8),
        days=st.integers(1, 18),
        prompts=st.lists(st.sampled_from([None, "old", "new"]), min_size=3, max_size=3),
        now=st.sampled_from([LATER, BEGIN + (DAYS + 4) * DAY]),
    )  # fmt: skip
    def play(
        ledger: list[AccessEntry], bought: list[Checkout], start: int, days: int,
        prompts: list[str | None], now: datetime,
    ) -> None:  # fmt: skip
        home = ZoneInfo("America/Santiago")
        first = BEGIN.date() + start * DAY
        what = asked(str(first), str(first + (days - 1) * DAY), "day", now=now, home=home)
        for number, row in enumerate(in_zone(ledger, home)):
            row.id, row.prompt = f"{number:06}", prompts[number % 3]
            row.audience = "lapsed" if row.prompt == "new" else None
        asyncio.run(_compare(database_url, what, ledger, bought))

    play()


async def _compare(
    url: str, what: Asked, ledger: list[AccessEntry], bought: list[Checkout]
) -> None:
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in _TABLES:
                await session.execute(delete(table))
        offers = [rows.offer(id=each) for each in OFFERS]
        offers[-1].kind = "gift"
        articles = [rows.article(each, each) for each in SECTIONS]
        for article in articles:
            article.id, article.section = article.slug, SECTIONS[article.slug]
        await store(database, *offers, *articles, *(rows.reader(id=each) for each in READERS))
        links = [ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()]
        touches = [
            Touches(holder=each, first_at=BEGIN, last_at=BEGIN, first_source=by, last_source=by)
            for each, by in CAME_BY.items()
        ]
        copies = [*(_copy(row) for row in ledger), *(_copy(row) for row in bought)]
        await store(database, *links, *touches, *copies)
        for slug, splits in FIGURES.items():
            for split in ("", *splits):
                here = replace(what, split=split)
                _agree(slug, here, ledger, bought, await lines_of(database, slug, here))
    finally:
        await database.dispose()


def _agree(
    slug: str, what: Asked, ledger: list[AccessEntry], bought: list[Checkout], found: list[Line]
) -> None:
    ledger = [row for row in ledger if (row.wall if slug == "wall-funnel" else row.prompt)]
    steps = [(each.first, each.last) for each in what.period.steps]
    steps.append((steps[0][0], steps[-1][1]))
    for line in found:
        for cell, (first, last) in zip([*line.cells, line.total], steps, strict=True):
            looks_ahead, until = line.series != "met", last
            if looks_ahead:
                until = _last_over(what, first, last, is_whole=cell is line.total)
            expected = _funnel(ledger, bought, what.split, line.split, first, until)
            value = (cell.part, cell.whole) if cell.whole is not None else cell.value
            if until < first:
                assert value is None
            else:
                assert value == expected[line.series], (line.series, line.split, first)
            assert bool(cell.among) == (looks_ahead and first <= until < last)
    if what.split not in {"", "offer"}:
        met = [row for row in ledger if steps[-1][0] <= row.day <= steps[-1][1]]
        assert {each.split for each in found} == {VALUES[what.split](row) for row in met}


def _last_over(what: Asked, first: date, last: date, *, is_whole: bool) -> date:
    """The last of these days that is a week over; of a step nothing before all are."""
    days = [first + n * DAY for n in range((last - first).days + 1)]
    over = [each for each in days if midnight(each + DAY, what.home) + WEEK <= what.now]
    return max(over) if over and (is_whole or len(over) == len(days)) else first - DAY


def _funnel(
    ledger: list[AccessEntry], bought: list[Checkout], split: str, value: str, first: date, last: date
) -> dict[str, object]:  # fmt: skip
    wanted = "" if split == "offer" else value
    met: dict[str, datetime] = {}
    for row in ledger:
        if first <= row.day <= last and VALUES[split](row) == wanted:
            whose = joined(row.holder)
            met[whose] = min(met.get(whose, row.at), row.at)
    started, paid = set(), set()
    for each in bought:
        if each.offer_id == "off_gift":
            continue
        buyer = joined(f"reader:{each.reader_id}" if each.reader_id else f"device:{each.device_id}")
        wall_at = met.get(buyer)
        if wall_at is None or not wall_at <= each.created_at <= wall_at + WEEK:
            continue
        if split == "offer" and each.offer_id != value:
            continue
        started.add(buyer)
        if each.status == "completed":
            paid.add(buyer)
    m, s, p = len(met), len(started), len(paid)
    return {
        "met": m, "started": s, "paid": p, "started_rate": (s, m), "paid_rate": (p, m),
        "completed": (p, s),
    }  # fmt: skip


def _copy(row: Base) -> Base:
    return type(row)(**{c.key: getattr(row, c.key) for c in row.__table__.columns})


async def test_a_sample_is_stated_and_what_is_not_over_has_no_value(database: Database) -> None:
    article, at = rows.article("a", "A"), datetime.fromisoformat("2026-03-09T12:00:00+00:00")
    names = [f"device:dev_{number:02x}ff" for number in (0x70, *range(0x20, 0x2F))]
    await store(
        database,
        article,
        *(rows.read(article, at, holder=each, wall="subscribe") for each in names),
    )
    what = asked("2026-03-05", "2026-03-10", "month", now=at + DAY)
    async with database.reading() as session:
        found = totals(await wall_funnel(session, what, most=15))
    assert (found["met"].value, found["sample"].value) == (16, Fraction(1, 16))
    assert found["paid_rate"].why == "All its walls were less than 7 days ago."


async def test_without_the_ledgers_rows_there_is_no_funnel(database: Database) -> None:
    article, at = rows.article("a", "A"), datetime.fromisoformat("2026-03-03T12:00:00+00:00")
    await store(database, article, rows.read(article, at, wall="subscribe"))
    await roll_day(database, at.date(), now=at + DAY)
    async with database.transaction() as session:
        await session.execute(delete(AccessEntry))
    what = asked("2026-03-01", "2026-03-10", "month", now=at + WEEK)
    lines = await lines_of(database, "wall-funnel", what)
    assert len(lines) == 6
    assert all("are deleted" in line.total.why for line in lines)
