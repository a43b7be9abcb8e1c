"""Fill in what is absent of money, or otherwise than at Stripe: by Stripe's lists alone."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import ChargeRow, DisputeRow, InvoiceRow, PayoutRow, RefundRow
from service.finance.books import Gap, gaps, keep
from service.finance.disputes import OPEN_DISPUTES
from service.finance.filling import Place, note_place, places
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


Listing = Callable[[Callable[[], AsyncIterator[Booked]]], AsyncGenerator[Booked, None]]
"""Reads a list to its end, each object once, also where Stripe goes away meanwhile."""
_PAGE = 100
_WINDOW = 5_000
"""Objects of one list that are remembered at a time."""
_OVERLAP = timedelta(days=1)


async def fill(
    context: Context,
    gateway: BooksGateway,
    since: datetime | None,
    listing: Listing,
    *,
    fix: bool,
    page: int = _PAGE,
) -> AsyncIterator[tuple[int, list[Gap]]]:
    """Look at all that was made since then, or ever (None), and at what was open here; by some
    hundreds, how many were looked at and where the rows differed. With `fix` they are mended.

    Ever is the first filling: where it is cut off, the next one goes on. A new move of the balance that
    belongs to nothing else is no gap: Stripe has no event for it.
    """
    asked_at = context.clocks.business()
    async with context.database.reading() as session:
        open_ones = await _unsettled(session, asked_at)
    if since is None:
        before = await places(context)
        since = min((each.begun_at for each in before.values()), default=asked_at) - _OVERLAP
        async for looked in _first_filling(context, gateway, listing, before, asked_at, page):
            yield looked
    lists = [partial(gateway.booked_since, kind, since) for kind in BOOKED_KINDS]
    for begin in chain(lists, [partial(_ask_again, gateway, open_ones)]):
        some: list[Booked] = []
        async for each in listing(begin):
            some.append(each)
            if len(some) == page:
                yield len(some), await _compared(context, some, asked_at, fix=fix)
                some = []
        yield len(some), await _compared(context, some, asked_at, fix=fix)


async def _first_filling(
    context: Context,
    gateway: BooksGateway,
    listing: Listing,
    before: dict[str, Place],
    now: datetime,
    page: int,
) -> AsyncIterator[tuple[int, list[Gap]]]:
    """Each list from where it was left to its end, and a note of the place after each page."""
    for kind in BOOKED_KINDS:
        place = before.get(kind, Place(now, None, is_over=False))
        while not place.is_over:
            until, number = place.reached_at, 0
            begin = partial(gateway.booked_since, kind, None, until)
            async with aclosing(listing(begin)) as listed:
                some: list[Booked] = []
                async for each in listed:
                    some.append(each)
                    number += 1
                    if len(some) == page:
                        yield page, await _compared(context, some, now, fix=True)
                        place = replace(place, reached_at=some[-1].created_at)
                        await note_place(context, kind, place)
                        some = []
                        # Where a window is of one second, it is read to its end.
                        if number >= _WINDOW and place.reached_at != until:
                            break
                else:
                    yield len(some), await _compared(context, some, now, fix=True)
                    place = replace(place, is_over=True)
                    await note_place(context, kind, place)


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
