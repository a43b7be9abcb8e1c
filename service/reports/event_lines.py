"""Lines of the timeline that come from the ledger of domain events, from sign-ins and mails, and from what
the service and its staff did.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.follow_ups import SYSTEM
from service.db.tables import AuditEntry, DomainEvent, Mail, Offer, ReaderSession
from service.offers.pricing import amount_text
from service.reports.timeline import Event, EventKind

KINDS: Mapping[str, EventKind] = {
    "subscription.trial_paid": "trial_paid",
    "subscription.renewed": "renewed",
    "subscription.payment_failed": "payment_failed",
    "subscription.recovered": "payment_recovered",
    "subscription.cancel_scheduled": "cancel_scheduled",
    "subscription.resumed": "resumed",
    "subscription.paused": "paused",
    "subscription.collection_paused": "collection_paused",
    "subscription.collection_resumed": "collection_resumed",
    "subscription.switched": "switched",
    "subscription.disputed": "disputed",
    "subscription.dispute_closed": "dispute_closed",
    "payment.refunded": "refunded",
    "pass.bought": "pass_bought",
    "gift.bought": "gift_bought",
    "gift.redeemed": "gift_redeemed",
    "reader.merged": "merged",
}
"""What the timeline takes from the ledger; beginnings and ends it knows from the rows themselves."""
_CANCELLED = "subscription.cancel"
_OF_MAILS: Mapping[str, EventKind] = {
    "waiting": "mail_waiting",
    "sent": "mail_sent",
    "failed": "mail_failed",
}
Details = Mapping[str, object]


async def event_lines(session: AsyncSession, reader_id: str, grants: Sequence[str]) -> list[Event]:
    """What the ledger and the audit log say of the reader and of the grants, their sign-ins and mails.

    Of a mail its kind and what became of it: never its text.
    """
    ledger = await session.scalars(
        select(DomainEvent).where(
            DomainEvent.reader_id == reader_id, DomainEvent.type.in_(sorted(KINDS))
        )
    )
    audited = await session.scalars(
        select(AuditEntry).where(
            AuditEntry.target.in_([reader_id, *grants]),
            # What else the service does by itself is in the ledger.
            or_(AuditEntry.actor != SYSTEM, AuditEntry.action == _CANCELLED),
        )
    )
    sessions = await session.scalars(
        select(ReaderSession).where(ReaderSession.reader_id == reader_id)
    )
    mail = Mail
    mails = await session.execute(
        select(func.coalesce(mail.sent_at, mail.created_at), mail.status, mail.kind).where(
            mail.reader_id == reader_id
        )
    )
    rows = list(ledger)
    names = await _offer_names(session, rows)
    return [
        *(Event(row.occurred_at, KINDS[row.type], _note(row, names)) for row in rows),
        *(_done(row) for row in audited),
        *(
            Event(row.created_at, "signed_in", row.label or row.kind, method=row.method)
            for row in sessions
        ),
        *(Event(at, _OF_MAILS[status], kind) for at, status, kind in mails),
    ]


def _done(row: AuditEntry) -> Event:
    if row.actor == SYSTEM:
        return Event(row.at, "cancelled_by_service", str((row.after or {}).get("reason", "")))
    return Event(row.at, "staff", row.action, actor=row.actor)


async def _offer_names(session: AsyncSession, rows: Iterable[DomainEvent]) -> dict[str, str]:
    told = [each for row in rows for each in (row.before, row.after) if each is not None]
    ids = {str(each.get("offer")) for each in told}
    found = await session.execute(select(Offer.id, Offer.name).where(Offer.id.in_(ids)))
    return {row.id: row.name for row in found}


def _note(row: DomainEvent, names: Mapping[str, str]) -> str:
    """What the line is about; empty where before and after are gone, as after an erasure."""
    before, after = row.before or {}, row.after or {}
    name = names.get(str(after.get("offer")), "")
    match row.type:
        case "subscription.switched":
            former = names.get(str(before.get("offer")), "")
            return f"from {former} to {name}" if former and former != name else name
        case "subscription.trial_paid" | "subscription.renewed" | "subscription.recovered":
            return _amount(after, "amount_paid", "invoice_currency") or name
        case "subscription.payment_failed":
            return _amount(after, "amount_due", "invoice_currency")
        case "subscription.dispute_closed":
            return str(after.get("dispute_status", ""))
        case "payment.refunded":
            return _amount(after, "amount_refunded", "currency_refunded")
        case _:
            return name


def _amount(details: Details, amount: str, currency: str) -> str:
    value, unit = details.get(amount), details.get(currency)
    if not isinstance(value, int) or not isinstance(unit, str):
        return ""
    return amount_text(value, unit)
