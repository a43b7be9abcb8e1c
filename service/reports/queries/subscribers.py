"""Figures of subscribers and recurring revenue."""

from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncSession

from service.reports import figures, growth
from service.reports.asked import Asked
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
    runs_on = await figures.exact_mrr(session, figures.RUNS_ON)
    here = [each.since <= asked.now < each.until for each in asked.period.steps]

    def of(currency: str) -> Line:
        mrr, going = every.all_of(("", currency)), leaving.all_of(("", currency))

        def value(at: int | None) -> Cell:
            is_now = any(here) if at is None else here[at]
            now = runs_on.get(currency, Fraction(0))
            return Cell(now if is_now else mrr.after(at) - going.after(at))

        return line_of(value, asked.steps, "all", currency=currency)

    return [of(currency) for currency in sorted({key[1] for key in every.keys} | runs_on.keys())]


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
