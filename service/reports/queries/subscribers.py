"""Figures of subscribers and recurring revenue."""

from collections import defaultdict
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.recurring import monthly
from service.db.tables import Subscription
from service.reports import figures, growth
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of
from service.reports.queries import movements, scheduled
from service.reports.tallies import JOINED, LEFT

MONTHS_A_YEAR = 12


async def active_subscribers(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.levels(await movements.readers(session, asked))


async def joined_and_left(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.adding_up(await movements.readers(session, asked), (*JOINED, *LEFT))


async def mrr(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.levels(await movements.money(session, asked))


async def mrr_after_discounts(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.levels(await movements.money(session, asked, after_discounts=True))


async def committed_mrr(session: AsyncSession, asked: Asked) -> list[Line]:
    """Of this moment by the subscriptions, of earlier ones by what was known then to be scheduled."""
    every = await movements.money(session, asked)
    leaving = await scheduled.money(session, asked)
    here = [each.since <= asked.now < each.until for each in asked.period.steps]
    runs_on = await _runs_on(session, asked) if any(here) else {}

    def of(split: str, currency: str) -> Line:
        mrr, going = every.all_of((split, currency)), leaving.all_of((split, currency))

        def value(at: int | None) -> Cell:
            is_now = any(here) if at is None else here[at]
            now = runs_on.get((split, currency), Fraction(0))
            return Cell(now if is_now else mrr.after(at) - going.after(at))

        return line_of(value, asked.steps, "all", split=split, currency=currency)

    return [of(*key) for key in sorted({*every.keys, *runs_on})]


async def _runs_on(session: AsyncSession, asked: Asked) -> dict[tuple[str, str], Fraction]:
    """What the subscriptions that aren't scheduled to end bring now, by split and currency."""
    row = Subscription
    dimensions: Dimensions = {
        "plan": row.plan.expression, "interval_charged": row.interval.expression,
        "currency": row.currency.expression,
    }  # fmt: skip
    rows = (
        select(
            asked.split_of(dimensions).label("split"), row.currency, row.interval,
            row.interval_count, row.recurring_amount,
        )
        .where(figures.RUNS_ON, *asked.filters(dimensions))
        .subquery("runs_on")
    )  # fmt: skip
    grouping = (rows.c.split, rows.c.currency, rows.c.interval, rows.c.interval_count)
    sums: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for split, currency, interval, every, total in await session.execute(
        select(*grouping, func.sum(rows.c.recurring_amount)).group_by(*grouping)
    ):
        sums[split, currency] += monthly(int(total), interval, every)
    return sums


async def arr(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.levels(await movements.money(session, asked), times=MONTHS_A_YEAR)


async def mrr_movements(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.adding_up(await movements.money(session, asked), growth.KINDS)


async def revenue_a_reader(session: AsyncSession, asked: Asked) -> list[Line]:
    money = await movements.money(session, asked)
    readers = await movements.readers(session, asked, by_currency=True)
    return growth.revenue_a_reader(money, readers)


async def subscriber_churn(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.subscriber_churn(await movements.readers(session, asked))


async def mrr_churn(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.mrr_churn(await movements.money(session, asked))


async def quick_ratio(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.quick_ratio(await movements.money(session, asked))


async def lifetime_value(session: AsyncSession, asked: Asked) -> list[Line]:
    money = await movements.money(session, asked)
    readers = await movements.readers(session, asked, by_currency=True)
    return growth.lifetime_value(money, readers, asked.period, asked.now)
