"""The mails that wait: claimed for the length of a lease, then closed or put off.

A mail is claimed by moving its `due_at` beyond the lease and counting the attempt, before anybody
talks to a mail server. So of any number of processes one sends it; whoever dies while sending leaves
it to be claimed again, and then it may arrive twice. All times are wall time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.db.tables import Mail

LEASE = timedelta(seconds=120)
"""Longer than a mailer may take for one mail."""
LONGEST_RESULT = 500
MAILBOX_KEEPS = timedelta(hours=24)
ROWS_STAY = timedelta(days=30)
_PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 480, 720))
MOST_ATTEMPTS = len(_PAUSES) + 1
_EMPTY = {"text": "", "html": ""}
_NOBODY = {"recipient": "", "recipient_key": ""}


@dataclass(frozen=True)
class ClaimedMail:
    """A mail that is ours to send; `attempts` counts this one too."""

    id: str
    kind: str
    recipient: str
    subject: str
    text: str
    html: str
    created_at: datetime
    send_until: datetime
    attempts: int


async def count_due(database: Database, now: datetime) -> int:
    """How many mails could be claimed now."""
    async with database.reading() as session:
        found = await session.scalar(
            select(func.count()).where(Mail.status == "waiting", Mail.due_at <= now)
        )
    return found or 0


async def claim_next(database: Database, now: datetime) -> ClaimedMail | None:
    """The mail that is due for longest, ours for the length of the lease; None when none is due."""
    async with database.transaction() as session:
        # On SQLite FOR UPDATE isn't rendered: its one writer is alone anyway.
        mail = await session.scalar(
            select(Mail)
            .where(Mail.status == "waiting", Mail.due_at <= now)
            .order_by(Mail.due_at, Mail.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if mail is None:
            return None
        mail.due_at = now + LEASE
        mail.attempts += 1
        return ClaimedMail(
            mail.id, mail.kind, mail.recipient, mail.subject, mail.text, mail.html,
            mail.created_at, mail.send_until, mail.attempts,
        )  # fmt: skip


async def close(
    database: Database,
    mail: ClaimedMail,
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
    await _change(database, mail, status=status, sent_at=sent_at, result=result, **values)


async def put_off(database: Database, mail: ClaimedMail, *, reason: str, now: datetime) -> bool:
    """Try again after a pause that grows; False when there would be no use in it."""
    if mail.attempts >= MOST_ATTEMPTS:
        return False
    due_at = now + _PAUSES[mail.attempts - 1]
    if due_at >= mail.send_until:
        return False
    await _change(database, mail, due_at=due_at, result=reason)
    return True


async def prune(session: AsyncSession, now: datetime) -> None:
    """Close what nobody sent in time, empty what the mailbox has shown, delete old rows."""
    await session.execute(
        update(Mail)
        .where(Mail.status == "waiting", Mail.send_until <= now)
        .values(status="failed", result="expired", **_EMPTY)
    )
    closed = Mail.status != "waiting"
    shown = closed & (Mail.created_at <= now - MAILBOX_KEEPS)
    await session.execute(update(Mail).where(shown, Mail.html != "").values(**_EMPTY))
    await session.execute(update(Mail).where(shown, Mail.kind == "erased").values(**_NOBODY))
    await session.execute(delete(Mail).where(closed, Mail.created_at <= now - ROWS_STAY))


async def _change(database: Database, mail: ClaimedMail, *, result: str, **values: object) -> None:
    # Only while it is ours: whoever took longer than the lease comes after the one who claimed it
    # again.
    async with database.transaction() as session:
        await session.execute(
            update(Mail)
            .where(Mail.id == mail.id, Mail.status == "waiting", Mail.attempts == mail.attempts)
            .values(result=result[:LONGEST_RESULT], **values)
        )
