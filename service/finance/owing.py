"""What is owed: by one rule for the lists of who owes, a reader's page and for what needs somebody."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ChargeRow, InvoiceRow, Subscription


@dataclass(frozen=True)
class OwedSum:
    """`amount` is in minor units; `tries_go_on`: Stripe charges again by itself."""

    currency: str
    tries_go_on: bool
    invoices: int
    amount: int


def failed_charge() -> ColumnElement[bool]:
    """Whether a row of `ChargeRow` is a failed try of the invoice."""
    return and_(ChargeRow.invoice_id == InvoiceRow.id, ChargeRow.status == "failed")


def is_owed() -> ColumnElement[bool]:
    """Whether a row of `InvoiceRow`, beside its `Subscription` if there is one, is owed: it bills what we sell, and
    is open after a failed charge. A reader who is declined at Checkout owes nothing.
    """
    never_started = and_(
        InvoiceRow.billing_reason == "subscription_create",
        or_(
            Subscription.id.is_(None), Subscription.status.in_(("incomplete", "incomplete_expired"))
        ),
    )
    return and_(
        InvoiceRow.status == "open",
        InvoiceRow.amount_remaining > 0,
        InvoiceRow.offer_id.is_not(None),
        ~never_started,
        select(ChargeRow.id).where(failed_charge()).exists(),
    )


def owing_readers() -> Select[str]:
    """Ids of the readers who owe an invoice, one of each invoice."""
    return (
        select(Subscription.reader_id)
        .select_from(InvoiceRow)
        .join(Subscription, Subscription.id == InvoiceRow.subscription_id)
        .where(is_owed())
    )


async def owed_by(
    session: AsyncSession, reader_ids: Collection[str]
) -> dict[str, list[tuple[int, str]]]:
    """What each of the readers who owe anything owes: an amount in minor units for each currency."""
    found = await session.execute(_owed_by_each(), {"reader_ids": list(reader_ids)})
    sums: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for reader_id, currency, amount in found:
        sums[reader_id].append((int(amount), currency))
    return dict(sums)


@cache
def _owed_by_each() -> Select[str, str, int]:
    """Built once: that takes longer than to execute it."""
    row = InvoiceRow
    grouping = (Subscription.reader_id, row.currency)
    theirs = Subscription.reader_id.in_(bindparam("reader_ids", expanding=True))
    return (
        select(*grouping, func.sum(row.amount_remaining))
        .join_from(row, Subscription, Subscription.id == row.subscription_id)
        .where(theirs, is_owed())
        .group_by(*grouping)
        .order_by(*grouping)
    )


async def owed(session: AsyncSession) -> list[OwedSum]:
    """By currency, what Stripe tries to collect before what it has given up."""
    row = InvoiceRow
    goes_on = row.next_attempt_at.is_not(None)
    found = await session.execute(
        select(row.currency, goes_on, func.count(), func.sum(row.amount_remaining))
        .select_from(row)
        .outerjoin(Subscription, Subscription.id == row.subscription_id)
        .where(is_owed())
        .group_by(row.currency, goes_on)
    )
    sums = [OwedSum(currency, bool(more), n, int(amount)) for currency, more, n, amount in found]
    return sorted(sums, key=lambda each: (each.currency, not each.tries_go_on))
