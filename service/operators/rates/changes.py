"""Exchange rates that operators enter: stored, replaced and deleted, each with who did it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.keyset import Keyset, Page
from service.db.tables import ExchangeRate
from service.html.list_query import ListQuery
from service.identity.audit import change_by
from service.problems import Problem

_LISTING = Keyset(ExchangeRate.day, ExchangeRate.currency, ExchangeRate.into)


@dataclass(frozen=True)
class Pair:
    """From which currency into which, from which day on."""

    currency: str
    into: str
    day: date

    @property
    def target(self) -> str:
        """As the audit trail names it."""
        return f"{self.currency}-{self.into} {self.day}"


async def list_rates(session: AsyncSession, asked: ListQuery) -> Page[ExchangeRate]:
    """The latest day first. Problem `invalid-request` for a cursor that isn't ours."""
    return await _LISTING.page(
        session, select(ExchangeRate), cursor=asked.cursor, limit=asked.limit
    )


async def enter_rate(context: Context, pair: Pair, rate: Decimal, *, actor: str) -> ExchangeRate:
    """Store it, or replace the one of that day."""
    async with change_by(context, actor) as change:
        before = await change.session.get(ExchangeRate, (pair.currency, pair.into, pair.day))
        row = ExchangeRate(
            currency=pair.currency, into=pair.into, day=pair.day, rate=f"{rate:f}",
            entered_by=actor, entered_at=context.clocks.business(),
        )  # fmt: skip
        await change.record(
            "exchange-rate.enter", pair.target,
            before={"rate": before.rate} if before is not None else None, after={"rate": row.rate},
        )  # fmt: skip
        return await change.session.merge(row)


async def delete_rate(context: Context, pair: Pair, *, actor: str) -> None:
    """Problem `not-found`."""
    async with change_by(context, actor) as change:
        row = await change.session.get(ExchangeRate, (pair.currency, pair.into, pair.day))
        if row is None:
            raise Problem("not-found", "There is no such rate. Look in the list of rates.")
        await change.session.delete(row)
        await change.record("exchange-rate.delete", pair.target, before={"rate": row.rate})
