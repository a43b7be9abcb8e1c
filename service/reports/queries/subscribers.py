"""Figures of subscribers and recurring revenue."""

from collections.abc import Callable
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncSession

from service.reports import figures, growth
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, none
from service.reports.queries import movements
from service.reports.tallies import JOINED, LEFT

MONTHS_A_YEAR = 12
_ONLY_NOW = "What was scheduled to end at another time isn't stored."


async def active_subscribers(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.levels(await movements.readers(session, asked))


async def joined_and_left(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.adding_up(await movements.readers(session, asked), (*JOINED, *LEFT))


async def mrr(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.levels(await movements.money(session, asked))


async def mrr_after_discounts(session: AsyncSession, asked: Asked) -> list[Line]:
    return growth.levels(await movements.money(session, asked, after_discounts=True))


async def committed_mrr(session: AsyncSession, asked: Asked) -> list[Line]:
    """Of this moment alone."""
    found = await figures.exact_mrr(session, figures.RUNS_ON)
    here = [each.since <= asked.now < each.until for each in asked.period.steps]

    def value(amount: Fraction) -> Callable[[int | None], Cell]:
        return lambda at: (
            Cell(amount) if (any(here) if at is None else here[at]) else none(_ONLY_NOW)
        )

    return [
        line_of(value(amount), asked.steps, "all", currency=currency)
        for currency, amount in found.items()
    ]


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
