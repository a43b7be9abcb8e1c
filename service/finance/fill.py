"""Fill in what is absent of money, or otherwise than at Stripe: by Stripe's lists alone."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import ChargeRow, DisputeRow, InvoiceRow, PayoutRow, RefundRow
from service.finance.books import Gap, gaps, keep
from service.finance.disputes import OPEN_DISPUTES
from service.payments.books import (
    BOOKED_KINDS,
    BalanceEntry,
    Booked,
    BookedKind,
    Booking,
    BooksGateway,
)

_MAY_CHANGE = timedelta(days=90)
"""What is open for longer is looked at again only when Stripe sends an event."""

_Changing = type[InvoiceRow | ChargeRow | RefundRow | DisputeRow | PayoutRow]


Listing = Callable[[Callable[[], AsyncIterator[Booked]]], AsyncIterator[Booked]]
"""Reads a list to its end, each object once, also where Stripe goes away meanwhile."""
_PAGE = 100


async def fill(
    context: Context, gateway: BooksGateway, since: datetime | None, listing: Listing, *, fix: bool
) -> AsyncIterator[tuple[int, list[Gap]]]:
    """Look at all that was made since then, or ever (None), and at what was open here; by some
    hundreds, how many were looked at and where the rows differed. With `fix` they are mended.

    A new move of the balance that belongs to nothing else is no gap: Stripe has no event for it.
    """
    asked_at = context.clocks.business()
    async with context.database.reading() as session:
        open_ones = await _unsettled(session, asked_at)
    lists = [partial(gateway.booked_since, kind, since) for kind in BOOKED_KINDS]
    for begin in chain(lists, [partial(_ask_again, gateway, open_ones)]):
        some: list[Booked] = []
        async for each in listing(begin):
            some.append(each)
            if len(some) == _PAGE:
                yield len(some), await _compared(context, some, asked_at, fix=fix)
                some = []
        yield len(some), await _compared(context, some, asked_at, fix=fix)


async def _compared(
    context: Context, some: Sequence[Booked], asked_at: datetime, *, fix: bool
) -> list[Gap]:
    async with context.database.reading() as session:
        found = await gaps(session, some)
    if fix and found:
        await keep(context, some, asked_at)
    alone = {each.id for each in some if isinstance(each, BalanceEntry)}
    return [each for each in found if each.here or each.id not in alone]


async def _unsettled(session: AsyncSession, now: datetime) -> list[Booking]:
    """What is stored and may still change, of the last months."""
    since = now - _MAY_CHANGE
    found: list[Booking] = []
    kinds: tuple[tuple[BookedKind, _Changing, tuple[str, ...]], ...] = (
        ("invoice", InvoiceRow, ("open",)),
        ("charge", ChargeRow, ("pending",)),
        ("refund", RefundRow, ("pending", "requires_action")),
        ("dispute", DisputeRow, OPEN_DISPUTES),
        ("payout", PayoutRow, ("pending", "in_transit")),
    )
    for kind, table, open_statuses in kinds:
        ids = await session.scalars(
            select(table.id)
            .where(table.status.in_(open_statuses), table.created_at >= since)
            .order_by(table.created_at, table.id)
        )
        found += [Booking(kind, each) for each in ids]
    return found


async def _ask_again(gateway: BooksGateway, bookings: Sequence[Booking]) -> AsyncIterator[Booked]:
    """What Stripe says of each now."""
    for each in bookings:
        found = await gateway.booked(each.kind, each.id)
        if found is not None:
            yield found
