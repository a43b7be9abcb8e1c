"""Who reads how often, the way to a payment, and what isn't scheduled to end; on both databases."""

from datetime import timedelta
from fractions import Fraction

from sqlalchemy import delete, update

from service.db.base import Base
from service.db.session import Database
from service.db.tables import AccessEntry, Article, HabitDay, HolderDay, ReaderDevice
from service.reports.day_rollup import count_days, count_past_habits
from service.reports.queries.habits import habits_on
from service.reports.rollups import roll_day
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked, lines_of, store, totals, values
from tests.reports.lists_behind import lists_agree
from tests.reports.rolled import context_in
from tests.reports.rows import NOW
from tests.statements import statements

DAY = timedelta(days=1)
MARCH = ("2026-03-01", "2026-03-31", "month")


async def test_active_days(database: Database) -> None:
    """21 subscribers up to 10 March. The first read on 10 days of the last 30, on a device and as the
    reader, twice on one of them; the second on 2, and on 5 of the 30 before; the others never. One of
    these subscribed 10 days ago, the others long before.

    (10 + 2) ÷ 21 = 4/7 days; 18 ÷ 20 = 90 % slept; 1 ÷ 21 has fewer than half of 5. Who left isn't counted.
    """
    offer, article = rows.offer(), rows.article("a", "A")
    readers = [rows.reader(pseudonym=f"ctm_{n}") for n in range(22)]
    added: list[Base] = [offer, article, *readers]
    for number, reader in enumerate(readers):
        bought = rows.subscription(reader, offer)
        ago = 10 if number == 21 else 90
        added.append(rows.movement(bought, 1, NOW - ago * DAY, customer=f"ctm_{number}"))
        if number == 20:
            added.append(rows.ending(bought, 2, NOW - 5 * DAY, customer="ctm_20"))
    first, second, gone = readers[0].id, readers[1].id, readers[20].id
    reads = [
        *(_read(article, days, "device:dev_1") for days in range(6)),
        *(_read(article, days, f"reader:{first}") for days in (5, 6, 7, 8, 29)),
        _read(article, 30, f"reader:{first}"),
        *(_read(article, days, f"reader:{second}") for days in (1, 2, 31, 40, 50, 58, 59)),
        _read(article, 60, f"reader:{second}"),
        _read(article, 1, f"reader:{gone}"),
        _read(article, 3, f"reader:{readers[2].id}", wall="subscribe"),
    ]
    await store(database, *added)
    await store(database, ReaderDevice(device_id="dev_1", reader_id=first, linked_at=NOW), *reads)
    await roll_day(database, (NOW - 5 * DAY).date(), now=NOW)
    over = NOW + DAY
    found = totals(
        await lines_of(database, "active-days", asked("2026-03-10", "2026-03-10", "day", now=over))
    )
    assert found["days"].value == Fraction(12, 21)
    assert (found["asleep"].part, found["asleep"].whole) == (18, 20)
    assert (found["at_risk"].part, found["at_risk"].whole) == (1, 21)
    # Of the month that runs it is the same; a week ago the reader who has left was still there.
    march = totals(await lines_of(database, "active-days", asked(*MARCH, now=over)))
    assert march["days"].value == Fraction(12, 21)
    earlier = totals(
        await lines_of(database, "active-days", asked("2026-03-03", "2026-03-03", "day"))
    )
    assert earlier["asleep"].whole == 21


async def test_many_days_are_counted_together_as_each_alone(database: Database) -> None:
    """Steps close together in one statement, of which there are as many for 100 days as for 10."""
    offer, article = rows.offer(), rows.article("a", "A")
    readers = [rows.reader(pseudonym=f"ctm_{n}") for n in range(3)]
    added: list[Base] = [offer, article, *readers]
    for number, reader in enumerate(readers):
        bought = rows.subscription(reader, offer)
        since = NOW - (120 - 30 * number) * DAY
        added.append(rows.movement(bought, 1, since, customer=f"ctm_{number}"))
        if number == 1:
            added.append(rows.ending(bought, 2, NOW - 5 * DAY, customer="ctm_1"))
    reads = (1, 2, 20, 31, 45, 46, 59, 60, 61, 90)
    added += [_read(article, days, f"reader:{readers[0].id}") for days in reads]
    added += [_read(article, days, f"reader:{readers[1].id}") for days in (3, 33, 70)]
    await store(database, *added)
    days = [(NOW - n * DAY).date() for n in range(100, 0, -1)]
    what = asked(str(days[0]), str(days[-1]), "day")
    with statements() as of_many:
        lines = await lines_of(database, "active-days", what)
    with statements() as of_few:
        await lines_of(database, "active-days", asked(str(days[-10]), str(days[-1]), "day"))
    assert len(of_many) == len(of_few)
    async with database.reading() as session:
        alone = [await habits_on(session, what, day) for day in days]
    cells = {line.series: line.cells for line in lines}
    assert [(each.part, each.whole) for each in cells["days"]] == [
        (each.days, each.readers) for each in alone
    ]
    assert [(each.part, each.whole) for each in cells["asleep"]] == [
        (each.asleep, each.settled) for each in alone
    ]
    assert [each.part for each in cells["at_risk"]] == [each.at_risk for each in alone]
    assert {each.readers for each in alone} == {1, 2, 3}
    assert {each.at_risk for each in alone} == {0, 1}


@on_sqlite
async def test_each_day_of_the_past_is_counted(database: Database) -> None:
    """Not the ends of weeks and months alone: a report by day reads none of the days of holders."""
    reader, offer, article = rows.reader(pseudonym="ctm_0"), rows.offer(), rows.article("a", "A")
    bought = rows.subscription(reader, offer)
    await store(
        database, reader, offer, article,
        *(_read(article, ago, f"reader:{reader.id}") for ago in (2, 35, 36)),
        rows.movement(bought, 1, NOW - 90 * DAY, customer="ctm_0"),
    )  # fmt: skip
    days = [(NOW - ago * DAY).date() for ago in range(40, 0, -1)]
    for day in days:
        await roll_day(database, day, now=NOW)
    what = asked(str(days[0]), str(days[-1]), "day")
    live = await lines_of(database, "active-days", what)
    await count_days(context_in(database, HOME))
    await count_past_habits(context_in(database, HOME))
    with statements() as sent:
        assert await lines_of(database, "active-days", what) == live
    assert not [each for each in sent if "holder_days" in each]


@on_sqlite
async def test_what_was_counted_before_days_of_holders_were_deleted_has_no_list(
    database: Database,
) -> None:
    """The figure stays. Of 2 days ago it is known who read on each of 60 days, of earlier ones it isn't."""
    reader, offer, article = rows.reader(pseudonym="ctm_0"), rows.offer(), rows.article("a", "A")
    bought = rows.subscription(reader, offer)
    await store(
        database, reader, offer, article,
        *(_read(article, ago, f"reader:{reader.id}") for ago in (2, 62)),
        _read(article, 61, "device:dev_1"),
        rows.movement(bought, 1, NOW - 90 * DAY, customer="ctm_0"),
    )  # fmt: skip
    days = [(NOW - ago * DAY).date() for ago in range(65, 0, -1)]
    for day in days:
        await roll_day(database, day, now=NOW)
    await count_days(context_in(database, HOME))
    month, lately = asked(str(days[-30]), str(days[-3])), asked(str(days[-2]), str(days[-1]))
    before = await lines_of(database, "active-days", month)
    assert all(await lists_agree(database, "active-days", month))
    async with database.transaction() as session:
        await session.execute(delete(HolderDay).where(HolderDay.day < days[-61]))
    assert await lines_of(database, "active-days", month) == before
    assert (totals(before)["at_risk"].part, totals(before)["at_risk"].whole) == (1, 1)
    assert not any(await lists_agree(database, "active-days", month))
    assert all(await lists_agree(database, "active-days", lately))


async def test_what_an_earlier_release_counted_is_told_apart_at_night(database: Database) -> None:
    """Of 30 readers it counted 25 as asleep, new ones among them. One of them wasn't erased since."""
    reader, offer, article = rows.reader(pseudonym="ctm_0"), rows.offer(), rows.article("a", "A")
    bought, day = rows.subscription(reader, offer), (NOW - 2 * DAY).date()
    await store(
        database, reader, offer, article, _read(article, 2, "device:dev_1"),
        rows.movement(bought, 1, NOW - 90 * DAY, customer="ctm_0"),
    )  # fmt: skip
    await roll_day(database, day, now=NOW)
    await count_days(context_in(database, HOME))
    async with database.transaction() as session:
        counted = {"readers": 30, "days": 60, "asleep": 25, "at_risk": 2, "settled": None}
        await session.execute(update(HabitDay).where(HabitDay.day == day).values(counted))
    what = asked(str(day), str(day), "day")
    before = totals(await lines_of(database, "active-days", what))
    assert "weren't told apart" in before["asleep"].why
    assert before["days"].value == 2
    await count_days(context_in(database, HOME))
    after = totals(await lines_of(database, "active-days", what))
    assert (after["asleep"].part, after["asleep"].whole) == (1, 1)
    assert after["days"].value == 2


def _read(article: Article, days_ago: int, holder: str, wall: str | None = None) -> AccessEntry:
    return rows.read(article, NOW - days_ago * DAY, holder=holder, wall=wall)


async def test_the_way_from_a_read_to_a_payment(database: Database) -> None:
    """3 holders, of whom 2 met a wall; 21 buyers, one of them on two devices, 7 of whom paid: 7 ÷ 21 = 1/3."""
    offer, article = rows.offer(), rows.article("a", "A")
    readers = [rows.reader() for _ in range(20)]
    await store(
        database, offer, article, *readers,
        _read(article, 1, "device:dev_1"), _read(article, 1, "device:dev_2", wall="subscribe"),
        _read(article, 2, "device:dev_3", wall="register"),
        *(
            rows.checkout(
                each, offer, NOW - DAY, device_id=f"dev_{n}",
                status="completed" if n < 7 else "expired",
            )
            for n, each in enumerate(readers)
        ),
        rows.checkout(readers[0], offer, NOW - 2 * DAY, device_id="dev_99", status="expired"),
        rows.checkout(readers[0], offer, NOW - DAY, reader_id=None, device_id="dev_98", status="open"),
        rows.checkout(readers[1], offer, NOW - 40 * DAY),
    )  # fmt: skip
    found = totals(await lines_of(database, "funnel", asked(*MARCH)))
    counts = [found[name].value for name in ("holders", "walled", "started", "paid")]
    assert counts == [3, 2, 21, 7]
    assert found["completed"].value == Fraction(7, 21)
    by_day = values(await lines_of(database, "funnel", asked("2026-03-08", "2026-03-10", "day")))
    assert by_day["started", "", ""] == [1, 21, 0, 21]
