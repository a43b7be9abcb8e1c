"""What every serving process does in the background from its start on: each task with its pause."""

from service.access.openings import Openings
from service.access.revocations import Revocations
from service.clock import Clocks
from service.content.cache import ArticleCache
from service.content.recut_job import RECUT_TASK, Recutter
from service.crawlers.verifiers import KnownCrawlers
from service.db.business_clock import follow
from service.db.context import context_in
from service.db.session import Database
from service.grants.institution_reads import InstitutionReads
from service.identity.key_uses import KeyUses
from service.identity.reader_uses import ReaderUses
from service.jobs.runner import Task, Wakes
from service.metering.ledger import LEDGER_TASK, Ledger
from service.metering.partitions import make_months
from service.outbox.configured import Mailing
from service.outbox.queue import MAIL_TASK
from service.outbox.sender import send_due_mails
from service.outbox.webhook_sender import WebhookSender
from service.rules.in_force import RuleBook
from service.running import Running
from service.tokens.keys import KeyRingHolder
from service.tokens.signing import jws
from service.web.walls_seen import WallsSeen

_MINUTE = 60.0


def steady_tasks(running: Running) -> tuple[Task, ...]:
    """What every installation does, whether or not anything is sold."""
    database, clocks, context = running.get(Database), running.get(Clocks), context_in(running)
    ledger, walls_seen, key_uses = running.get(Ledger), running.get(WallsSeen), running.get(KeyUses)
    articles, key_ring = running.get(ArticleCache), running.get(KeyRingHolder)
    rule_book = running.get(RuleBook)
    institution_reads, crawlers = running.get(InstitutionReads), running.get(KnownCrawlers)
    revocations, mailer = running.get(Revocations), running.get(Mailing).mailer
    wakes = running.get(Wakes)
    jws()  # for the first token

    async def send_mails() -> None:
        if mailer is not None:
            await send_due_mails(database, mailer, clocks)

    async def write_ledger() -> None:
        written = await ledger.flush(database)
        await walls_seen.flush(database)  # it looks at the walls that unlock has met
        if written and ledger.is_behind:
            wakes.wake(LEDGER_TASK)

    return (
        Task(MAIL_TASK, send_mails, runs_last=True),
        Task("webhooks", running.get(WebhookSender).begin, runs_last=True),
        Task(LEDGER_TASK, write_ledger, runs_last=True),
        Task("key uses", lambda: key_uses.flush(database), runs_last=True),
        Task("clock", lambda: follow(database, clocks)),
        Task("rules", lambda: rule_book.refresh(database)),
        Task("crawlers", lambda: crawlers.refresh(database)),
        Task("readers' uses", lambda: running.get(ReaderUses).flush(database), runs_last=True),
        Task("institutions' reads", lambda: institution_reads.flush(database), runs_last=True),
        Task("articles", lambda: articles.refresh(database)),
        Task("keys", lambda: key_ring.refresh(database)),
        Task("openings", running.get(Openings).refresh),
        Task("revocations", lambda: revocations.refresh(database, clocks)),
        Task(RECUT_TASK, Recutter(context).round, pause=_MINUTE),
        Task("ledger's months", lambda: make_months(context), pause=_MINUTE),
    )
