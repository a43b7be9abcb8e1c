"""What became of each invoice after a charge failed: one row an invoice, for reports."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, and_, case, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ChargeRow, DunningEpisode, InvoiceRow

_COLUMNS = (
    "invoice_id", "begun_at", "recovered_at", "lost_at", "decline", "tries", "currency", "amount",
    "offer_id",
)  # fmt: skip
FAILED = and_(ChargeRow.status == "failed", ChargeRow.sold == "subscription")


def episodes(*of_charges: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    """Each invoice of ours with a failed charge, the first payment of a subscription left out.

    It is lost when it is void or uncollectible, or when Stripe plans no further try. `of_charges` must
    choose all charges of an invoice or none. The columns are those of DunningEpisode.
    """
    failed = (
        select(
            ChargeRow.invoice_id,
            ChargeRow.created_at,
            func.first_value(ChargeRow.failure)
            .over(
                partition_by=ChargeRow.invoice_id,
                order_by=(ChargeRow.created_at.desc(), ChargeRow.id.desc()),
            )
            .label("decline"),
        )
        .where(FAILED, *of_charges)
        .subquery("failed")
    )
    each = (
        select(
            failed.c.invoice_id,
            func.min(failed.c.created_at).label("first_at"),
            func.max(failed.c.created_at).label("last_at"),
            func.count().label("tries"),
            func.min(failed.c.decline).label("decline"),
        )
        .group_by(failed.c.invoice_id)
        .subquery("failures")
    )
    row = InvoiceRow
    given_up = and_(row.status == "open", row.next_attempt_at.is_(None))
    lost_at = case(
        (row.status == "void", row.voided_at),
        (row.status == "uncollectible", row.uncollectible_at),
        (given_up, each.c.last_at),
    )
    return (
        select(
            each.c.invoice_id,
            each.c.first_at.label("begun_at"),
            case((row.status == "paid", row.paid_at)).label("recovered_at"),
            lost_at.label("lost_at"),
            each.c.decline,
            each.c.tries,
            row.currency,
            row.amount_due.label("amount"),
            row.offer_id,
        )
        .join(each, each.c.invoice_id == row.id)
        .where(row.billing_reason != "subscription_create")
    )


async def keep_episodes(session: AsyncSession, invoice_ids: Collection[str]) -> None:
    """Write those of these invoices anew."""
    if not invoice_ids:
        return
    await session.execute(delete(DunningEpisode).where(DunningEpisode.invoice_id.in_(invoice_ids)))
    found = episodes(ChargeRow.invoice_id.in_(invoice_ids))
    await session.execute(insert(DunningEpisode).from_select(_COLUMNS, found))
