"""Sending what waits: each mail once in ordinary operation, twice rather than never otherwise."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

from prometheus_client import Counter

from service.clock import Clocks
from service.db.session import Database
from service.jobs.queue import ClaimedJob
from service.jobs.worker import Failed, GivenUp, Kind, Postponed, work
from service.outbox import queue
from service.outbox.mailer import Away, Deferred, Mailer, Refused
from service.outbox.queue import JOB, WaitingMail

MOST_AT_ONCE = 4
"""Connections of one process: a slow mail server holds up few mails, and isn't flooded."""
MAILS = Counter("paywall_mails_total", "Mails, by what became of them", ["kind", "result"])
PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 480, 720))
"""Between the tries of one mail that the server doesn't take yet."""
OUTAGE = timedelta(seconds=30)
"""Between two looks at a server that is away: what waits leaves soon after its return."""


@dataclass(frozen=True)
class Sender:
    """Sends what waits; any number of processes may do so."""

    database: Database
    mailer: Mailer
    clocks: Clocks

    async def run(self, job: ClaimedJob) -> str:
        """Send the mail that the job names: what the mail server said, or why not at all."""
        mail = await queue.waiting_mail(self.database, job.key)
        if mail is None:
            return "nothing to send"
        if mail.send_until <= self.clocks.wall():
            await self._give_up(mail, outcome="expired", reason="expired")
        try:
            said = await self.mailer.send(mail)
        except Refused as error:
            await self._give_up(mail, outcome="failed", reason=str(error))
        except Away as error:
            await self._wait(mail, str(error))
        except Deferred as error:
            await self._put_off(mail, job.attempts, str(error))
        except Exception as error:  # noqa: BLE001 one that can't be sent must not hold up the others
            # Its text may hold a part of the mail.
            await self._put_off(mail, job.attempts, f"not understood: {type(error).__name__}")
        await queue.close(
            self.database, mail, sent_at=self.clocks.wall(), result=said,
            keep_content=self.mailer.keeps_content,
        )  # fmt: skip
        MAILS.labels(mail.kind, "sent").inc()
        return said

    async def _wait(self, mail: WaitingMail, reason: str) -> NoReturn:
        """Let it wait for the server, however long that is away, while it is of use."""
        if self.clocks.wall() + OUTAGE >= mail.send_until:
            await self._give_up(mail, outcome="failed", reason=f"gave up: {reason}")
        MAILS.labels(mail.kind, "deferred").inc()
        raise Postponed(reason, OUTAGE)

    async def _put_off(self, mail: WaitingMail, attempts: int, reason: str) -> NoReturn:
        """Let it be tried again after a pause that grows, unless there would be no use in it."""
        due_at = self.clocks.wall() + PAUSES[attempts] if attempts < len(PAUSES) else None
        if due_at is None or due_at >= mail.send_until:
            await self._give_up(mail, outcome="failed", reason=f"gave up: {reason}")
        MAILS.labels(mail.kind, "deferred").inc()
        raise Failed(reason)

    async def _give_up(self, mail: WaitingMail, *, outcome: str, reason: str) -> NoReturn:
        await queue.close(
            self.database, mail, sent_at=None, result=reason,
            keep_content=self.mailer.keeps_content,
        )  # fmt: skip
        MAILS.labels(mail.kind, outcome).inc()
        raise GivenUp(reason)


async def send_due_mails(database: Database, mailer: Mailer, clocks: Clocks) -> int:
    """Send what is due; how many were sent. Any number of processes may do so."""
    sender = Sender(database, mailer, clocks)
    return await work(database, {JOB: Kind(sender.run, PAUSES)}, clocks, at_once=MOST_AT_ONCE)
