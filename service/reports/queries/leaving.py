"""Figures of leaving: how long readers stayed, why they left, who stays of each month's, and dunning."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import DomainEvent, MovementRow
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, line_of, none, share
from service.reports.queries.counting import Counts, count_by_step
from service.reports.queries.movements import stays
from service.reports.tallies import BEFORE, INVOLUNTARY, VOLUNTARY, Stay

TENURES = {"day_1": 1, "day_7": 7, "day_30": 30, "day_100": 100}
LATER = "later"
CAUSES = (
    "voluntary", "payment_failed", "dispute_lost", "refund", "trial_used", "duplicate", "erased",
    "other",
)  # fmt: skip
_BY_EVENT = {
    "begun": ("subscription.payment_failed", "%:1"),
    "recovered": ("subscription.recovered", "%"),
}
"""The type of an event, and what names it: the first failed attempt of an invoice ends in 1."""


async def tenure(session: AsyncSession, asked: Asked) -> list[Line]:
    """Readers who left, by how long they had stayed."""
    return _left(asked, await stays(session, asked), (*TENURES, LATER), _tenure)


async def reasons(session: AsyncSession, asked: Asked) -> list[Line]:
    """Readers who left, by why."""
    return _left(asked, await stays(session, asked), CAUSES, _cause)


async def cohort_retention(session: AsyncSession, asked: Asked) -> list[Line]:
    """Of the readers who first paid in a month, those who paid in it and each one after it."""
    if asked.period.interval != "month":
        why = "It is counted by month: choose the interval month."
        return [line_of(lambda _: none(why), asked.steps, "all")]
    theirs: defaultdict[str, list[Stay]] = defaultdict(list)
    for each in await stays(session, asked):
        theirs[each.customer].append(each)
    cohorts: defaultdict[int, list[list[Stay]]] = defaultdict(list)
    starts = _starts(asked)
    for stayed in theirs.values():
        cohorts[_step_of(starts, stayed[0].since)].append(stayed)
    return [_cohort(asked, step, found) for step, found in sorted(cohorts.items()) if step >= 0]


async def dunning(session: AsyncSession, asked: Asked) -> list[Line]:
    """Open payments: begun, recovered and lost, and the share that was recovered of what was settled."""
    counts: dict[str, Counts] = {}
    for name, (type_, once) in _BY_EVENT.items():
        counts[name] = await count_by_step(
            session, asked, DomainEvent.occurred_at,
            DomainEvent.type == type_, DomainEvent.once.like(once),
        )  # fmt: skip
    counts["lost"] = await count_by_step(
        session, asked, MovementRow.at,
        MovementRow.cause == "payment_failed", MovementRow.to_plan.is_(None),
    )  # fmt: skip

    def recovered(at: int | None) -> Cell:
        good, bad = counts["recovered"][at], counts["lost"][at]
        return share(good, good + bad, of="settled payments")

    def number(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    return [
        *(line_of(number(of), asked.steps, name) for name, of in counts.items()),
        line_of(recovered, asked.steps, "rate"),
    ]


async def churn_of_the_due(session: AsyncSession, asked: Asked) -> list[Line]:
    """Subscriptions that ended ÷ those that ended or were renewed."""
    ended = await count_by_step(
        session, asked, MovementRow.at,
        MovementRow.to_plan.is_(None), MovementRow.cause.in_(("voluntary", "payment_failed")),
    )  # fmt: skip
    renewed = await count_by_step(
        session, asked, DomainEvent.occurred_at, DomainEvent.type == "subscription.renewed"
    )

    def rate(at: int | None) -> Cell:
        return share(ended[at], ended[at] + renewed[at], of="subscriptions due for renewal")

    return [line_of(rate, asked.steps, "all")]


def _left(
    asked: Asked, found: Iterable[Stay], series: Iterable[str], kind: Callable[[Stay], str]
) -> list[Line]:
    starts = _starts(asked)
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    splits: set[str] = set()
    for each in found:
        if each.until is None or each.way not in {VOLUNTARY, INVOLUNTARY}:
            continue
        step = _step_of(starts, each.until)
        if step != BEFORE:
            splits.add(each.split)
            for place in (step, None):
                counts[kind(each), each.split][place] += 1

    def number(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    return [
        line_of(number(counts[name, split]), asked.steps, name, split=split)
        for split in sorted(splits)
        for name in series
    ]


def _tenure(stay: Stay) -> str:
    lasted = (stay.until or stay.since) - stay.since
    return next((name for name, days in TENURES.items() if lasted <= timedelta(days=days)), LATER)


def _cause(stay: Stay) -> str:
    return stay.cause if stay.cause in CAUSES else "other"


def _cohort(asked: Asked, first: int, readers: list[list[Stay]]) -> Line:
    steps, size = asked.period.steps, len(readers)

    def retained(at: int | None) -> Cell:
        step = _last_begun(asked) if at is None else at
        if step < first:
            return none("The cohort hadn't paid yet.")
        since, until = steps[step].since, steps[step].until
        stayed = sum(
            1 for stays_of in readers if any(_overlaps(each, since, until) for each in stays_of)
        )
        return share(stayed, size, of="readers in the cohort")

    return line_of(retained, asked.steps, "all", split=f"{steps[first].first:%Y-%m}")


def _overlaps(stay: Stay, since: datetime, until: datetime) -> bool:
    return stay.since < until and (stay.until is None or stay.until > since)


def _last_begun(asked: Asked) -> int:
    return max(
        (n for n, each in enumerate(asked.period.steps) if each.since <= asked.now), default=0
    )


def _starts(asked: Asked) -> list[datetime]:
    return [each.since for each in asked.period.steps]


def _step_of(starts: list[datetime], at: datetime) -> int:
    """Its number, or BEFORE; nothing later than the period is asked for."""
    return bisect_right(starts, at) - 1
