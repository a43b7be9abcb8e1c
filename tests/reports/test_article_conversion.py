"""Articles that make readers buy, on both databases: counted again from rows in plain Python."""

import asyncio
from datetime import UTC, date, datetime, timedelta
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
    HolderDay,
    LedgerDay,
    MovementRow,
    Offer,
    Reader,
    ReaderDevice,
    RolledDay,
    Subscription,
)
from service.reports.asked import Asked
from service.reports.cells import Cell
from service.reports.queries.article_conversion import article_conversion
from service.reports.queries.article_readers import Readers, all_readers, readers_of
from service.reports.rollups import roll_day
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.ledger_histories import (
    BEGIN,
    DAYS,
    LINKED,
    READERS,
    in_zone,
    joined,
    ledgers,
)
from tests.reports.sampled import sampled

SOME = sampled(2)
LATER = BEGIN + timedelta(days=200)
DAY = timedelta(days=1)
ARTICLES = ("art_1", "art_2")
_TABLES: tuple[type[Base], ...] = (
    AccessEntry, HolderDay, LedgerDay, RolledDay, MovementRow, Subscription, Checkout, ReaderDevice, Reader, Offer, Article,
)  # fmt: skip


@st.composite
def clicks(draw: st.DrawFn) -> Checkout:
    """An offer bought by a reader, or begun and left; for one article or as a gift in some cases."""
    offer_id = draw(st.sampled_from(["off_1", "off_1", "off_gift"]))
    reader = rows.reader(id=draw(st.sampled_from(READERS)))
    at = BEGIN + timedelta(hours=draw(st.integers(0, DAYS * 24)), seconds=1)
    return rows.checkout(
        reader, rows.offer(id=offer_id), at, device_id=draw(st.sampled_from([*LINKED, None])),
        status=draw(st.sampled_from(["completed", "completed", "expired"])),
        article_id=draw(st.sampled_from([None, None, None, "art_2"])),
    )  # fmt: skip


def test_article_conversion_is_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        ledger=ledgers, bought=st.lists(clicks(), min_size=1, max_size=6, unique_by=lambda one: one.created_at),
        imported=st.dictionaries(st.sampled_from(READERS), st.integers(0, DAYS), max_size=1),
        start=st.integers(0, 8), days=st.integers(1, 18), rolled=st.sets(st.integers(0, DAYS)),
    )  # fmt: skip
    def play(
        ledger: list[AccessEntry], bought: list[Checkout], imported: dict[str, int], start: int,
        days: int, rolled: set[int],
    ) -> None:  # fmt: skip
        home = ZoneInfo("Europe/Lisbon")
        first = BEGIN.date() + start * DAY
        what = asked(str(first), str(first + (days - 1) * DAY), "day", now=LATER, home=home)
        paid = {reader: BEGIN + number * DAY for reader, number in imported.items()}
        asyncio.run(_compare(database_url, what, in_zone(ledger, home), bought, paid, rolled))

    play()


async def _compare(
    url: str, what: Asked, ledger: list[AccessEntry], bought: list[Checkout],
    paid: dict[str, datetime], rolled: set[int],
) -> None:  # fmt: skip
    """`paid` is since when readers pay for a subscription that was imported."""
    for number, row in enumerate(ledger):
        # Who was signed in is named in a row, as is the device of who wasn't.
        kind, _, name = row.holder.partition(":")
        row.reader_id, row.device_id = (name, None) if kind == "reader" else (None, name)
        row.id = f"{number:06}"
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in _TABLES:
                await session.execute(delete(table))
        articles = [rows.article(each, each) for each in ARTICLES]
        for article in articles:
            article.id = article.slug
        readers = [rows.reader(id=each) for each in READERS]
        offer = rows.offer(id="off_1")
        await store(database, offer, rows.offer(id="off_gift", kind="gift"), *readers, *articles)
        for reader in readers:
            if reader.id in paid:
                subscription = rows.subscription(reader, offer)
                await store(database, subscription, rows.movement(subscription, 1, paid[reader.id]))
        links = [ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()]
        copies = [*(_copy(row) for row in ledger), *(_copy(row) for row in bought)]
        await store(database, *links, *copies)
        for number in rolled:
            await roll_day(database, BEGIN.date() + number * DAY, now=LATER)
        found = await lines_of(database, "article-conversion", what)
    finally:
        await database.dispose()
    sold = {each: _sold(each, ledger, bought, paid) for each in ARTICLES}
    steps = [(each.first, each.last) for each in what.period.steps]
    steps.append((steps[0][0], steps[-1][1]))
    for line in found:
        cells = [*line.cells, line.total]
        for cell, (first, last) in zip(cells, steps, strict=True):
            assert _value(cell, line.series) == _expected(
                line.series, line.split, sold, ledger, first, last, what.home
            ), (line.series, line.split, first)
    with_rows = {each.split for each in found}
    assert {name for name, times in sold.items() if _in(times, *steps[-1], what.home)} <= with_rows


def _value(cell: Cell, series: str) -> object:
    return (cell.part, cell.whole) if series == "rate" else cell.value


def _expected(
    series: str, article: str, sold: dict[str, list[datetime]], ledger: list[AccessEntry],
    first: date, last: date, zone: ZoneInfo,
) -> object:  # fmt: skip
    theirs = [r for r in ledger if r.article_id == article and first <= r.day <= last]
    holders = len({joined(row.holder) for row in theirs})
    bought = _in(sold[article], first, last, zone)
    counts = {
        "rate": (bought, holders), "bought": bought, "holders": holders,
        "subscribers": sum(row.reason == "subscription" for row in theirs),
    }  # fmt: skip
    return counts[series]


def _in(times: list[datetime], first: date, last: date, zone: ZoneInfo) -> int:
    return sum(first <= each.astimezone(zone).date() <= last for each in times)


def _sold(
    article: str, ledger: list[AccessEntry], bought: list[Checkout], paid: dict[str, datetime]
) -> list[datetime]:
    """When readers first bought for themselves at the article's wall, or a pass for it."""
    found = []
    done = [each for each in bought if each.status == "completed" and each.offer_id != "off_gift"]
    for each in done:
        assert each.completed_at is not None
        if any(
            other.reader_id == each.reader_id and other.completed_at < each.completed_at
            for other in done
            if other.completed_at is not None
        ):
            continue
        if paid.get(each.reader_id or "", LATER) < each.created_at:
            continue
        theirs = (f"reader:{each.reader_id}", f"device:{each.device_id}")
        walls = [r for r in ledger if r.wall and r.holder in theirs and r.at <= each.created_at]
        last = max(walls, key=lambda row: (row.at, row.id), default=None)
        if article == (each.article_id or (last.article_id if last else None)):
            found.append(each.completed_at)
    return found


def _copy(row: Base) -> Base:
    return type(row)(**{c.key: getattr(row, c.key) for c in row.__table__.columns})


async def test_many_rows_are_counted_from_a_sample(database: Database) -> None:
    """32 devices read, two of which are in a sixteenth: 2 × 16 = 32 are estimated."""
    article, at = rows.article("a", "A"), datetime(2026, 3, 9, 12, tzinfo=UTC)
    names = [f"device:dev_{number:02x}ff" for number in (0x70, 0x7F, *range(0x20, 0x3E))]
    await store(
        database,
        article,
        *(rows.read(article, at, holder=each, wall="subscribe") for each in names),
    )
    what = asked("2026-03-01", "2026-03-10", "month", now=at + DAY)
    async with database.reading() as session:
        found = {
            each.series: each.total for each in await article_conversion(session, what, most=31)
        }
    assert (found["holders"].value, found["sample"].value) == (32, Fraction(1, 16))
    assert (found["rate"].part, found["rate"].whole) == (0, 32)


async def test_readers_of_articles_are_counted_from_a_sample_or_not_known(
    database: Database,
) -> None:
    """As above with reads, one of them twice: 2 × 16. A wall is no read. Once rows are deleted nobody knows."""
    article, at = rows.article("a", "A"), datetime(2026, 3, 9, 12, tzinfo=UTC)
    names = [f"device:dev_{number:02x}ff" for number in (0x70, 0x7F, *range(0x20, 0x3E))]
    wall = rows.read(article, at, holder="device:dev_75ff", wall="subscribe")
    reads = [rows.read(article, at, holder=each) for each in (*names, names[-1])]
    await store(database, article, wall, *reads)
    what = asked("2026-03-01", "2026-03-10", "month", now=at + DAY)
    of = [article.id]
    for most, number, each_stands_for in ((33, 32, 16), (34, 32, 1), (1, 1, 256)):
        async with database.reading() as session:
            found = await readers_of(session, what, of, most=most, most_looked_through=1)
        assert found == {article.id: Readers(number, each_stands_for)}
    await roll_day(database, at.date(), now=at + DAY)
    async with database.transaction() as session:
        await session.execute(delete(AccessEntry))
    async with database.reading() as session:
        assert await readers_of(session, what, of) is None


async def test_few_readers_are_counted_as_they_are_and_never_more_than_reads(
    database: Database,
) -> None:
    """Of 40 reads on one day all but one are of another article: a sixteenth, or none of it, would be counted.

    Of the article that was read on two days a sample has one holder, of the four reads: not sixteen.
    """
    few, many, unread = (rows.article(name, name) for name in ("few", "many", "unread"))
    at = datetime(2026, 3, 9, 12, tzinfo=UTC)
    in_sample, others = (
        "device:dev_70ff",
        [f"device:dev_{number:02x}ff" for number in range(32, 68)],
    )
    await store(
        database, few, many, unread,
        rows.read(few, at, holder=in_sample),
        *(rows.read(many, at - DAY, holder=each) for each in (in_sample, *others[:2])),
        rows.read(many, at, holder=others[2]),
        *(rows.read(unread, at, holder=each, wall="subscribe") for each in others),
    )  # fmt: skip
    what = asked("2026-03-01", "2026-03-10", "month", now=at + DAY)
    of = [few.id, many.id, unread.id]
    for is_rolled in (False, True):
        if is_rolled:
            await roll_day(database, at.date(), now=at + DAY)
        async with database.reading() as session:
            found = await readers_of(session, what, of, most=10, most_looked_through=38)
            alone = await readers_of(session, what, of[:1], most=1, most_looked_through=37)
            all_of_them = await readers_of(session, what, of)
            estimated = dict((await session.execute(await all_readers(session, what, 10))).all())
        assert found == {few.id: Readers(1, 1), many.id: Readers(4, 16)}
        assert alone == {few.id: Readers(1, 256)}
        assert all_of_them == {few.id: Readers(1, 1), many.id: Readers(4, 1)}
        assert estimated == {few.id: 16, many.id: 16}


async def test_distinct_holders_need_the_ledgers_rows(database: Database) -> None:
    article, at = rows.article("a", "A"), datetime(2026, 3, 3, 12, tzinfo=UTC)
    await store(database, article, rows.read(article, at, wall="subscribe"))
    await roll_day(database, at.date(), now=at + DAY)
    async with database.transaction() as session:
        await session.execute(delete(AccessEntry))
    what = asked("2026-03-01", "2026-03-10", "month", now=at + 7 * DAY)
    found = {
        each.series: each.total for each in await lines_of(database, "article-conversion", what)
    }
    assert found["bought"].value == 0
    assert "2026-03-11 are deleted" in found["rate"].why
    assert found["holders"].value is None
