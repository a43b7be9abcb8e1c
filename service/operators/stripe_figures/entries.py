"""Figures that operators take from Stripe's dashboard: compared with ours when they are entered."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.context import Context
from service.db.keyset import Keyset, Page
from service.db.tables import Offer, StripeFigure
from service.html.list_query import ListQuery
from service.identity.audit import change_by
from service.problems import Problem, invalid_field
from service.reports.agreement import (
    PERHAPS,
    Agreement,
    Counted,
    Part,
    StripeSettings,
    of_money,
    of_readers,
)
from service.reports.queries import agreement as facts

_LISTING = Keyset(StripeFigure.at, StripeFigure.id)


@dataclass(frozen=True)
class Asked:
    """What Stripe's dashboard says; `currency` is empty for active subscribers of all currencies.

    `at`: the instant that it is of; None: now, which the clock gives once, when it is entered.
    """

    figure: Counted
    currency: str
    at: datetime | None
    value: int
    settings: StripeSettings


@dataclass(frozen=True)
class Entered:
    """An entry with what is worked out from it."""

    row: StripeFigure

    @property
    def agreement(self) -> Agreement:
        return Agreement(
            self.row.ours, tuple(_parts(self.row.parts)), tuple(_parts(self.row.perhaps))
        )

    @property
    def difference(self) -> int:
        return self.row.value - self.row.ours

    @property
    def rest(self) -> int:
        """What of the difference nothing explains."""
        return self.agreement.rest_of(self.row.value)

    @property
    def guesses(self) -> tuple[str, ...]:
        """What the rest might be, since it is exactly as much."""
        return self.agreement.guesses_of(self.row.value)


async def enter(context: Context, asked: Asked, *, actor: str) -> Entered:
    """Compare it with ours at that instant, and keep both. Problem `invalid-request` for the future."""
    now = context.clocks.business()
    at = asked.at or now
    if at > now:
        raise invalid_field("at", "Choose a time in the past, or omit it to use the present.")
    async with context.database.slow_reading("reports") as session:
        found, as_of = await compared(session, asked, at)
    row = StripeFigure(
        id=new_id("stf"), figure=asked.figure, currency=asked.currency, at=at,
        value=asked.value, discounts=asked.settings.discounts, churn=asked.settings.churn,
        start=asked.settings.start, ours=found.ours, parts=_stored(found.parts),
        perhaps=_stored(found.perhaps), foreign_as_of=as_of, entered_by=actor, entered_at=now,
    )  # fmt: skip
    async with change_by(context, actor) as change:
        change.session.add(row)
        await change.record(
            "stripe-figure.enter", row.id,
            after={
                "figure": row.figure, "currency": row.currency, "at": row.at.isoformat(),
                "value": row.value, "ours": row.ours,
            },
        )  # fmt: skip
    return Entered(row)


async def compared(
    session: AsyncSession, asked: Asked, at: datetime
) -> tuple[Agreement, datetime | None]:
    """Ours at that instant with what may explain Stripe's, and when Stripe was asked for what isn't ours."""
    currency, is_now = asked.currency, asked.at is None
    account = await facts.account(session, at, currency)
    if asked.figure == "mrr":
        groups, beyond = await facts.money(session, at, currency, is_now=is_now)
        return of_money(groups, {**beyond, **account.mrr}, asked.settings), account.as_of
    readers = await facts.readers(session, at, currency, is_now=is_now)
    return of_readers(readers, account.customers, asked.settings), account.as_of


async def list_entries(session: AsyncSession, asked: ListQuery) -> Page[Entered]:
    """The latest instant first. Problem `invalid-request` for a cursor that isn't ours."""
    found = await _LISTING.page(
        session, select(StripeFigure), cursor=asked.cursor, limit=asked.limit
    )
    return found.map(Entered)


async def currencies(session: AsyncSession) -> list[str]:
    """Those of the catalogue."""
    return list(await session.scalars(select(Offer.currency).distinct().order_by(Offer.currency)))


async def find_entry(session: AsyncSession, entry_id: str) -> Entered:
    """Problem `not-found`."""
    row = await session.get(StripeFigure, entry_id)
    if row is None:
        raise Problem("not-found", "Entry not found. Check the id in the list.")
    return Entered(row)


async def delete_entry(context: Context, entry_id: str, *, actor: str) -> None:
    """Problem `not-found`."""
    async with change_by(context, actor) as change:
        row = (await find_entry(change.session, entry_id)).row
        await change.session.delete(row)
        before = {"figure": row.figure, "currency": row.currency, "value": row.value}
        await change.record("stripe-figure.delete", entry_id, before=before)


def _stored(parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [
        {"cause": each.cause, "amount": each.amount}
        for each in parts
        if each.amount or each.cause not in PERHAPS
    ]


def _parts(stored: Iterable[dict[str, Any]]) -> Iterable[Part]:
    return (Part(each["cause"], each["amount"]) for each in stored)
