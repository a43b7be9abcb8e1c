"""What needs somebody today: each with its number, and the page where something can be done."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.inbox import JOB
from service.billing.unbound import count_unbound
from service.db.tables import Job, Reconciliation, Subscription, WebhookDelivery
from service.finance.disputes import disputes_to_answer
from service.finance.owing import owed
from service.identity.permissions import Permission
from service.offers.pricing import amount_text
from service.reports.readers import TRIALS_END_WITHIN

_OWING = {True: "Stripe will retry", False: "Stripe has stopped retrying"}
"""What happens, by whether Stripe charges again."""


@dataclass(frozen=True)
class Need:
    """`words` go on after the number; `detail` says more; `address` is where to look."""

    count: int
    words: str
    detail: str
    address: str


async def needs(
    session: AsyncSession, now: datetime, permissions: Collection[Permission]
) -> list[Need]:
    """What there is, the most pressing first, of what the operator may see."""
    found: list[Need] = []
    if Permission.SUBSCRIBERS_READ in permissions:
        found += await _of_readers(session, now)
    if Permission.SYSTEM_READ in permissions:
        found += await _of_the_system(session)
    return [each for each in found if each.count]


async def _of_readers(session: AsyncSession, now: datetime) -> list[Need]:
    unbound = await count_unbound(session)
    trials = select(func.count()).where(
        Subscription.status == "trialing",
        Subscription.trial_end > now,
        Subscription.trial_end <= now + TRIALS_END_WITHIN,
    )
    ending = await session.scalar(trials) or 0
    disputes, _ = await disputes_to_answer(session)
    return [
        Need(
            unbound,
            f"{_many(unbound, 'subscription')} without a reader",
            "paid at Stripe, but no reader has access",
            "/admin/unbound",
        ),
        Need(
            disputes,
            f"{_many(disputes, 'dispute')} awaiting your response",
            "respond before the deadline or you lose the money",
            "/admin/money#disputes",
        ),
        *await _owing(session),
        Need(
            ending,
            f"{_many(ending, 'trial')} ending within {TRIALS_END_WITHIN.days} days",
            "",
            "/admin/readers?kind=trial_ending",
        ),
    ]


async def _owing(session: AsyncSession) -> list[Need]:
    """What Stripe tries to collect, and what it has given up: as many as in the list of who owes."""
    sums = await owed(session)
    found = []
    for goes_on, what_happens in _OWING.items():
        theirs = [each for each in sums if each.tries_go_on == goes_on]
        count = sum(each.invoices for each in theirs)
        amounts = " and ".join(amount_text(each.amount, each.currency) for each in theirs)
        found.append(
            Need(
                count,
                f"unpaid {_many(count, 'invoice')} after a failed charge",
                f"{amounts}, {what_happens}",
                "/admin/money#owing",
            )
        )
    return found


async def _of_the_system(session: AsyncSession) -> list[Need]:
    failed = await session.execute(
        select(Job.kind, func.count()).where(Job.status == "failed").group_by(Job.kind)
    )
    given_up: dict[str, int] = {row[0]: row[1] for row in failed}
    events = given_up.pop(JOB, 0)
    jobs = sum(given_up.values())
    undelivered = (
        await session.scalar(select(func.count()).where(WebhookDelivery.status == "failed")) or 0
    )
    differences = (
        await session.scalar(
            select(Reconciliation.remaining)
            .where(Reconciliation.finished_at.is_not(None))
            .order_by(Reconciliation.started_at.desc())
            .limit(1)
        )
        or 0
    )
    return [
        Need(events, f"failed Stripe {_many(events, 'event')}", "", "/admin/inbox?held=1"),
        Need(jobs, f"failed {_many(jobs, 'job')}", "", "/admin/jobs?status=failed"),
        Need(
            differences,
            f"unresolved {_many(differences, 'difference')} with Stripe",
            "in the last reconciliation",
            "/admin/reconciliations",
        ),
        Need(
            undelivered,
            f"webhook {_many(undelivered, 'event')} not delivered",
            "",
            "/admin/webhooks",
        ),
    ]


def _many(count: int, one: str) -> str:
    return one if count == 1 else f"{one}s"
