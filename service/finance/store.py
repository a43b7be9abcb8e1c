"""Storing money as Stripe has it: one row an object, the same rows in whatever order they come."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import Base
from service.db.tables import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoicePaymentRow,
    InvoiceRow,
    PayoutRow,
    RefundRow,
)
from service.db.upsert import insert_for
from service.payments.books import (
    BalanceEntry,
    Booked,
    BookedCharge,
    BookedDispute,
    BookedInvoice,
    BookedPayout,
    BookedRefund,
)

TABLES: Mapping[type[Any], type[Base]] = MappingProxyType(
    {
        BookedInvoice: InvoiceRow,
        BookedCharge: ChargeRow,
        BookedRefund: RefundRow,
        BookedDispute: DisputeRow,
        BalanceEntry: BalanceRow,
        BookedPayout: PayoutRow,
    }
)
AT_ONCE = 200
"""Rows that are read, or written in one transaction, together: PostgreSQL takes at most 32,767 parameters,
and on SQLite everybody else waits for the writer.
"""
_ELSEWHERE = frozenset({"payments", "lines", "entries", "checkout_id"})


def pieces(found: Sequence[Booked]) -> Iterator[Sequence[Booked]]:
    """The same in their order, at most AT_ONCE together."""
    for start in range(0, len(found), AT_ONCE):
        yield found[start : start + AT_ONCE]


def values_of(booked: Booked) -> dict[str, Any]:
    """What its own row says of it, by column."""
    return {name: value for name, value in vars(booked).items() if name not in _ELSEWHERE}


async def put(
    session: AsyncSession, booked: Booked, asked_at: datetime, **more: str | None
) -> None:
    """Store the object, unless what is stored was asked for later; `more` are columns of ours."""
    table = TABLES[type(booked)]
    values = {**values_of(booked), **more, "asked_at": asked_at}
    statement = insert_for(session, table).values(**values)
    new = statement.excluded
    if isinstance(booked, BalanceEntry):
        # Nothing of it ever changes, but only its payout's list names the payout.
        payout = func.coalesce(new.payout_id, BalanceRow.payout_id)
        statement = statement.on_conflict_do_update(
            index_elements=["id"], set_={"payout_id": payout}
        )
    else:
        stored_at = table.__table__.c.asked_at
        statement = statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: new[name] for name in values if name != "id"},
            where=stored_at <= new.asked_at,
        )
    await session.execute(statement)


async def put_payments(session: AsyncSession, invoice: BookedInvoice) -> None:
    """Which payments pay the invoice: a payment never pays another one."""
    for payment_id in invoice.payments:
        statement = insert_for(session, InvoicePaymentRow).values(
            payment_id=payment_id, invoice_id=invoice.id
        )
        await session.execute(statement.on_conflict_do_nothing(index_elements=["payment_id"]))


async def stored(session: AsyncSession, found: Sequence[Booked]) -> dict[str, dict[str, Any]]:
    """What is stored of these objects, by id, in the columns that `values_of` has."""
    rows: dict[str, dict[str, Any]] = {}
    for kind in {type(each) for each in found}:
        for some in pieces([each for each in found if type(each) is kind]):
            rows |= await _stored(session, TABLES[kind], some)
    return rows


async def _stored(
    session: AsyncSession, table: type[Base], some: Sequence[Booked]
) -> dict[str, dict[str, Any]]:
    """Of objects of one kind."""
    names = list(values_of(some[0]))
    columns = [getattr(table, name) for name in names]
    key = columns[names.index("id")]
    found = await session.execute(select(*columns).where(key.in_([each.id for each in some])))
    return {row.id: dict(zip(names, row, strict=True)) for row in found}
