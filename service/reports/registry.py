"""Every figure once: what it means, how it is counted, and what asks the database for it.

Pages, JSON, CSV and docs/reports.md are made from the entries in `FIGURES`; a new figure is one more.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.reasons import REASONS
from service.reports.asked import Asked
from service.reports.cells import NOT_YET, Cell, Line, Unit, line_of, none
from service.reports.metrics import ACTIVE_SUBSCRIBERS, MRR, MRR_AFTER_DISCOUNTS, Definition
from service.reports.queries import subscribers, walls

Subject = Literal["Subscribers", "Money", "Leaving", "Readers", "Articles", "Meter"]
OverTime = Literal["end", "sum", "mixed", "own"]
OVER_TIME_WORDS: Mapping[OverTime, str] = MappingProxyType({
    "end": "The value at the end of each step; of the period, at its end.",
    "sum": "The steps add up to the period.",
    "mixed": "Changes add up; start and end are those of the step, or of the period.",
    "own": "Counted for each step and for the period by itself: the steps don't add up.",
})  # fmt: skip
Query = Callable[[AsyncSession, Asked], Awaitable[list[Line]]]


class NotAsked(ValueError):
    """A figure can't be split or filtered so; `field` names what to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Series:
    """One part of a figure: its key in answers, and its words."""

    key: str
    words: str
    unit: Unit


@dataclass(frozen=True)
class Figure:
    """One figure. `version` grows when its definition changes."""

    slug: str
    subject: Subject
    meaning: Definition
    series: tuple[Series, ...]
    over_time: OverTime
    splits: tuple[str, ...]
    query: Query
    source: str
    """The rows it is computed from."""
    version: int = 1
    by_day: bool = False
    """Whether it is of days in the publication's zone, and of no other."""

    @property
    def unit(self) -> Unit:
        return self.series[0].unit

    def series_of(self, line: Line) -> Series:
        return next(each for each in self.series if each.key == line.series)

    async def lines(self, session: AsyncSession, asked: Asked) -> list[Line]:
        """The figure as it is asked for, in the order of its series. Raises NotAsked."""
        for field, name in (("split", asked.split), *((each, each) for each in asked.chosen)):
            if name and name not in self.splits:
                known = ", ".join(self.splits) or "nothing"
                raise NotAsked(field, f"{self.meaning.name} can be split and filtered by {known}.")
        if self.by_day and asked.period.zone.key != asked.home.key:
            why = f"It is counted by days of {asked.home.key}: choose that zone."
            return [line_of(lambda _: none(why), asked.steps, each.key) for each in self.series]
        place = {each.key: number for number, each in enumerate(self.series)}
        found = sorted(
            await self.query(session, asked),
            key=lambda each: (each.currency, each.split, place[each.series]),
        )
        begun = [each.since <= asked.now for each in asked.period.steps]
        if all(begun):
            return found
        return [_without_future(line, begun) for line in found]


def _without_future(line: Line, begun: list[bool]) -> Line:
    cells = tuple(
        cell if is_begun else Cell(None, NOT_YET)
        for cell, is_begun in zip(line.cells, begun, strict=True)
    )
    return replace(line, cells=cells, total=line.total if any(begun) else Cell(None, NOT_YET))


def _all(unit: Unit, words: str = "All") -> tuple[Series, ...]:
    return (Series("all", words, unit),)


def _series(unit: Unit, **words: str) -> tuple[Series, ...]:
    return tuple(Series(key, text, unit) for key, text in words.items())


_LEDGER = "the access ledger by day"
_HOLDER = "A holder is a device, or a reader with the devices that they signed in or bought on."
_DAYS_TO_PAY = {
    f"within_{n}": f"Within {n} {'day' if n == 1 else 'days'}" for n in walls.DAYS_TO_PAY
}
_BY_PRICE = ("plan", "interval_charged", "currency")
_MOVEMENTS = "movements"
_OF_MONEY = MRR.denominator

FIGURES: tuple[Figure, ...] = (
    Figure(
        "active-subscribers", "Subscribers", ACTIVE_SUBSCRIBERS, _all("readers"), "end", _BY_PRICE,
        subscribers.active_subscribers, _MOVEMENTS,
    ),
    Figure(
        "joined-and-left", "Subscribers",
        Definition(
            "Joined and left",
            "How readers became active subscribers, and how they ceased to be it. New: for the first "
            "time. Returned: after they had left. By choice: the last subscription ended as the "
            "reader wished. Payment failed: after the last attempt to charge. A pause of collection "
            "and its end are shown apart. Changed: the subscription goes on, but has become free, or "
            "is paid again; where plans, intervals or currencies are told apart, readers who switched "
            "too. Together they are exactly the difference of active subscribers. A reader who "
            "leaves twice counts twice.",
            "Not divided by anything: a count of readers.",
        ),
        _series(
            "readers", start="At the start", new="New", reactivated="Returned", resumed="Resumed",
            changed_in="Changed, joined", involuntary="Payment failed", voluntary="By choice",
            paused="Paused", changed_out="Changed, left", end="At the end",
        ),
        "mixed", _BY_PRICE, subscribers.joined_and_left, _MOVEMENTS,
    ),
    Figure(
        "mrr", "Money", MRR, _all("money"), "end", _BY_PRICE, subscribers.mrr, _MOVEMENTS,
    ),
    Figure(
        "mrr-after-discounts", "Money", MRR_AFTER_DISCOUNTS, _all("money"), "end", _BY_PRICE,
        subscribers.mrr_after_discounts, _MOVEMENTS,
    ),
    Figure(
        "mrr-movements", "Money",
        Definition(
            "MRR movements",
            "What MRR has gained and lost: new, reactivation, expansion, contraction, churn "
            "(involuntary where all attempts to charge failed), pause and resume. A change of plan "
            "is an expansion or a contraction. So is a second subscription of the same reader, or "
            "its end. MRR at the start and all movements are exactly MRR at the end; each is rounded "
            "by itself.",
            _OF_MONEY,
        ),
        _series(
            "money", start="At the start", new="New", reactivation="Reactivation",
            expansion="Expansion", resume="Resume", contraction="Contraction",
            churn_voluntary="Churn by choice", churn_involuntary="Churn, payment failed",
            pause="Pause", end="At the end",
        ),
        "mixed", _BY_PRICE, subscribers.mrr_movements, _MOVEMENTS,
    ),
    Figure(
        "arr", "Money",
        Definition("ARR", "Annual recurring revenue: MRR × 12.", _OF_MONEY),
        _all("money"), "end", _BY_PRICE, subscribers.arr, _MOVEMENTS,
    ),
    Figure(
        "arpu", "Money",
        Definition(
            "Average revenue per subscriber",
            "MRR ÷ active subscribers, for each currency: a reader counts for each currency that "
            "they pay in.",
            "Active subscribers at the same instant.",
        ),
        _all("money"), "end", _BY_PRICE, subscribers.revenue_a_reader, _MOVEMENTS,
    ),
    Figure(
        "subscriber-churn", "Leaving",
        Definition(
            "Subscriber churn",
            "Active subscribers who were lost, by choice or because payments failed. Pauses don't "
            "count. A reader who leaves and comes back was lost once. Beside it stands the same with "
            "Stripe's denominator.",
            "Active subscribers at the start; Stripe's: these and all who joined or returned.",
        ),
        _series(
            "percent", all="Lost", voluntary="By choice", involuntary="Payment failed",
            with_new="Lost, of these and new ones",
        ),
        "own", _BY_PRICE, subscribers.subscriber_churn, _MOVEMENTS,
    ),
    Figure(
        "mrr-churn", "Leaving",
        Definition(
            "MRR churn and retention",
            "Gross: MRR lost by churn and contraction. Net: the same less expansion and "
            "reactivation. Retained: what is left of the MRR at the start, 1 less the rate. Pauses "
            "don't count.",
            "MRR at the start.",
        ),
        _series(
            "percent", gross="Gross churn", net="Net churn", gross_retained="Gross retention",
            net_retained="Net retention",
        ),
        "own", _BY_PRICE, subscribers.mrr_churn, _MOVEMENTS,
    ),
    Figure(
        "quick-ratio", "Money",
        Definition(
            "Quick ratio",
            "MRR gained (new, reactivation, expansion) for each unit of MRR lost (churn, "
            "contraction). Above 1 MRR grows.",
            "MRR lost by churn and contraction.",
        ),
        _all("times"), "own", _BY_PRICE, subscribers.quick_ratio, _MOVEMENTS,
    ),
    Figure(
        "lifetime-value", "Money",
        Definition(
            "Lifetime value",
            "Average revenue per subscriber ÷ subscriber churn, of whole months. Of the period: the "
            "average at the end of its last whole month ÷ all who were lost in its whole months as a "
            "share of all who were active when each began.",
            "Subscriber churn of the month.",
        ),
        _all("money"), "own", _BY_PRICE, subscribers.lifetime_value, _MOVEMENTS,
    ),
    Figure(
        "stop-rate", "Meter",
        Definition(
            "Meter stop rate",
            "Distinct holders who met a wall, any, to subscribe or to register, as a share of all who "
            "read or met one. " + _HOLDER,
            "Distinct holders with a read or a wall.",
        ),
        _series("percent", all="Met a wall", subscribe="To subscribe", register="To register"),
        "own", (), walls.stop_rate, _LEDGER, by_day=True,
    ),
    Figure(
        "paid-after-a-wall", "Meter",
        Definition(
            "Paid stop conversion",
            "Of the holders who met a wall to subscribe, those whose first payment ever came within "
            "1, 3, 7 or 30 days of the first such wall of the step. A payment is the start of what a "
            "subscription brings, after its trial, or a pass. There is a value once these days are "
            "over for everybody. " + _HOLDER,
            "Distinct holders who met a wall to subscribe.",
        ),
        _series("percent", **_DAYS_TO_PAY),
        "own", (), walls.paid_after_a_wall, "the access ledger by day, movements and passes",
        by_day=True,
    ),
    Figure(
        "registration-funnel", "Readers",
        Definition(
            "Registration funnel",
            "Holders who met a wall to register, and of them those who verified an address, and those "
            "who paid for the first time, within 30 days of the first such wall of the step. Mails that "
            "were asked for aren't kept, so that step isn't shown. " + _HOLDER,
            "Distinct holders who met a wall to register.",
        ),
        (
            Series("met", "Met a wall to register", "readers"),
            Series("registered", "Registered", "percent"), Series("paid", "Paid", "percent"),
        ),
        "own", (), walls.registration_funnel,
        "the access ledger by day, readers, movements and passes", by_day=True,
    ),
    Figure(
        "access-mix", "Readers",
        Definition(
            "Access mix",
            "Why reads were open: each reason's share of them. A re-read and a read by token count "
            "once a day, holder and article.",
            "Reads.",
        ),
        tuple(
            Series(name, REASONS[name].operators.capitalize(), "percent") for name in walls.GRANTED
        ),
        "own", (), walls.access_mix, _LEDGER, by_day=True,
    ),
    Figure(
        "meter-depth", "Meter",
        Definition(
            "Meter depth",
            "Distinct holders by how many metered articles they used. With the meter's own interval it "
            "is the depth of its windows. " + _HOLDER,
            "Not divided by anything: a count of holders.",
        ),
        tuple(Series(name, f"{name} {'article' if name == '1' else 'articles'}", "readers") for name in walls.DEPTHS),
        "own", (), walls.meter_depth, _LEDGER, by_day=True,
    ),
)  # fmt: skip
BY_SLUG: Mapping[str, Figure] = MappingProxyType({each.slug: each for each in FIGURES})
