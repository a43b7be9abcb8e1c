"""Read-only SQL for the figures of metrics.py: nothing that is answered here grows with the readers."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.recurring import GIVEN_BACK, PAYING_STATUSES, monthly
from service.db.tables import EdgeDay, MoneyDay, MovementRow, Rollup, Subscription
from service.reports.metrics import TRIAL_STATUS, Recurring, monthly_sums, rounded
from service.reports.movement_rollup import MOVEMENTS
from service.reports.tallies import LEFT

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
ENDING = and_(COLLECTED, Subscription.cancel_at.is_not(None))
"""What committed MRR leaves out: it is scheduled to end."""
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


@dataclass(frozen=True)
class PaidNow:
    """How many readers pay, and what it brings: exactly, by currency."""

    readers: int
    mrr: dict[str, Fraction]
    net: dict[str, Fraction]


async def summary(session: AsyncSession) -> Summary:
    """All of them, as they are stored now."""
    level = await by_movements(session) or await by_subscriptions(session)
    conditions = (PAUSED, IN_TRIAL, Subscription.outside != "")
    counts = (await session.execute(select(*map(_distinct_readers, conditions)))).one()
    (ending,) = await _monthly(session, Subscription.recurring_amount, where=ENDING)
    committed = {each: amount - ending.get(each, 0) for each, amount in level.mrr.items()}
    return Summary(
        active_subscribers=level.readers,
        collection_paused=counts[0],
        trials=counts[1],
        outside=counts[2],
        mrr=rounded(level.mrr),
        mrr_after_discounts=rounded(level.net),
        committed_mrr=rounded({each: amount for each, amount in committed.items() if amount}),
    )


async def by_movements(session: AsyncSession) -> PaidNow | None:
    """What all movements add up to; None: they aren't added up yet.

    The days of any zone will do, as all are taken together.
    """
    made = await session.get(Rollup, MOVEMENTS.name)
    live = None if made is None else await MOVEMENTS.missing(session, ZoneInfo(made.zone))
    if live is None:
        return None
    row = MoneyDay
    priced = (row.currency, row.interval, row.every)
    money = select(*priced, func.sum(row.recurring), func.sum(row.net)).group_by(*priced)
    all_of, net_of = [], []
    for currency, interval, every, mrr, net in await session.execute(money):
        all_of.append(Recurring(int(mrr), currency, interval, every))
        net_of.append(Recurring(int(net), currency, interval, every))
    for key in live.recurring.keys() | live.net.keys():
        priced_so = (key.currency, key.interval, key.every)
        all_of.append(Recurring(live.recurring[key], *priced_so))
        net_of.append(Recurring(live.net[key], *priced_so))
    sums, net_sums = monthly_sums(all_of), monthly_sums(net_of)
    edges = select(EdgeDay.way, func.sum(EdgeDay.readers)).where(EdgeDay.grain == "")
    ways = Counter({way: int(n) for way, n in await session.execute(edges.group_by(EdgeDay.way))})
    for edge, number in live.readers.items():
        ways[edge.way] += number if edge.grain == "" else 0
    readers = sum(-number if way in LEFT else number for way, number in ways.items())
    # A currency in which nothing is paid any more has no figure.
    paid = [currency for currency, amount in sums.items() if amount]
    return PaidNow(
        readers, {each: sums[each] for each in paid}, {each: net_sums[each] for each in paid}
    )


async def by_subscriptions(session: AsyncSession) -> PaidNow:
    """What the subscriptions bring, one by one."""
    row = Subscription
    # In the order of an index: PostgreSQL sorts a million of them on disk to count each once.
    grouping = (row.reader_id, row.pauses_collection)
    pays = select(row.reader_id).where(COLLECTED).group_by(*grouping).subquery("pays")
    readers = await session.scalar(select(func.count()).select_from(pays))
    mrr, net = await _monthly(session, row.recurring_amount, row.net_amount)
    return PaidNow(readers or 0, mrr, net)


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


async def _monthly(
    session: AsyncSession, *amounts: Any, where: ColumnElement[bool] = COLLECTED
) -> list[dict[str, Fraction]]:
    """Each amount summed over these subscriptions, by currency."""
    grouping = (Subscription.currency, Subscription.interval, Subscription.interval_count)
    found = await session.execute(
        select(*map(func.sum, amounts), *grouping).where(where).group_by(*grouping)
    )
    sums: list[list[Recurring]] = [[] for _ in amounts]
    for row in found:
        for of_one, total in zip(sums, row, strict=False):
            of_one.append(Recurring(int(total), *row[len(amounts) :]))
    return [monthly_sums(each) for each in sums]


def _distinct_readers(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    counted = select(func.count(Subscription.reader_id.distinct()))
    return counted.where(condition).scalar_subquery()
