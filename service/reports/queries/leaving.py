"""Figures of leaving: how long readers stayed, why they left, what they answered, and who stays of each month's."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from sqlalchemy import ColumnElement, and_, case, or_
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.recurring import GIVEN_BACK
from service.billing.statuses import NEVER_STARTED
from service.db.tables import Subscription
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, none, share
from service.reports.led import SOURCES
from service.reports.movement_sums import DIMENSIONS, LATER, TENURES
from service.reports.queries import movements
from service.reports.queries.counting import Counts, count_by_step

CAUSES = (
    "voluntary", "payment_failed", "dispute_lost", "refund", "trial_used", "duplicate", "erased",
    "other",
)  # fmt: skip
FEEDBACK = (
    "too_expensive", "unused", "missing_features", "low_quality", "switched_service", "too_complex",
    "customer_service", "other", "none",
)  # fmt: skip
"""Stripe's answers, and none."""
TENURE: ColumnElement[str] = case(
    *((Subscription.cancelled_after_days <= days, name) for name, days in TENURES.items()),
    else_=LATER,
)
"""How long a subscription had run when it was cancelled."""
_STOPS_THAT_CANCEL = GIVEN_BACK | {"refund", "dispute_lost"}
CANCELLED_BY_READER = and_(
    Subscription.cancelled_at.is_not(None),
    Subscription.cancel_reason.in_(("", "cancellation_requested")),
    Subscription.status.not_in(sorted(NEVER_STARTED)),
    or_(
        Subscription.access_stop.not_in(sorted(_STOPS_THAT_CANCEL)),
        # Cancelled by the reader first, and given back or lost afterwards.
        and_(
            Subscription.access_stop.not_in(sorted(GIVEN_BACK)),
            Subscription.cancelled_at < Subscription.access_stopped_at,
        ),
    ),
)
"""Stripe tells a cancellation of ours, such as of what was refunded, by the same word as a reader's."""
_OF_CANCELLED: Dimensions = {
    "plan": Subscription.plan.expression, "interval_charged": Subscription.interval.expression,
    "currency": Subscription.currency.expression, "tenure": TENURE,
}  # fmt: skip


async def tenure(session: AsyncSession, asked: Asked) -> list[Line]:
    """Readers who left, by how long they had stayed."""
    found = await movements.ends(session, asked)
    return _left(
        asked, [(step, split, tenure, count) for step, split, _, tenure, count in found],
        (*TENURES, LATER),
    )  # fmt: skip


async def reasons(session: AsyncSession, asked: Asked) -> list[Line]:
    """Readers who left, by why; also by how long they had stayed."""
    by_tenure, chosen = asked.split == "tenure", asked.chosen.get("tenure")
    found = await movements.ends(session, asked.among((*DIMENSIONS, *SOURCES)))
    return _left(
        asked,
        [
            (step, tenure if by_tenure else split, cause if cause in CAUSES else "other", count)
            for step, split, cause, tenure, count in found
            if chosen in {None, tenure}
        ],
        CAUSES,
    )


async def feedback(session: AsyncSession, asked: Asked) -> list[Line]:
    """Subscriptions that their readers cancelled, by what they answered."""
    split, answer = asked.split_of(_OF_CANCELLED), Subscription.cancel_feedback.expression
    found = await count_by_step(
        session, asked, Subscription.cancelled_at, (split, answer),
        CANCELLED_BY_READER, *asked.filters(_OF_CANCELLED),
    )  # fmt: skip
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    for (value, given), steps in found.items():
        name = given if given in FEEDBACK else "other" if given else "none"
        for step, count in steps.items():
            counts[name, value][step] += count
    return _lines(asked, counts, FEEDBACK)


async def cohort_retention(session: AsyncSession, asked: Asked) -> list[Line]:
    """Of the readers who first paid in a month, those who paid in it and each one after it."""
    if asked.period.interval != "month":
        why = "This figure is monthly: choose the interval month."
        return [line_of(lambda _: none(why), asked.steps, "all")]
    cohorts = await movements.cohorts(session, asked)
    return [_cohort(asked, first, counts) for first, counts in sorted(cohorts.items())]


def _left(
    asked: Asked, found: Iterable[tuple[int, str, str, int]], series: Iterable[str]
) -> list[Line]:
    """Of steps, splits and series with a count."""
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    for step, split, name, count in found:
        for place in (step, None):
            counts[name, split][place] += count
    return _lines(asked, counts, series)


def _lines(
    asked: Asked, counts: defaultdict[tuple[str, str], Counts], series: Iterable[str]
) -> list[Line]:
    """By series and split."""

    def number(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    splits = sorted({split for _, split in counts})
    return [
        line_of(number(counts[name, split]), asked.steps, name, split=split)
        for split in splits
        for name in series
    ]


def _cohort(asked: Asked, first: int, counts: list[int]) -> Line:
    def retained(at: int | None) -> Cell:
        step = _last_begun(asked) if at is None else at
        if step < first:
            return none("The cohort hadn't paid yet.")
        return share(counts[step], counts[first], of="readers in the cohort")

    cohort = f"{asked.period.steps[first].first:%Y-%m}"
    return line_of(retained, asked.steps, "all", split=cohort)


def _last_begun(asked: Asked) -> int:
    return max(
        (n for n, each in enumerate(asked.period.steps) if each.since <= asked.now), default=0
    )
