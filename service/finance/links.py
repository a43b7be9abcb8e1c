"""What money is for: each charge to its invoice or checkout, each move of the balance to its charge.

Objects come in any order, so whatever is stored links what it is about anew, under one lock (books.py).
"""

from collections.abc import Collection, Iterable

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoicePaymentRow,
    InvoiceRow,
    RefundRow,
)
from service.payments.books import (
    BalanceEntry,
    Booked,
    BookedCharge,
    BookedDispute,
    BookedInvoice,
    BookedRefund,
)


async def touched(session: AsyncSession, found: Iterable[Booked]) -> set[str]:
    """The charges that these objects are about, as far as they are stored."""
    charges: set[str] = set()
    payments: set[str] = set()
    sources: set[str] = set()
    for each in found:
        match each:
            case BookedInvoice():
                payments |= set(each.payments)
            case BookedCharge():
                charges.add(each.id)
                payments |= {each.payment_id} if each.payment_id else set()
            case BookedRefund() | BookedDispute():
                charges |= {each.charge_id} if each.charge_id else set()
            case BalanceEntry():
                sources |= {each.source_id} if each.source_id else set()
            case _:
                pass
    charges |= set(
        await session.scalars(
            select(ChargeRow.id).where(
                or_(ChargeRow.payment_id.in_(payments), ChargeRow.id.in_(sources))
            )
        )
    )
    for table in (RefundRow, DisputeRow):
        about = await session.scalars(select(table.charge_id).where(table.id.in_(sources)))
        charges |= {each for each in about if each}
    return charges


async def billed(
    session: AsyncSession, charge_ids: Collection[str], found: Iterable[Booked]
) -> set[str]:
    """The invoices among these objects, and those that these charges are for."""
    of_charges = select(ChargeRow.invoice_id).where(
        ChargeRow.id.in_(charge_ids), ChargeRow.invoice_id.is_not(None)
    )
    invoices = {each.id for each in found if isinstance(each, BookedInvoice)}
    return invoices | {each for each in await session.scalars(of_charges) if each}


async def link(session: AsyncSession, charge_ids: Collection[str]) -> None:
    """Write what these charges are for, and the same on what they moved in the balance."""
    if not charge_ids:
        return
    charges = list(
        await session.scalars(
            select(ChargeRow)
            .where(ChargeRow.id.in_(charge_ids))
            .execution_options(populate_existing=True)
        )
    )
    await _number_tries(session, charges)
    await _link_invoices(session, charges)
    await session.flush()
    by_id = {each.id: each for each in charges}
    sources = dict(by_id)
    for table in (RefundRow, DisputeRow):
        about = await session.execute(
            select(table.id, table.charge_id).where(table.charge_id.in_(list(sources)))
        )
        sources |= {id_: by_id[charge_id] for id_, charge_id in about if charge_id in by_id}
    for source_id, charge in sources.items():
        await session.execute(
            update(BalanceRow)
            .where(BalanceRow.source_id == source_id)
            .values(
                charge_id=charge.id, sold=charge.sold, offer_id=charge.offer_id,
                method=charge.method, country=charge.country,
            )
            .execution_options(synchronize_session=False)
        )  # fmt: skip


async def _link_invoices(session: AsyncSession, charges: Iterable[ChargeRow]) -> None:
    by_payment = {each.payment_id: each for each in charges if each.payment_id}
    found = await session.execute(
        select(InvoicePaymentRow.payment_id, InvoiceRow)
        .join(InvoiceRow, InvoiceRow.id == InvoicePaymentRow.invoice_id)
        .where(InvoicePaymentRow.payment_id.in_(list(by_payment)))
        .execution_options(populate_existing=True)
    )
    invoices = {row.payment_id: row.InvoiceRow for row in found}
    for charge in charges:
        invoice = invoices.get(charge.payment_id or "")
        if invoice is None:
            continue
        charge.invoice_id, charge.subscription_id = invoice.id, invoice.subscription_id
        charge.offer_id = invoice.offer_id
        charge.sold = "subscription" if invoice.offer_id is not None else "other"


async def _number_tries(session: AsyncSession, charges: Iterable[ChargeRow]) -> None:
    """The tries of a payment in the order in which they were made, from 1."""
    payments = {each.payment_id for each in charges if each.payment_id}
    tries: dict[str, int] = {}
    for row in await session.scalars(
        select(ChargeRow)
        .where(ChargeRow.payment_id.in_(payments))
        .order_by(ChargeRow.created_at, ChargeRow.id)
        .execution_options(populate_existing=True)
    ):
        number = tries[row.payment_id or ""] = tries.get(row.payment_id or "", 0) + 1
        if row.attempt != number:
            row.attempt = number
