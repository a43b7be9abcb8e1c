"""What the ledger and the service's own doings add to a reader's timeline, on both databases."""

from datetime import timedelta
from typing import Any

from service.db.base import Base
from service.db.session import Database
from service.db.tables import AuditEntry, Mail, ReaderSession
from service.outbox.event_types import EVENT_TYPES
from service.reports.event_lines import KINDS
from service.reports.history import reader_history
from tests.reports import rows
from tests.reports.rows import NOW

HOUR = timedelta(hours=1)
KNOWN_OTHERWISE = {
    "reader.created", "reader.erased", "subscription.started", "subscription.trial_will_end",
    "subscription.ended", "pass.ended", "right.started", "right.changed", "right.ended",
}  # fmt: skip
"""They are in the timeline by the rows themselves, or change nothing yet."""


def test_every_type_of_event_is_told_or_left_out_on_purpose() -> None:
    assert KINDS.keys() | KNOWN_OTHERWISE == EVENT_TYPES
    assert not KINDS.keys() & KNOWN_OTHERWISE


async def test_money_disputes_switches_and_cancellations_stand_in_their_order(
    database: Database,
) -> None:
    reader, other = rows.reader(), rows.reader()
    monthly, yearly = rows.offer(), rows.offer(name="Digital, yearly", position=2)
    happened: list[tuple[str, dict[str, Any] | None]] = [
        ("pass.bought", {"offer": monthly.id}),
        ("subscription.renewed", {"amount_paid": 900, "invoice_currency": "EUR"}),
        ("subscription.payment_failed", {"amount_due": 900, "invoice_currency": "EUR"}),
        ("subscription.recovered", {"amount_paid": 900, "invoice_currency": "EUR"}),
        ("subscription.cancel_scheduled", {"offer": monthly.id}),
        ("subscription.resumed", {"offer": monthly.id}),
        ("subscription.paused", {"offer": monthly.id}),
        ("subscription.collection_paused", {"offer": monthly.id}),
        ("subscription.collection_resumed", {"offer": monthly.id}),
        ("subscription.switched", {"offer": yearly.id}),
        ("subscription.disputed", {"offer": yearly.id}),
        ("subscription.dispute_closed", {"dispute_status": "won"}),
        ("payment.refunded", {"amount_refunded": 450, "currency_refunded": "EUR"}),
        ("payment.refunded", None),  # as an erasure leaves it
        ("reader.merged", {"reader_id": reader.id}),
        ("subscription.renewed", {"amount_paid": 900}),  # planned; nothing of the future is told
    ]
    start = NOW - timedelta(hours=len(happened) - 2)
    told = [
        rows.told(reader, type_, start + timedelta(hours=hour), before={"offer": monthly.id}, after=after)
        for hour, (type_, after) in enumerate(happened)
    ]  # fmt: skip
    audited = AuditEntry(
        at=NOW, actor="system", action="subscription.cancel", target=reader.id, before=None,
        after={"subscription": "sub_2", "reason": "duplicate"},
    )  # fmt: skip
    added: list[Base] = [
        reader, other, monthly, yearly, *told, audited,
        rows.told(other, "subscription.renewed", NOW),
    ]  # fmt: skip
    async with database.transaction() as session:
        await rows.put(session, *added)
    async with database.reading() as session:
        history = await reader_history(session, reader.id, NOW)
    lines = [(event.kind, event.note) for event in reversed(history.timeline)]
    assert lines == [
        ("first_seen", ""),
        ("pass_bought", "Digital, monthly"),
        ("renewed", "€9.00"),
        ("payment_failed", "€9.00"),
        ("payment_recovered", "€9.00"),
        ("cancel_scheduled", "Digital, monthly"),
        ("resumed", "Digital, monthly"),
        ("paused", "Digital, monthly"),
        ("collection_paused", "Digital, monthly"),
        ("collection_resumed", "Digital, monthly"),
        ("switched", "from Digital, monthly to Digital, yearly"),
        ("disputed", "Digital, yearly"),
        ("dispute_closed", "won"),
        ("refunded", "€4.50"),
        ("refunded", ""),
        ("merged", ""),
        ("cancelled_by_service", "duplicate"),
    ]


async def test_sign_ins_mails_and_what_the_staff_did_are_told(database: Database) -> None:
    reader, other = rows.reader(), rows.reader()
    given = rows.grant(reader, id="grt_1", starts_at=NOW - 3 * HOUR)
    staff = "operator:opr_1"
    done = [
        (reader.id, staff, "payment.refund"), ("grt_1", staff, "comp.give"), (other.id, staff, "note.add"),
        (reader.id, "api_key:pwk_1", "note.add"), (reader.id, "system", "payment.refund"),
    ]  # fmt: skip
    audited = [
        AuditEntry(at=NOW - HOUR, actor=actor, action=action, target=target, after={"amount": 5})
        for target, actor, action in done
    ]
    sessions = [
        ReaderSession(
            id=f"ses_{number}", secret_hash=f"{number}", reader_id=whose.id, label=label, kind="app",
            method="" if number else "code", created_at=NOW - 2 * HOUR, used_at=NOW, expires_at=NOW, ended_at=NOW if number else None,
        )
        for number, (whose, label) in enumerate(((reader, "Firefox on Linux"), (reader, ""), (other, "")))
    ]  # fmt: skip
    mails = [
        Mail(
            id=f"mail_{status}", kind="sign-in", reader_id=reader.id, recipient="a@a.example",
            recipient_key="a@a.example", language="en", subject="Secret", text="Secret", html="Secret",
            created_at=NOW - 4 * HOUR, send_until=NOW, status=status, result="",
            sent_at=NOW if status == "sent" else None,
        )
        for status in ("waiting", "sent", "failed")
    ]  # fmt: skip
    async with database.transaction() as session:
        await rows.put(session, reader, other, given, *audited, *sessions, *mails)
    async with database.reading() as session:
        history = await reader_history(session, reader.id, NOW)
    told = {(each.at, each.kind, each.note, each.actor) for each in history.timeline}
    methods = {(each.note, each.method) for each in history.timeline if each.kind == "signed_in"}
    assert methods == {("Firefox on Linux", "code"), ("app", "")}
    assert told == {
        (reader.created_at, "first_seen", "", ""),
        (NOW - 3 * HOUR, "access_given", "comp", ""),
        (NOW - HOUR, "staff", "payment.refund", staff),
        (NOW - HOUR, "staff", "comp.give", staff),
        (NOW - HOUR, "staff", "note.add", "api_key:pwk_1"),
        (NOW - 2 * HOUR, "signed_in", "Firefox on Linux", ""),
        (NOW - 2 * HOUR, "signed_in", "app", ""),
        (NOW - 4 * HOUR, "mail_waiting", "sign-in", ""),
        (NOW - 4 * HOUR, "mail_failed", "sign-in", ""),
        (NOW, "mail_sent", "sign-in", ""),
    }
