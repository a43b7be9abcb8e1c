"""Sending what waits: each mail once in ordinary operation, twice rather than never otherwise."""

import asyncio

import structlog
from prometheus_client import Counter

from service.clock import Clocks
from service.db.session import Database
from service.outbox import queue
from service.outbox.mailer import Deferred, LogMailer, Mailer, Refused
from service.outbox.queue import ClaimedMail
from service.outbox.smtp import SmtpMailer, mail_server
from service.settings import Settings

MOST_AT_ONCE = 4
"""Connections of one process: a slow mail server holds up few mails, and isn't flooded."""
MAILS = Counter("paywall_mails_total", "Mails, by what became of them", ["kind", "result"])

log = structlog.get_logger()


def mailer_of_settings(settings: Settings) -> Mailer | None:
    """The mailer that the settings ask for; None where no mail is sent."""
    if not settings.mail_from:
        return None
    url = settings.smtp_url.get_secret_value()
    return SmtpMailer(mail_server(url), settings.mail_from) if url else LogMailer()


async def send_due_mails(database: Database, mailer: Mailer, clocks: Clocks) -> int:
    """Send what is due; how many were sent. Any number of processes may do so."""
    due = await queue.count_due(database, clocks.wall())
    sending = [_send_all(database, mailer, clocks) for _ in range(min(due, MOST_AT_ONCE))]
    # Each finishes the mail it has begun, whatever becomes of the others.
    results = await asyncio.gather(*sending, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(result for result in results if isinstance(result, int))


async def _send_all(database: Database, mailer: Mailer, clocks: Clocks) -> int:
    sent = 0
    while (mail := await queue.claim_next(database, clocks.wall())) is not None:
        with structlog.contextvars.bound_contextvars(mail=mail.id, kind=mail.kind):
            result = await _send_one(database, mailer, clocks, mail)
        MAILS.labels(mail.kind, result).inc()
        sent += result == "sent"
    return sent


async def _send_one(database: Database, mailer: Mailer, clocks: Clocks, mail: ClaimedMail) -> str:
    """What became of it: sent, failed, deferred or expired."""
    if mail.send_until <= clocks.wall():
        return await _give_up(database, mailer, mail, result="expired", reason="expired")
    try:
        said = await mailer.send(mail)
    except Refused as error:
        return await _give_up(database, mailer, mail, result="failed", reason=str(error))
    except Deferred as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 one that can't be sent must not hold up the others
        # Its text may hold a part of the mail.
        reason = f"not understood: {type(error).__name__}"
    else:
        now = clocks.wall()
        await queue.close(
            database, mail, sent_at=now, result=said, keep_content=mailer.keeps_content
        )
        log.info("mail.sent")
        return "sent"
    if await queue.put_off(database, mail, reason=reason, now=clocks.wall()):
        log.warning("mail.deferred", reason=reason, attempts=mail.attempts)
        return "deferred"
    return await _give_up(database, mailer, mail, result="failed", reason=f"gave up: {reason}")


async def _give_up(
    database: Database, mailer: Mailer, mail: ClaimedMail, *, result: str, reason: str
) -> str:
    await queue.close(
        database, mail, sent_at=None, result=reason, keep_content=mailer.keeps_content
    )
    log.error("mail.failed", reason=reason, attempts=mail.attempts)
    return result
