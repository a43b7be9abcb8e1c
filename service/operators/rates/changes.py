"""Exchange rates that operators enter: stored, replaced and deleted, each with who did it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.keyset import Keyset, Page
from service.db.tables import ExchangeRate
from service.db.upsert import insert_for
from service.html.list_query import ListQuery
from service.identity.audit import Change
from service.identity.meanwhile import Facts, check_unchanged
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


async def enter_rate(
    context: Context, pair: Pair, rate: Decimal, *, actor: str, seen: str | None = None
) -> ExchangeRate:
    """Store it, or replace the one of that day. Two at once have their turns: each tells what it replaced.

    Problem `changed-meanwhile`.
    """
    values: dict[str, Any] = {
        "rate": f"{rate:f}", "entered_by": actor, "entered_at": context.clocks.business(),
    }  # fmt: skip
    keys = {"currency": pair.currency, "into": pair.into, "day": pair.day}
    async with context.database.serialised("exchange-rates") as session:
        change = Change(session, context.clocks, actor)
        before = await find_rate(session, pair)
        facts = facts_of(before) if before is not None else None
        await _check_unchanged(session, facts, seen, pair)
        statement = insert_for(session, ExchangeRate).values(**keys, **values)
        await session.execute(
            statement.on_conflict_do_update(index_elements=list(keys), set_=values)
        )
        await change.record(
            "exchange-rate.enter", pair.target,
            before=facts, after=facts_of(values["rate"]),
        )  # fmt: skip
        return ExchangeRate(**keys, **values)


async def delete_rate(context: Context, pair: Pair, *, actor: str, seen: str | None = None) -> None:
    """Problems `not-found` and `changed-meanwhile`."""
    async with context.database.serialised("exchange-rates") as session:
        change = Change(session, context.clocks, actor)
        rate = await change.session.scalar(
            delete(ExchangeRate)
            .where(
                ExchangeRate.currency == pair.currency, ExchangeRate.into == pair.into,
                ExchangeRate.day == pair.day,
            )
            .returning(ExchangeRate.rate)
        )  # fmt: skip
        if rate is None:
            raise Problem("not-found", "Exchange rate not found. Check the list.")
        await _check_unchanged(session, facts_of(rate), seen, pair)
        await change.record("exchange-rate.delete", pair.target, before=facts_of(rate))


async def find_rate(session: AsyncSession, pair: Pair) -> str | None:
    """The rate of that day, if one is entered."""
    found: str | None = await session.scalar(
        select(ExchangeRate.rate).filter_by(currency=pair.currency, into=pair.into, day=pair.day)
    )
    return found


def facts_of(rate: str) -> dict[str, object]:
    """What is known of a pair on a day."""
    return {"rate": rate}


async def _check_unchanged(
    session: AsyncSession, facts: Facts | None, seen: str | None, pair: Pair
) -> None:
    actions = ("exchange-rate.enter", "exchange-rate.delete")
    await check_unchanged(session, facts, seen, actions=actions, target=pair.target)
