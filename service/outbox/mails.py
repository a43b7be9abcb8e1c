"""Mails to readers and operators: written in the transaction of the change they report, sent afterwards by sender.py.

So a mail goes out exactly where what it says has been committed, and no request waits for a mail
server. `kind` names the templates: `<kind>.subject.txt`, `<kind>.txt` and `<kind>.html`.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import Mail
from service.jobs.queue import enqueue
from service.outbox.queue import JOB
from service.outbox.translations import render_in
from service.settings import Settings

Kind = Literal[
    "sign-in",
    "erased",
    "address-change",
    "address-changed",
    "welcome",
    "receipt",
    "payment-failed",
    "reading-ends",
    "reading-ended",
    "card-needed",
    "trial-ending",
    "trial-used",
    "cancelled",
    "ended",
    "refund",
    "pass",
    "gift",
    "gift-bought",
    "seat",
    "seats-closed",
    "seat-lost",
    "seat-asked",
    "purchase-waiting",
    "weekly",
]
"""`sign-in` takes `link` (or None), `code` and `minutes`; `erased` and `address-changed` take nothing;
`address-change` takes `link`, `address` and `is_new`; `gift` takes `name` and `link`, `seat` takes `link`; `weekly`, which goes to operators, takes what
operators/week.py says; billing/notices.py says what
the others take.
"""

LONGEST_WAIT = timedelta(days=2)
"""A mail that says nothing of its own end isn't sent after this."""


async def put_mail(
    session: AsyncSession,
    *,
    kind: Kind,
    to: str,
    to_key: str,
    reader_id: str | None,
    settings: Settings,
    now: datetime,
    send_until: datetime | None = None,
    waits: timedelta = timedelta(0),
    once: str | None = None,
    instead_of: str | None = None,
    **context: Any,
) -> Mail | None:
    """Render a mail in the publication's language and store it; wake MAIL_TASK afterwards.

    `to` is the address that it goes to, `to_key` the same as addresses are compared
    (identity/email.py). `now` and `send_until` are wall time; later than that it isn't sent. A link
    that doesn't lead to the service is a ValueError. `once` names what it reports: a second mail about
    that isn't stored, and the answer is None. Call it then where no other transaction reports the
    same. It is sent after `waits`, and the mail about `instead_of` no more if it still waits.
    """
    if instead_of is not None:
        await session.execute(delete(Mail).where(Mail.once == instead_of, Mail.status == "waiting"))
    if once is not None and await session.scalar(select(Mail.id).where(Mail.once == once)):
        return None
    subject, text, html = _rendered(settings, kind, context)
    mail = Mail(
        id=new_id("mail"),
        kind=kind,
        reader_id=reader_id,
        recipient=to,
        recipient_key=to_key,
        language=settings.language,
        subject=subject,
        text=text,
        html=html,
        created_at=now,
        send_until=send_until or now + LONGEST_WAIT,
        status="waiting",
        sent_at=None,
        result="",
        once=once,
    )
    session.add(mail)
    await session.flush()
    await enqueue(session, kind=JOB, key=mail.id, now=now, due_at=now + waits)
    return mail


def _rendered(settings: Settings, kind: Kind, context: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML."""
    link = context.get("link")
    if link is not None and not link.startswith(f"{settings.public_url}/"):
        raise ValueError("a mail links to the service itself only")
    context = {"publication": on_one_line(settings.publication_name), **context}
    subject, text, html = (
        render_in(settings.language, f"{kind}.{part}", **context)
        for part in ("subject.txt", "txt", "html")
    )
    return on_one_line(subject), text, html


def on_one_line(text: str) -> str:
    """`text` without line breaks and control characters: fit for a mail's header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
