"""The mails that wait, each with a job of its id (sender.py): found, closed once, and pruned.

All times are wall time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, update

from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import Mail
from service.jobs.runner import TaskName

MAIL_TASK = TaskName("mails")
"""Sends what is stored here."""
JOB = "mail"
LONGEST_RESULT = 500
MAILBOX_KEEPS = timedelta(hours=24)
ROWS_STAY = timedelta(days=30)
FAREWELL_KEEPS = timedelta(hours=1)
"""So long after an erasure the last mail may hold the address that it goes to."""
_EMPTY = {"text": "", "html": ""}
_NOBODY = {"recipient": "", "recipient_key": ""}


@dataclass(frozen=True)
class WaitingMail:
    """A mail that nobody has sent yet."""

    id: str
    kind: str
    recipient: str
    subject: str
    text: str
    html: str
    created_at: datetime
    send_until: datetime


async def waiting_mail(database: Database, mail_id: str) -> WaitingMail | None:
    """The mail, or None when it is sent, given up or erased."""
    async with database.reading() as session:
        mail = await session.get(Mail, mail_id)
    if mail is None or mail.status != "waiting":
        return None
    return WaitingMail(
        mail.id, mail.kind, mail.recipient, mail.subject, mail.text, mail.html,
        mail.created_at, mail.send_until,
    )  # fmt: skip


async def close(
    database: Database,
    mail: WaitingMail,
    *,
    sent_at: datetime | None,
    result: str,
    keep_content: bool,
) -> None:
    """The mail was sent at that time or, None, never will be. Its content goes unless kept."""
    values: dict[str, object] = {} if keep_content else dict(_EMPTY)
    if mail.kind == "erased" and not keep_content:
        values |= _NOBODY
    status = "failed" if sent_at is None else "sent"
    async with database.transaction() as session:
        await session.execute(
            update(Mail)
            .where(Mail.id == mail.id, Mail.status == "waiting")
            .values(status=status, sent_at=sent_at, result=result[:LONGEST_RESULT], **values)
        )


async def prune(database: Database, now: datetime) -> None:
    """Close what nobody sent in time, empty what the mailbox has shown, delete old rows."""
    expired = update(Mail).values(status="failed", result="expired", **_EMPTY)
    await in_parts(database, expired, Mail.status == "waiting", Mail.send_until <= now)
    closed = Mail.status != "waiting"
    shown = closed & (Mail.created_at <= now - MAILBOX_KEEPS)
    await in_parts(database, update(Mail).values(**_EMPTY), shown, Mail.html != "")
    said = closed & (Mail.kind == "erased") & (Mail.created_at <= now - FAREWELL_KEEPS)
    emptied = update(Mail).values(**_NOBODY, **_EMPTY)
    await in_parts(database, emptied, said, Mail.recipient != "")
    await in_parts(database, delete(Mail), closed, Mail.created_at <= now - ROWS_STAY)
