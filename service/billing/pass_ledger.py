"""Events of passes: bought, given back, ended; each once, and the first two by mail too."""

from datetime import timedelta

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import notices
from service.billing.mailing import MAILED_WITHIN
from service.billing.money import REASON
from service.billing.notices import mail_reader
from service.clock import Clocks
from service.db.context import Context
from service.db.session import Database
from service.db.tables import DomainEvent, Grant, Offer, Pass
from service.outbox.domain_events import emit
from service.payments.gateway import StripeRefund

_EMITTED_WITHIN = timedelta(days=30)
_ENDED = "pass.ended:"
_AT_ONCE = 100


async def emit_bought(session: AsyncSession, context: Context, row: Pass, offer: Offer) -> None:
    """A pass is paid; say so once."""
    is_new = await emit(
        session,
        type_="pass.bought",
        reader_id=row.reader_id,
        subject_id=row.id,
        once=f"pass.bought:{row.id}",
        occurred_at=row.paid_at,
        before=None,
        after=pass_payload(row),
        now=context.clocks.wall(),
    )
    if is_new and row.paid_at > context.clocks.business() - MAILED_WITHIN:
        paid = notices.Amount(row.amount, row.currency)
        notice = notices.bought_pass(row.id, offer.name, paid, until=row.ends_at, address=None)
        await mail_reader(session, context, row.reader_id, notice)


async def emit_refund(
    session: AsyncSession, context: Context, row: Pass, offer: Offer, refund: StripeRefund
) -> None:
    """Money of a pass went back, in full or in part; say so once."""
    currency = refund.currency.upper()
    is_new = await emit(
        session,
        type_="payment.refunded",
        reader_id=row.reader_id,
        subject_id=row.id,
        once=f"payment.refunded:{refund.id}",
        occurred_at=refund.created_at,
        before=pass_payload(row),
        after={
            **pass_payload(row),
            "refund": refund.id,
            "amount_refunded": refund.amount,
            "currency_refunded": currency,
            "reason": refund.metadata.get(REASON),
        },
        now=context.clocks.wall(),
    )
    if is_new and refund.created_at > context.clocks.business() - MAILED_WITHIN:
        notice = notices.refund(refund.id, offer.name, notices.Amount(refund.amount, currency))
        await mail_reader(session, context, row.reader_id, notice)


async def emit_ended_passes(database: Database, clocks: Clocks) -> int:
    """Record passes that are over since the last round; how many those were.

    One that a dispute froze isn't over: it may be won.
    """
    now = clocks.business()
    async with database.transaction() as session:
        found = await session.execute(
            select(Pass, Grant.ends_at)
            .join(Grant, and_(Grant.source == "pass", Grant.reference == Pass.id))
            .outerjoin(DomainEvent, DomainEvent.once == _ENDED + Pass.id)
            .where(
                Grant.ends_at <= now,
                Grant.ends_at > now - _EMITTED_WITHIN,
                Pass.access_stop != "dispute",
                DomainEvent.id.is_(None),
            )
            .order_by(Grant.ends_at, Pass.id)
            .limit(_AT_ONCE)
        )
        ended = [(row, ends_at) for row, ends_at in found if ends_at is not None]
        for row, ends_at in ended:
            await emit(
                session,
                type_="pass.ended",
                reader_id=row.reader_id,
                subject_id=row.id,
                once=_ENDED + row.id,
                occurred_at=ends_at,
                before=pass_payload(row),
                after={**pass_payload(row), "ends_at": ends_at.isoformat()},
                now=clocks.wall(),
            )
    return len(ended)


def pass_payload(row: Pass) -> dict[str, object]:
    """What an event says of a pass."""
    return {
        "offer": row.offer_id,
        "scope": row.scope,
        "amount": row.amount,
        "currency": row.currency,
        "starts_at": row.starts_at.isoformat(),
        "ends_at": row.ends_at.isoformat(),
    }
