"""Read-only SQL for the figures of metrics.py: nothing here grows with the readers."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, select
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
    row = Subscription
    pays = (
        select(row.reader_id, row.pauses_collection)
        .where(_PAID)
        .group_by(row.reader_id, row.pauses_collection)
        .subquery("pays")
    )
    is_paused = pays.c.pauses_collection
    readers = (func.coalesce(func.sum(case((of, 1), else_=0)), 0) for of in (~is_paused, is_paused))
    others = map(_distinct_readers, (IN_TRIAL, row.outside != ""))
    counts = (await session.execute(select(*readers, *others))).one()
    runs_on = case((RUNS_ON, row.recurring_amount))
    mrr, net, committed = await _monthly(session, row.recurring_amount, row.net_amount, runs_on)
    return Summary(
        active_subscribers=counts[0],
        collection_paused=counts[1],
        trials=counts[2],
        outside=counts[3],
        mrr=rounded(mrr),
        mrr_after_discounts=rounded(net),
        committed_mrr=rounded(committed),
    )


async def exact_mrr(session: AsyncSession) -> dict[str, Fraction]:
    """MRR before it is rounded, by currency."""
    (mrr,) = await _monthly(session, Subscription.recurring_amount)
    return mrr


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


async def _monthly(session: AsyncSession, *amounts: Any) -> list[dict[str, Fraction]]:
    """Each amount summed over all that is paid, by currency: without one in which it is always null."""
    grouping = (Subscription.currency, Subscription.interval, Subscription.interval_count)
    found = await session.execute(
        select(*map(func.sum, amounts), *grouping).where(COLLECTED).group_by(*grouping)
    )
    sums: list[list[Recurring]] = [[] for _ in amounts]
    for row in found:
        for of_one, total in zip(sums, row, strict=False):
            if total is not None:
                of_one.append(Recurring(int(total), *row[len(amounts) :]))
    return [monthly_sums(each) for each in sums]


def _distinct_readers(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    counted = select(func.count(Subscription.reader_id.distinct()))
    return counted.where(condition).scalar_subquery()
