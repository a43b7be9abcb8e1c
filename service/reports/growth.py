"""Subscribers and MRR as figures, from what joined and left by step: pure arithmetic.

ChartMogul's definitions, where another isn't named (the registry says each in words).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from fractions import Fraction

from service.reports.cells import Cell, Line, Number, line_of, none, ratio, share
from service.reports.period import Period
from service.reports.tallies import (
    INVOLUNTARY,
    NEW,
    REACTIVATED,
    VOLUNTARY,
    Key,
    Tallies,
    Tally,
)

GAINS = ("new", "reactivation", "expansion")
LOSSES = ("contraction", "churn_voluntary", "churn_involuntary")
KINDS = ("new", "reactivation", "expansion", "resume", "contraction", "churn_voluntary",
         "churn_involuntary", "pause")  # fmt: skip
AT_START, AT_START_OR_NEW = "active subscribers at the start", "active or new subscribers"
_MRR_AT_START = "MRR at the start"


def levels(tallies: Tallies, series: str = "all", times: int = 1) -> list[Line]:
    """What there is at the end of each step."""

    def of(key: Key) -> list[Line]:
        together = tallies.all_of(key)
        return [_line(tallies, key, series, lambda step: Cell(together.after(step) * times))]

    return _each(tallies, of)


def adding_up(tallies: Tallies, kinds: Sequence[str]) -> list[Line]:
    """What there was, what each kind of change added to it, and what there is: they add up."""

    def of(key: Key) -> list[Line]:
        together = tallies.all_of(key)
        changes = [(kind, tallies.of(key, kind).during) for kind in kinds]
        lines = [("start", together.before), *changes, ("end", together.after)]
        return [_line(tallies, key, name, _values(at)) for name, at in lines]

    return _each(tallies, of)


def subscriber_churn(tallies: Tallies) -> list[Line]:
    """Lost ÷ active at the start, of these by choice and not; and Stripe's other denominator."""

    def of(key: Key) -> list[Line]:
        active, came = tallies.all_of(key), tallies.of(key, NEW, REACTIVATED)

        def rate(*ways: str) -> Callable[[int | None], Cell]:
            lost = tallies.of(key, *ways)
            return lambda step: share(
                -int(lost.during(step)), int(active.before(step)), of=AT_START
            )

        def with_new(step: int | None) -> Cell:
            lost = tallies.of(key, VOLUNTARY, INVOLUNTARY)
            base = active.before(step) + came.during(step)
            return share(-int(lost.during(step)), int(base), of=AT_START_OR_NEW)

        return [
            _line(tallies, key, "all", rate(VOLUNTARY, INVOLUNTARY)),
            _line(tallies, key, VOLUNTARY, rate(VOLUNTARY)),
            _line(tallies, key, INVOLUNTARY, rate(INVOLUNTARY)),
            _line(tallies, key, "with_new", with_new),
        ]

    return _each(tallies, of)


def mrr_churn(tallies: Tallies) -> list[Line]:
    """Gross and net MRR churn, and what is retained of MRR by each."""

    def of(key: Key) -> list[Line]:
        start, lost = tallies.all_of(key), tallies.of(key, *LOSSES)
        regained = tallies.of(key, "expansion", "reactivation")

        def gross(step: int | None) -> Cell:
            return ratio(-lost.during(step), start.before(step), of=_MRR_AT_START)

        def net(step: int | None) -> Cell:
            gone = -lost.during(step) - regained.during(step)
            return ratio(gone, start.before(step), of=_MRR_AT_START)

        return [
            _line(tallies, key, "gross", gross),
            _line(tallies, key, "net", net),
            _line(tallies, key, "gross_retained", lambda step: _rest(gross(step))),
            _line(tallies, key, "net_retained", lambda step: _rest(net(step))),
        ]

    return _each(tallies, of)


def quick_ratio(tallies: Tallies) -> list[Line]:
    """What MRR gained for each unit that it lost."""

    def of(key: Key) -> list[Line]:
        gained, lost = tallies.of(key, *GAINS), tallies.of(key, *LOSSES)

        def quotient(step: int | None) -> Cell:
            return ratio(gained.during(step), -lost.during(step), of="lost MRR")

        return [_line(tallies, key, "all", quotient)]

    return _each(tallies, of)


def revenue_a_reader(money: Tallies, active: Tallies) -> list[Line]:
    """MRR ÷ active subscribers at the end of each step."""
    return _each(
        money, lambda key: [_line(money, key, "all", _arpu(money.all_of(key), active.all_of(key)))]
    )


def lifetime_value(money: Tallies, active: Tallies, period: Period, now: datetime) -> list[Line]:
    """ARPU ÷ monthly churn: of whole months that are over, and for the period from all of them together."""
    whole_months = [
        at for at, each in enumerate(period.steps) if each.is_whole and each.until <= now
    ]

    def of(key: Key) -> list[Line]:
        readers, lost = active.all_of(key), active.of(key, VOLUNTARY, INVOLUNTARY)
        arpu = _arpu(money.all_of(key), readers)

        def value(step: int | None) -> Cell:
            if period.interval != "month":
                return none("This figure is monthly: choose the interval month.")
            months = [at for at in whole_months if step is None or at == step]
            if not months:
                return none("This figure needs whole months.")
            gone = -sum(int(lost.during(each)) for each in months)
            base = sum(int(readers.before(each)) for each in months)
            churn, mean = share(gone, base, of=AT_START), arpu(months[-1])
            if churn.value is None or mean.value is None:
                return none(churn.why or mean.why)
            # Its parts are figures by themselves.
            quotient = ratio(mean.value, churn.value, of="churn")
            return Cell(quotient.value, quotient.why)

        return [_line(money, key, "all", value)]

    return _each(money, of)


def _each(tallies: Tallies, of: Callable[[Key], list[Line]]) -> list[Line]:
    return [line for key in tallies.keys for line in of(key)]


def _arpu(money: Tally, readers: Tally) -> Callable[[int | None], Cell]:
    return lambda step: ratio(money.after(step), readers.after(step), of="active subscriber")


def _rest(cell: Cell) -> Cell:
    """What is left of a whole of which the cell says the lost part."""
    if cell.value is None or cell.part is None or cell.whole is None:
        return cell
    return Cell(1 - Fraction(cell.value), "", cell.whole - cell.part, cell.whole)


def _values(at: Callable[[int | None], Number]) -> Callable[[int | None], Cell]:
    return lambda step: Cell(at(step))


def _line(tallies: Tallies, key: Key, series: str, make: Callable[[int | None], Cell]) -> Line:
    split, currency = key
    return line_of(make, tallies.count, series, split=split, currency=currency)
