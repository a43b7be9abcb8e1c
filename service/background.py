"""What a serving process does in the background: each task with its pause, and whether anything is sold."""

from collections.abc import Awaitable, Callable
from datetime import date

import structlog

from service.access.canaries import sweep_canaries
from service.access.openings import Openings
from service.access.revocations import Revocations
from service.account.erase import Sweep
from service.billing import inbox
from service.billing.apply_event import apply_due_events
from service.billing.dunning import remind_of_open_payments
from service.billing.gift_rounds import gift_round
from service.billing.import_job import IMPORT_TASK, Importer
from service.billing.inbox import INBOX_TASK
from service.billing.late_renewals import sync_late_renewals
from service.billing.missed import look_for_missed
from service.billing.pass_ledger import emit_ended_passes
from service.billing.reconcile_job import RECONCILE_TASK, Reconciler
from service.billing.watch import WebhookWatch
from service.clock import Clocks
from service.content.cache import ArticleCache
from service.content.recut_job import RECUT_TASK, Recutter
from service.crawlers.verifiers import KnownCrawlers
from service.db.business_clock import follow
from service.db.context import Context, context_in
from service.db.session import Database
from service.grants.institution_reads import InstitutionReads
from service.identity import address_changes, sign_in_requests
from service.identity.api_keys import KeyUses
from service.identity.operators import prune_operator_sessions
from service.identity.reader_uses import ReaderUses, prune_reader_uses
from service.jobs import queue as jobs
from service.jobs.runner import Task, Wakes
from service.limits import rate
from service.metering.ledger import LEDGER_TASK, Ledger
from service.metering.partitions import drop_old_months, make_months
from service.offers.mirror import mirror_offers
from service.offers.portal import PortalMirror
from service.operators.weekly_mail import WeeklyMail
from service.outbox import queue, webhooks
from service.outbox.configured import Mailing
from service.outbox.mails import MAIL_TASK
from service.outbox.sender import send_due_mails
from service.outbox.webhook_sender import WebhookSender
from service.payments.gateway import Gateway, GatewayUnavailable
from service.payments.reach import Payments
from service.reports.article_sale_rollup import count_article_sales
from service.reports.channel_facts import ChannelWatch
from service.reports.day_rollup import count_days, count_past_habits, prune_holder_days
from service.reports.money_rollup import roll_up_money
from service.reports.movement_rollup import MOVEMENTS
from service.reports.older_days import count_older_days
from service.reports.promotion_rollup import look_up_promotions
from service.reports.renewal_rollup import count_renewals
from service.reports.rollups import roll_up
from service.reports.scheduled_rollup import look_up_scheduled
from service.reports.source_rollup import BY_SOURCE
from service.reports.trial_rollup import look_up_trials
from service.rules.in_force import RuleBook
from service.running import Running
from service.tokens.keys import KeyRingHolder, prune
from service.tokens.revoked import prune_revoked
from service.web.walls_seen import WallsSeen

_MINUTE, _QUARTER, _HOUR = 60.0, 900.0, 3600.0
_APART = 5.0

log = structlog.get_logger()


def background_tasks(running: Running) -> tuple[Task, ...]:
    """All tasks of one serving process."""
    context = context_in(running)
    return (
        *_steady_tasks(running),
        *_stripe_tasks(running, context, running.get(Payments).gateway),
        *pruning_tasks(context),
    )


def _by_minute(name: str, run: Callable[[], Awaitable[object]]) -> Task:
    """What comes once a minute. It begins a minute after the start, which is busy enough without it."""
    return Task(name, run, pause=_MINUTE, begins_after=_MINUTE)


def _steady_tasks(running: Running) -> tuple[Task, ...]:
    """What every installation does, whether or not anything is sold."""
    database, clocks, context = running.get(Database), running.get(Clocks), context_in(running)
    ledger, walls_seen, key_uses = running.get(Ledger), running.get(WallsSeen), running.get(KeyUses)
    articles, key_ring = running.get(ArticleCache), running.get(KeyRingHolder)
    rule_book = running.get(RuleBook)
    institution_reads, crawlers = running.get(InstitutionReads), running.get(KnownCrawlers)
    revocations, mailer = running.get(Revocations), running.get(Mailing).mailer
    wakes = running.get(Wakes)

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
        _by_minute("channels", lambda: running.get(ChannelWatch).warn(running)),
        _by_minute("open payments", lambda: remind_of_open_payments(context)),
        _by_minute("gift subscriptions", lambda: gift_round(context)),
        _by_minute("canaries", lambda: sweep_canaries(context)),
        _by_minute("ended passes", lambda: emit_ended_passes(database, clocks)),
    )


def _stripe_tasks(running: Running, context: Context, gateway: Gateway | None) -> tuple[Task, ...]:
    """What asks Stripe; an erasure is finished here even where nothing is sold any more."""
    sweep = Sweep()
    sweeping = Task("erased readers", lambda: sweep(context, gateway), pause=_MINUTE)
    if gateway is None:
        return (sweeping,)
    portal, watch = PortalMirror(), running.get(WebhookWatch)

    async def mirror() -> None:
        try:
            await mirror_offers(context.database, gateway)
            await portal.run(context.database, gateway, context.settings.publication)
        except GatewayUnavailable as error:
            log.warning("offers.waiting", reason=str(error))

    return (
        sweeping,
        Task(INBOX_TASK, lambda: apply_due_events(context, gateway)),
        Task(RECONCILE_TASK, Reconciler(context, gateway).round, pause=_MINUTE),
        Task(IMPORT_TASK, Importer(context, gateway).round, pause=_MINUTE),
        Task("offers", mirror, pause=_MINUTE),
        Task("webhooks' watch", lambda: look_for_missed(watch, context, gateway), pause=_QUARTER),
        _by_minute("renewals", lambda: sync_late_renewals(context, gateway)),
    )


def pruning_tasks(context: Context) -> tuple[Task, ...]:
    """What adds up and takes away by age."""
    database, clocks = context.database, context.clocks
    older_before = date.max

    async def count_older(context: Context) -> None:
        nonlocal older_before
        older_before = await count_older_days(context, older_before)

    async def count_past(context: Context) -> None:
        await count_past_habits(context)

    async def tend() -> None:
        # What is dropped isn't there any more to be added up. None waits for another to succeed, nor for what is
        # counted anew after an upgrade: there may be years of it.
        steps: tuple[Callable[[Context], Awaitable[None]], ...] = (
            roll_up, count_days, count_article_sales, prune_holder_days, drop_old_months, count_past,
            count_older,
        )  # fmt: skip
        for step in steps:
            try:
                await step(context)
            except Exception:
                log.exception("job.failed", job=step.__name__)

    async def prune_keys() -> None:
        async with database.transaction() as session:
            await prune(session, now=clocks.wall())
        await prune_revoked(database, now=clocks.wall())

    async def prune_limits() -> None:
        await rate.prune(database, clocks.wall())
        await sign_in_requests.prune(database, clocks.wall())
        await address_changes.prune(database, clocks.wall())
        await prune_operator_sessions(database, clocks.wall())
        today = clocks.business().astimezone(context.settings.zone).date()
        await prune_reader_uses(database, today)

    async def prune_mails() -> None:
        await queue.prune(database, clocks.wall())
        await webhooks.prune(database, clocks.wall())
        await jobs.prune(database, clocks.wall())
        await inbox.prune(database, clocks.wall())

    # A start is busy enough without them, and no page needs them to be right. One after the other: what each makes
    # for its first round, such as the text of a statement, holds up readers for some milliseconds.
    later: tuple[tuple[str, Callable[[], Awaitable[object]], float], ...] = (
        ("old keys", prune_keys, _HOUR),
        ("old limits", prune_limits, _HOUR),
        ("old mails", prune_mails, _HOUR),
        ("ledger's days", tend, _MINUTE),
        ("movements by day", lambda: MOVEMENTS.roll_up(context), _MINUTE),
        ("movements by source", lambda: BY_SOURCE.roll_up(context), _MINUTE),
        ("money by day", lambda: roll_up_money(context), _MINUTE),
        ("renewals by day", lambda: count_renewals(context), _MINUTE),
        ("trials", lambda: look_up_trials(context), _MINUTE),
        ("promotion codes", lambda: look_up_promotions(context), _MINUTE),
        ("scheduled ends", lambda: look_up_scheduled(context), _MINUTE),
        ("weekly mail", WeeklyMail(context).round, _MINUTE),
    )
    return (
        Task("ledger's months", lambda: make_months(context), pause=_MINUTE),
        *(
            Task(name, run, pause, begins_after=_MINUTE + place * _APART)
            for place, (name, run, pause) in enumerate(later)
        ),
    )
