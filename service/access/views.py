"""What the rules say to one caller: an experiment may give them other limits or words than the rest."""

from service.access.occasion import Arrival
from service.access.wall import WallShown
from service.db.context import Context
from service.identity.callers import Caller
from service.identity.secrets import derived_key
from service.rules.in_force import InForce, RuleBook
from service.rules.prompts import Occasion
from service.settings import Settings


def experiment_key(settings: Settings) -> bytes:
    """What variants are drawn by in this installation."""
    return derived_key(settings, "experiments")


class Views:
    """The rules of one application as each caller has them."""

    def __init__(self, context: Context, rules: RuleBook) -> None:
        self._clocks = context.clocks
        self._rules = rules
        self._secret = experiment_key(context.settings)

    def of(self, caller: Caller, device: str | None) -> InForce:
        """`device` is the caller's pseudonym; None: nobody's yet, who is in no experiment."""
        in_force, unit = self._rules.in_force, caller.unit or device
        if in_force.experiment is None or not caller.takes_part or unit is None:
            return in_force
        return in_force.view_of(unit, self._secret, self._clocks.business())


def variant_met(
    view: InForce, wall: WallShown | None, arrival: Arrival, *, metered: bool
) -> str | None:
    """What the row of a read or a wall says of the experiment; None: it doesn't belong to it.

    One on limits is met wherever the meter is asked (`metered`), whatever it says; one on words at the walls that
    it is about.
    """
    experiment = view.experiment
    if experiment is None or view.variant is None:
        return None
    if experiment.scope is None:
        return view.variant if metered else None
    if wall is None:
        return None
    met = Occasion(wall.audience, wall.kind, arrival.section, arrival.language, arrival.entry)
    return view.variant if experiment.is_about(met) else None
