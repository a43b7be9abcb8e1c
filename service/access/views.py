"""What the rules say to one caller: an experiment may give them other limits or words than the rest."""

from service.access.occasion import Arrival
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


def variant_at(wall: WallShown, arrival: Arrival, view: InForce) -> str | None:
    """The variant of an experiment on words, where the wall is one that it is about."""
    met = Occasion(wall.audience, wall.kind, arrival.section, arrival.language, arrival.entry)
    is_about = view.experiment is not None and view.experiment.is_about(met)
    return view.variant if is_about else None
