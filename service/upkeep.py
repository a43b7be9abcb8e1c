"""What a serving process does in the background once a minute or more rarely: it begins a minute after the start.

A start is busy enough without it, and nobody who serves for the first time needs it sooner.
"""

from collections.abc import Awaitable, Callable
from datetime import date

import structlog

from service.access.canaries import sweep_canaries
from service.account.erase import Sweep
from service.billing import inbox
from service.billing.dunning import remind_of_open_payments
from service.billing.gift_rounds import gift_round
from service.billing.pass_ledger import emit_ended_passes
from service.db.context import Context, context_in
from service.identity import address_changes, sign_in_requests
from service.identity.operators import prune_operator_sessions
from service.identity.reader_uses import prune_reader_uses
from service.jobs import queue as jobs
from service.jobs.runner import Task
from service.limits import rate
from service.metering.partitions import drop_old_months
from service.operators.weekly_mail import WeeklyMail
from service.outbox import queue, webhooks
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
from service.running import Running
from service.tokens.keys import prune
from service.tokens.revoked import prune_revoked

_MINUTE, _HOUR, _APART = 60.0, 3600.0, 5.0

log = structlog.get_logger()


def upkeep_tasks(running: Running) -> tuple[Task, ...]:
    """All of it, for one serving process."""
    context, sweep = context_in(running), Sweep()
    database, clocks = context.database, context.clocks
    # An erasure is finished here even where nothing is sold any more.
    rounds: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
        ("erased readers", lambda: sweep(context, running.get(Payments).gateway)),
        ("channels", lambda: running.get(ChannelWatch).warn(running)),
        ("open payments", lambda: remind_of_open_payments(context)),
        ("gift subscriptions", lambda: gift_round(context)),
        ("canaries", lambda: sweep_canaries(context)),
        ("ended passes", lambda: emit_ended_passes(database, clocks)),
    )
    by_minute = (Task(name, run, pause=_MINUTE) for name, run in rounds)
    return (*by_minute, *pruning_tasks(context))


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

    # One after the other: what each makes for its first round, such as the text of a statement, holds up readers for
    # some milliseconds.
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
    return tuple(
        Task(name, run, pause, begins_after=place * _APART)
        for place, (name, run, pause) in enumerate(later)
    )
