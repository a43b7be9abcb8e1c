"""The money list: who owes, what went back, what is contested, and what the bank receives.

Each list raises Problem `invalid-request` for a cursor that isn't ours. Money on the account that isn't for
what we sell is in payouts alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoiceRow,
    Offer,
    Pass,
    PayoutRow,
    Reader,
    RefundRow,
    Subscription,
)
from service.finance.disputes import NEEDS_ANSWER, OPEN_DISPUTES
from service.finance.owing import failed_charge, is_owed
from service.html.list_query import ListQuery
from service.problems import Problem
from service.reports.queries.money_rows import OURS

_DUE = func.coalesce(DisputeRow.due_at, DisputeRow.created_at)
_WAITS = case(
    (DisputeRow.status.in_(NEEDS_ANSWER), 0), (DisputeRow.status.in_(OPEN_DISPUTES), 1), else_=2
)
"""Those that wait for you come first: the bank may look at others long after their deadline."""
_OWING = Keyset(
    InvoiceRow.currency, -InvoiceRow.amount_remaining, InvoiceRow.id, newest_first=False
)
_REFUNDS = Keyset(RefundRow.created_at, RefundRow.id)
_DISPUTES = Keyset(_WAITS, _DUE, DisputeRow.id, newest_first=False)
_PAYOUTS = Keyset(PayoutRow.arrives_at, PayoutRow.id)


@dataclass(frozen=True)
class Whose:
    """The reader that money is about; None: erased since, or nobody's yet."""

    reader_id: str | None
    email: str | None


@dataclass(frozen=True)
class Owed:
    """An invoice that is owed (finance/owing.py). `decline` is the last try's, in the bank's word."""

    invoice: InvoiceRow
    offer_name: str
    whose: Whose
    since: datetime
    decline: str
    tries: int


@dataclass(frozen=True)
class GivenBack:
    refund: RefundRow
    offer_name: str
    whose: Whose


@dataclass(frozen=True)
class Disputed:
    """`is_open`: the bank hasn't decided; `needs_answer`: Stripe waits for yours until its deadline."""

    dispute: DisputeRow
    offer_name: str
    whose: Whose

    @property
    def needs_answer(self) -> bool:
        return self.dispute.status in NEEDS_ANSWER


@dataclass(frozen=True)
class Part:
    """What of a payout is of one kind, such as charge, refund, dispute or fee."""

    category: str
    number: int
    amount: int
    fee: int
    net: int


@dataclass(frozen=True)
class PaidOut:
    """A payout with what it is made of. `rest` is what the parts leave unexplained: 0 as a rule."""

    payout: PayoutRow
    parts: Sequence[Part]

    @property
    def rest(self) -> int:
        return self.payout.amount - sum(each.net for each in self.parts)


async def list_owing(session: AsyncSession, asked: ListQuery) -> Page[Owed]:
    """By currency, in each the largest amount first."""
    of_invoice = failed_charge()
    decline = (
        select(ChargeRow.failure)
        .where(of_invoice)
        .order_by(ChargeRow.created_at.desc(), ChargeRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    first = select(func.min(ChargeRow.created_at)).where(of_invoice).scalar_subquery()
    tries = select(func.count()).where(of_invoice).scalar_subquery()
    statement = (
        select(InvoiceRow, Offer.name, Reader.id, Reader.email, decline, first, tries)
        .join(Offer, Offer.id == InvoiceRow.offer_id)
        .outerjoin(Subscription, Subscription.id == InvoiceRow.subscription_id)
        .outerjoin(Reader, and_(Reader.id == Subscription.reader_id, Reader.erased_at.is_(None)))
        .where(is_owed())
    )
    found = await _OWING.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    return found.map(
        lambda row: Owed(row[0], row[1], Whose(row[2], row[3]), row[5], row[4] or "unknown", row[6])
    )


async def list_refunds(session: AsyncSession, asked: ListQuery) -> Page[GivenBack]:
    """The newest first."""
    statement = _about_sale(RefundRow, RefundRow.charge_id)
    found = await _REFUNDS.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    return found.map(lambda row: GivenBack(row[0], row[1], Whose(row[2], row[3])))


async def list_disputes(
    session: AsyncSession, asked: ListQuery, *, only_open: bool = False
) -> Page[Disputed]:
    """Those that need an answer, then those that the bank looks at, then the decided; each by deadline."""
    statement = _about_sale(DisputeRow, DisputeRow.charge_id)
    if only_open:
        statement = statement.where(DisputeRow.status.in_(OPEN_DISPUTES))
    found = await _DISPUTES.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    return found.map(lambda row: Disputed(row[0], row[1], Whose(row[2], row[3])))


def _about_sale(table: Any, charge_id: Any) -> Select[Any, str, str, str | None]:
    """With the offer and the reader of its charge, for what we sell."""
    # Not by OR, for which PostgreSQL knows no index: it compared each with all readers.
    theirs = Reader.id == func.coalesce(Subscription.reader_id, Pass.reader_id)
    return (
        select(table, func.coalesce(Offer.name, ""), Reader.id, Reader.email)
        .join(ChargeRow, ChargeRow.id == charge_id)
        .outerjoin(Offer, Offer.id == ChargeRow.offer_id)
        .outerjoin(Subscription, Subscription.id == ChargeRow.subscription_id)
        .outerjoin(Pass, Pass.id == ChargeRow.payment_id)
        .outerjoin(Reader, and_(theirs, Reader.erased_at.is_(None)))
        .where(ChargeRow.sold.in_(OURS))
    )


async def list_payouts(session: AsyncSession, asked: ListQuery) -> Page[PayoutRow]:
    """The latest to arrive first."""
    return await _PAYOUTS.page(session, select(PayoutRow), cursor=asked.cursor, limit=asked.limit)


async def read_payout(session: AsyncSession, payout_id: str) -> PaidOut:
    """What it is made of, by kind. Problem `not-found`."""
    payout = await session.get(PayoutRow, payout_id)
    if payout is None:
        raise Problem("not-found", "Payout not found. Check the id in the list.")
    row = BalanceRow
    found = await session.execute(
        select(
            row.category, func.count(), func.sum(row.amount), func.sum(row.fee), func.sum(row.net)
        )
        .where(row.payout_id == payout_id, row.source_id.is_distinct_from(payout_id))
        .group_by(row.category)
        .order_by(row.category)
    )
    return PaidOut(payout, [Part(kind, number, *map(int, sums)) for kind, number, *sums in found])
