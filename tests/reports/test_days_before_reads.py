"""Days with clicks before anybody read: their buyers are added up, too, so that no report looks up each checkout."""

from datetime import timedelta

from sqlalchemy import delete, func, select

from service.db.context import Context
from service.db.session import Database
from service.db.tables import HabitDay, HolderDay, HolderReturn, RolledDay, StepDepth
from service.reports.article_sale_rollup import count_article_sales
from service.reports.day_rollup import count_days, count_past_habits
from service.reports.rollups import roll_up
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.reports import rows
from tests.reports.figures_asked import HOME, asked, lines_of, store, values
from tests.reports.rows import NOW

DAY = timedelta(days=1)
CLICKS, READS = (40, 39, 36, 3), (35, 2)
"""Days ago."""
FIGURES = ("funnel", "sources", "articles", "active-days", "meter-depth", "stop-rate")


async def test_they_count_the_same_added_up(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """One reader buys again and again; what says who came before knows that nobody could."""
    offer, reader, article = rows.offer(), rows.reader(), rows.article("a", "A")
    await store(
        database, offer, reader, article,
        *(
            rows.checkout(
                reader, offer, NOW - n * DAY, stripe_subscription_id=f"sub_{n}", article_id=article.id
            )
            for n in CLICKS
        ),
        *(rows.read(article, NOW - n * DAY, reader_id=reader.id) for n in READS),
    )  # fmt: skip
    first, last = ((NOW - n * DAY).date() for n in (50, 0))
    what = asked(str(first), str(last), "week")
    before = {slug: values(await lines_of(database, slug, what)) for slug in FIGURES}
    assert before["funnel"]["started", "", ""][-1] == 1
    clocks.time = NOW
    context = Context(settings.model_copy(update={"time_zone": HOME.key}), clocks, database)
    await roll_up(context)
    await count_days(context)
    await count_past_habits(context)
    await count_article_sales(context)
    assert {slug: values(await lines_of(database, slug, what)) for slug in FIGURES} == before
    async with database.reading() as session:
        firsts = [
            await session.scalar(select(func.min(each)))
            for each in (RolledDay.day, HolderReturn.day, HabitDay.day, StepDepth.last)
        ]
    clicked, read = ((NOW - days[0] * DAY).date() for days in (CLICKS, READS))
    # A meter that nobody has used has no depth.
    assert firsts == [clicked, clicked, clicked, read]


async def test_what_was_known_stays_known_where_days_of_holders_are_gone(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """An earlier release added up from the first read on, and deleted the first days of holders since."""
    offer, reader, article = rows.offer(), rows.reader(), rows.article("a", "A")
    clicks = [
        rows.checkout(reader, offer, NOW - n * DAY, stripe_subscription_id=f"sub_{n}")
        for n in CLICKS
    ]
    reads = [rows.read(article, NOW - n * DAY, reader_id=reader.id) for n in READS]
    await store(database, offer, reader, article, *reads)
    clocks.time = NOW
    context = Context(settings.model_copy(update={"time_zone": HOME.key}), clocks, database)
    await roll_up(context)
    await count_days(context)
    await count_past_habits(context)
    first_read = (NOW - READS[0] * DAY).date()
    async with database.transaction() as session:
        await session.execute(delete(HolderDay).where(HolderDay.day == first_read))
    await store(database, *clicks)
    first, last = ((NOW - n * DAY).date() for n in (50, 0))
    what = asked(str(first), str(last), "week")
    before = {slug: values(await lines_of(database, slug, what)) for slug in FIGURES}
    assert None not in before["funnel"]["started", "", ""]
    await roll_up(context)
    await count_days(context)
    await count_past_habits(context)
    async with database.reading() as session:
        before_reads = select(func.count()).where(RolledDay.day < first_read)
        assert await session.scalar(before_reads)
    assert {slug: values(await lines_of(database, slug, what)) for slug in FIGURES} == before
