"""The exchange rates that operators entered."""

from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ExchangeRate
from service.reports.conversion import Rate, Rates


async def all_rates(session: AsyncSession) -> Rates:
    """They are few: somebody types each."""
    found = await session.scalars(select(ExchangeRate))
    return Rates(Rate(each.currency, each.into, each.day, Fraction(each.rate)) for each in found)
