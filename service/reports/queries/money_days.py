"""Money by step: from what is added up by day, and from the rows of the days that aren't."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, FromClause, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import BookedDay, DunningEpisode, MoneyBackDay, RevenueDay, Rollup
from service.finance.episodes import episodes
from service.reports.asked import Asked
from service.reports.period import midnight
from service.reports.queries.money_rows import Rows, When

NAME, VERSION = "money", 1
MOST_RANGES = 50
"""Times of days in a row that a figure counts from rows. Where there are more it comes from rows alone."""
_ONE_DAY = timedelta(days=1)
Days = type[RevenueDay | MoneyBackDay]


def fits(made: Rollup | None, zone: ZoneInfo) -> bool:
    """Whether the rollup is of this zone's days and this release."""
    return made is not None and (made.zone, made.version) == (zone.key, VERSION)


def on_days(first: date, last: date, zone: ZoneInfo) -> When:
    """The instants of these days."""
    since, until = midnight(first, zone), midnight(last + _ONE_DAY, zone)
    return lambda at: and_(at >= since, at < until)


async def by_step(session: AsyncSession, asked: Asked, table: Days, rows: Rows) -> list[FromClause]:
    """What adds up to the figure: `step`, and the columns of the table but its day."""
    names = [each.key for each in table.__table__.columns if each.key != "day"]
    booked = await _booked(session, asked)
    left = list(_others(asked, booked))
    if len(left) > MOST_RANGES:
        booked, left = frozenset(), [(asked.period.first, asked.period.last)]
    found: list[FromClause] = []
    if booked:
        columns = table.__table__.c
        of_days = columns.day.between(asked.period.first, asked.period.last)
        added_up = select(asked.step_on(columns.day).label("step"), *(columns[n] for n in names))
        known = columns.day.in_(select(BookedDay.day))
        found.append(added_up.where(of_days, known).subquery("added_up"))
    if left:
        each = rows(_within([on_days(*days, asked.period.zone) for days in left]))
        counted = select(asked.step_at(each.c.at).label("step"), *(each.c[n] for n in names))
        found.append(counted.subquery("counted"))
    return found


async def episodes_of(session: AsyncSession, asked: Asked) -> FromClause:
    """Invoices after a failed charge, in the columns of DunningEpisode."""
    if fits(await session.get(Rollup, NAME), asked.home):
        return DunningEpisode.__table__
    return episodes().subquery("episodes")


async def _booked(session: AsyncSession, asked: Asked) -> frozenset[date]:
    """The days of the period that are added up."""
    if asked.period.zone.key != asked.home.key:
        return frozenset()
    if not fits(await session.get(Rollup, NAME), asked.home):
        return frozenset()
    days = select(BookedDay.day).where(BookedDay.day.between(asked.period.first, asked.period.last))
    return frozenset(await session.scalars(days))


def _others(asked: Asked, booked: frozenset[date]) -> Iterator[tuple[date, date]]:
    """The period's other days: the first and the last of each time of days in a row."""
    day, begun = asked.period.first, None
    while day <= asked.period.last:
        if day in booked and begun is not None:
            yield begun, day - _ONE_DAY
            begun = None
        elif day not in booked and begun is None:
            begun = day
        day += _ONE_DAY
    if begun is not None:
        yield begun, asked.period.last


def _within(ranges: Sequence[When]) -> When:
    def condition(at: ColumnElement[datetime]) -> ColumnElement[bool]:
        return or_(*(each(at) for each in ranges))

    return condition
