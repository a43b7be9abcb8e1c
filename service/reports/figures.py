"""Read-only SQL for the figures of metrics.py: nothing here grows with the readers."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.recurring import GIVEN_BACK, PAYING_STATUSES, monthly
from service.db.tables import MovementRow, Subscription
from service.reports.metrics import TRIAL_STATUS, Recurring, monthly_sums, rounded

_PAID = and_(
    Subscription.status.in_(PAYING_STATUSES),
    Subscription.recurring_amount > 0,
    Subscription.access_stop.not_in(sorted(GIVEN_BACK)),
)
"""As billing/recurring.py defines it."""
COLLECTED = and_(_PAID, Subscription.pauses_collection.is_(False))
PAUSED = and_(_PAID, Subscription.pauses_collection.is_(True))
RUNS_ON = and_(COLLECTED, Subscription.cancel_at.is_(None))
"""What committed MRR counts: it isn't scheduled to end."""
IN_TRIAL = and_(Subscription.status == TRIAL_STATUS, Subscription.outside == "")


@dataclass(frozen=True)
class Summary:
    """The figures of this moment; money in minor units by currency."""

    active_subscribers: int
    collection_paused: int
    trials: int
    mrr: dict[str, int]
    mrr_after_discounts: dict[str, int]
    committed_mrr: dict[str, int]
    outside: int = 0


async def summary(session: AsyncSession) -> Summary:
    """All of them, as they are stored now."""
    net = Subscription.net_amount.expression
    of_readers = map(_distinct_readers, (COLLECTED, PAUSED, IN_TRIAL, Subscription.outside != ""))
    counts = (await session.execute(select(*of_readers))).one()
    return Summary(
        active_subscribers=counts[0],
        collection_paused=counts[1],
        trials=counts[2],
        outside=counts[3],
        mrr=rounded(await exact_mrr(session)),
        mrr_after_discounts=rounded(await _monthly(session, net, COLLECTED)),
        committed_mrr=rounded(await exact_mrr(session, RUNS_ON)),
    )


async def exact_mrr(
    session: AsyncSession, condition: ColumnElement[bool] = COLLECTED
) -> dict[str, Fraction]:
    """MRR before it is rounded, by currency."""
    return await _monthly(session, Subscription.recurring_amount.expression, condition)


async def mrr_movements(
    session: AsyncSession, *, since: datetime | None = None, until: datetime | None = None
) -> dict[str, dict[str, Fraction]]:
    """What MRR has gained or lost from `since` on and before `until`, by kind and currency.

    Over all kinds it is exactly the difference of MRR; over all time it is MRR.
    """
    row = MovementRow
    conditions = [
        each
        for each in (
            row.at >= since if since is not None else None,
            row.at < until if until is not None else None,
        )
        if each is not None
    ]
    sums: defaultdict[str, defaultdict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for sign, amount, interval, count in (
        (-1, row.from_recurring, row.from_interval, row.from_interval_count),
        (1, row.to_recurring, row.to_interval, row.to_interval_count),
    ):
        grouping = (row.kind, row.currency, interval, count)
        found = await session.execute(
            select(func.sum(amount), *grouping)
            .where(interval.is_not(None), *conditions)
            .group_by(*grouping)
        )
        for total, kind, currency, each, every in found:
            sums[kind][currency] += sign * monthly(int(total), str(each), int(every or 1))
    return {kind: dict(by_currency) for kind, by_currency in sums.items()}


async def _monthly(
    session: AsyncSession, amount: ColumnElement[int], condition: ColumnElement[bool]
) -> dict[str, Fraction]:
    grouping = (Subscription.currency, Subscription.interval, Subscription.interval_count)
    sums = await session.execute(
        select(func.sum(amount), *grouping).where(condition).group_by(*grouping)
    )
    return monthly_sums(
        Recurring(int(total), currency, interval, count)
        for total, currency, interval, count in sums
    )


def _distinct_readers(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    counted = select(func.count(Subscription.reader_id.distinct()))
    return counted.where(condition).scalar_subquery()
