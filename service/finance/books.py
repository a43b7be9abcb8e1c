"""Keep money as Stripe has it: what an event is about, what is asked for, and all that there is.

Asking comes first, outside of any transaction. What was asked for earlier never overwrites what was
asked for later, and each change at Stripe has an event that asks again: so the rows end as Stripe's
objects, in whatever order events come and how often (docs/decisions/money-rows.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Checkout, InvoiceRow
from service.finance.changed_days import forget_changed_days
from service.finance.episodes import keep_episodes
from service.finance.links import billed, link, touched
from service.finance.promotions import forget_promotions
from service.finance.store import pieces, put, put_payments, stored, values_of
from service.finance.trials import forget_trials
from service.offers.store import offer_by_price, offers_of_product
from service.payments.books import (
    Booked,
    BookedCharge,
    BookedDispute,
    BookedInvoice,
    BookedPayout,
    BookedRefund,
    Booking,
    BooksGateway,
)

BOOKS_LOCK = "books"
"""Held while rows of money are changed, or added up."""


@dataclass(frozen=True)
class Gap:
    """What was stored of an object, and what Stripe says: the columns that differ, as texts.

    Without `here` it was missing.
    """

    id: str
    here: str
    stripe: str


async def book(context: Context, gateway: BooksGateway, booking: Booking) -> bool:
    """Ask Stripe for the object and store it; whether there was something to keep."""
    asked_at = context.clocks.business()
    found = await gateway.booked(booking.kind, booking.id)
    if found is None:
        return False
    await keep(context, [found], asked_at)
    return True


async def keep(context: Context, found: Sequence[Booked], asked_at: datetime) -> None:
    """Store what Stripe said when it was asked at `asked_at` (business time), with its links.

    Some rows a transaction, since a payout may have thousands of entries: each links what it is about,
    so what is stored is right at any moment, and the same call ends what was cut off.
    """
    for some in pieces(_with_entries(found)):
        async with context.database.serialised(BOOKS_LOCK) as session:
            for each in some:
                await put(session, each, asked_at, **await _ours(session, each))
                if isinstance(each, BookedInvoice):
                    await put_payments(session, each)
            charges = await touched(session, some)
            await link(session, charges)
            invoices = await billed(session, charges, some)
            await forget_changed_days(session, charges, invoices, context.settings.zone)
            await keep_episodes(session, invoices)
            bought = select(InvoiceRow.subscription_id).where(InvoiceRow.id.in_(invoices))
            await forget_trials(session, bought)
            await forget_promotions(session, bought)


async def gaps(session: AsyncSession, found: Sequence[Booked]) -> list[Gap]:
    """Where the rows are not what Stripe says."""
    whole = _with_entries(found)
    rows = await stored(session, whole)
    differing = []
    for each in whole:
        wanted, row = values_of(each), rows.get(each.id)
        if row is None:
            differing.append(Gap(each.id, "", _words(wanted, list(wanted))))
            continue
        # A payment or a refund doesn't say which payout its move of the balance is in.
        names = [
            name for name, value in wanted.items()
            if row[name] != value and not (name == "payout_id" and value is None)
        ]  # fmt: skip
        if names:
            differing.append(Gap(each.id, _words(row, names), _words(wanted, names)))
    return differing


def _with_entries(found: Sequence[Booked]) -> list[Booked]:
    """Each object, and what it moved in the balance."""
    whole: list[Booked] = []
    for each in found:
        whole.append(each)
        if isinstance(each, BookedCharge | BookedRefund | BookedDispute | BookedPayout):
            whole += each.entries
    return whole


async def _ours(session: AsyncSession, booked: Booked) -> dict[str, str | None]:
    """What of our catalogue an invoice bills, or a one-off payment pays."""
    if isinstance(booked, BookedInvoice):
        return {"offer_id": await _offer_billed(session, booked)}
    if isinstance(booked, BookedCharge) and booked.checkout_id is not None:
        checkout = await session.get(Checkout, booked.checkout_id)
        if checkout is not None:
            return {"sold": "pass", "offer_id": checkout.offer_id}
    return {}


async def _offer_billed(session: AsyncSession, invoice: BookedInvoice) -> str | None:
    """Of several lines the dearest of ours; a special price is its product's first offer."""
    lines = sorted(invoice.lines, key=lambda line: -line.amount)
    for line in lines:
        offer = await offer_by_price(session, line.price_id)
        if offer is not None:
            return offer.id
    for line in lines:
        offers = await offers_of_product(session, line.product_id)
        if offers:
            return min(offers, key=lambda each: (each.position, each.id)).id
    return None


def _words(values: dict[str, object], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names if values[name] not in (None, ""))
