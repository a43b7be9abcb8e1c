"""What the rules say to one caller: an experiment may give them other limits or words than the rest."""

from service.access.case import Case
from service.access.decision import Allow, Meter
from service.access.occasion import Arrival
from service.access.shown import Hearer
from service.access.wall import WallShown
from service.db.context import Context
from service.identity.callers import Caller
from service.identity.secrets import derived_key
from service.rules.in_force import InForce, RuleBook
from service.rules.prompts import Occasion
from service.settings import Settings

_MOST_UNITS = 50_000


def experiment_key(settings: Settings) -> bytes:
    """What variants are drawn by in this installation."""
    return derived_key(settings, "experiments")


class Views:
    """The rules of one application as each caller has them."""

    def __init__(self, context: Context, rules: RuleBook) -> None:
        self._clocks = context.clocks
        self._rules = rules
        self._secret = experiment_key(context.settings)
        self._of_unit: dict[str, InForce] = {}
        rules.when_changed(self._of_unit.clear)

    def of(self, caller: Caller, device: str | None) -> InForce:
        """`device` is the caller's pseudonym; None: nobody's yet, who is in no experiment."""
        in_force, unit = self._rules.in_force, caller.unit or device
        experiment = in_force.experiment
        if experiment is None or not caller.takes_part or unit is None:
            return in_force
        now = self._clocks.business()
        if not experiment.runs(now):
            return in_force
        view = self._of_unit.get(unit)
        if view is None:
            if len(self._of_unit) >= _MOST_UNITS:
                self._of_unit.clear()
            view = self._of_unit[unit] = in_force.view_of(unit, self._secret, now)
        return view


def is_beside(case: Case, arrival: Arrival, view: InForce) -> bool:
    """Whether an experiment that the caller takes part in is on what is said beside such an open article.

    Whom it is for is still to be found out.
    """
    if view.variant is None or view.experiment is None or view.tries_limits:
        return False
    return view.experiment.is_beside(_beside(case, arrival, Hearer("anonymous")))


def variant_met(
    case: Case, arrival: Arrival, view: InForce, wall: WallShown | None, hearer: Hearer | None
) -> str | None:
    """What the row of a read, or of a wall, says of an experiment; None: it doesn't belong to one.

    One on limits is met wherever the meter is asked by a limit that it tries, whatever it says; one on words at
    the walls, or beside the open articles, that it is about. `hearer` is None where who reads the article
    wasn't looked up.
    """
    if view.variant is None or view.experiment is None:
        return None
    if view.tries_limits:
        by = case.window.by if case.window is not None else None
        is_met = by is not None and by.is_usual and not isinstance(case.outcome, Allow)
        return view.variant if is_met else None
    if wall is not None:
        met = Occasion(wall.audience, wall.kind, arrival.section, arrival.language, arrival.entry)
    elif hearer is not None:
        met = _beside(case, arrival, hearer)
    else:
        return None
    return view.variant if view.experiment.is_about(met) else None


def _beside(case: Case, arrival: Arrival, hearer: Hearer) -> Occasion:
    """No experiment asks how many free articles are left: that is known only once this one is counted."""
    left = 0 if isinstance(case.outcome, Meter) else None
    return Occasion(hearer.audience, None, arrival.section, arrival.language, arrival.entry, left)
