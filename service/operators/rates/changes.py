"""Exchange rates that operators enter: stored, replaced and deleted, each with who did it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.keyset import Keyset, Page
from service.db.tables import ExchangeRate
from service.db.upsert import insert_for
from service.html.list_query import ListQuery
from service.identity.audit import Change, change_by
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
    """Store it, or replace the one of that day. Two at once have their turns: each tells what it replaced."""
    values = {
        "rate": f"{rate:f}", "entered_by": actor, "entered_at": context.clocks.business(),
    }  # fmt: skip
    keys = {"currency": pair.currency, "into": pair.into, "day": pair.day}
    async with context.database.serialised("exchange-rates") as session:
        change = Change(session, context.clocks, actor)
        before = await session.scalar(select(ExchangeRate.rate).filter_by(**keys))
        statement = insert_for(session, ExchangeRate).values(**keys, **values)
        await session.execute(
            statement.on_conflict_do_update(index_elements=list(keys), set_=values)
        )
        await change.record(
            "exchange-rate.enter", pair.target,
            before={"rate": before} if before is not None else None, after={"rate": values["rate"]},
        )  # fmt: skip
        return ExchangeRate(**keys, **values)


async def delete_rate(context: Context, pair: Pair, *, actor: str) -> None:
    """Problem `not-found`."""
    async with change_by(context, actor) as change:
        rate = await change.session.scalar(
            delete(ExchangeRate)
            .where(
                ExchangeRate.currency == pair.currency, ExchangeRate.into == pair.into,
                ExchangeRate.day == pair.day,
            )
            .returning(ExchangeRate.rate)
        )  # fmt: skip
        if rate is None:
            raise Problem("not-found", "There is no such rate. Look in the list of rates.")
        await change.record("exchange-rate.delete", pair.target, before={"rate": rate})
