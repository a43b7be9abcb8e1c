"""The newspaper's experiments: on a wall's words, which is over, and on the meter's limits, which runs.

They are planned and started by the verbs that do it for an editor, each at its time. Who gets which variant is
drawn as for real readers; those whom the usual words didn't win over leave without a purchase (book.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select

from service.access.views import experiment_key
from service.clock import Clocks
from service.db.context import Context
from service.db.tables import ExperimentRow
from service.demo.history.year import Calendar, drawn
from service.rules.experiment_changes import changing_experiments, plan_experiment, start_experiment
from service.rules.experiment_document import ExperimentIn, LimitsIn, VariantIn, WordsIn, read_plan
from service.rules.experiment_store import find_experiment
from service.rules.in_force import InForce

WORDS, LIMITS = "what-it-pays-for", "one-article-less"
_WORDS_DAYS, _LIMITS_DAYS = (175, 305), (350, 392)
_USUAL = "usual"
_AGREE = 0.8
"""Of the readers, to take part."""
_NOT_WON_OVER = 0.7
"""Of those who would have bought after the other words."""


async def begin_experiments(
    context: Context, calendar: Calendar, in_force: InForce, *, actor: str
) -> None:
    """Plan and start them. Safe to repeat."""
    for plan, begins_on in _plans(calendar, in_force):
        then = calendar.midnight(begins_on)
        at = Context(context.settings, Clocks(lambda then=then: then), context.database)  # type: ignore[misc]
        async with changing_experiments(at, actor) as change:
            if await find_experiment(change.session, plan.slug) is None:
                await plan_experiment(change, plan)
                await start_experiment(change, plan.slug, at)


def _plans(calendar: Calendar, in_force: InForce) -> Sequence[tuple[ExperimentIn, int]]:
    limits = in_force.rules.meters.publication
    anonymous, registered = limits.anonymous or 0, limits.registered or 0
    words = WordsIn(
        title="Nobody else reads the council’s papers to the end",
        text="Four reporters live on the Sound, and subscriptions like yours pay them.",
    )
    less = LimitsIn(anonymous=max(0, anonymous - 1), registered=registered)
    return (
        (
            ExperimentIn(
                slug=WORDS, question="Do more readers subscribe when the wall says what they pay for?",
                subject="prompt", walls=("subscribe",), goal="paid", within_days=30, size=100,
                variants=(
                    VariantIn(name=_USUAL, share=50), VariantIn(name="reporters", share=50, words=words),
                ),
                ends_at=calendar.midnight(_WORDS_DAYS[1]),
            ),
            _WORDS_DAYS[0],
        ),
        (
            ExperimentIn(
                slug=LIMITS, question="Do more readers register where the meter gives one article less?",
                subject="limit", goal="registered", within_days=7, size=400,
                variants=(
                    VariantIn(name=_USUAL, share=50), VariantIn(name="one-less", share=50, limits=less),
                ),
                ends_at=calendar.midnight(_LIMITS_DAYS[1]),
            ),
            _LIMITS_DAYS[0],
        ),
    )  # fmt: skip


async def read_tried(context: Context, in_force: InForce) -> "Tried":
    """The experiments of the demo, as far as they ran."""
    started = select(ExperimentRow).where(ExperimentRow.started_at.is_not(None))
    async with context.database.reading() as session:
        rows = list(await session.scalars(started.order_by(ExperimentRow.started_at)))
    found = []
    for row in rows:
        if row.started_at is not None and row.slug in {WORDS, LIMITS}:
            experiment = read_plan(row.document).as_rule(row.started_at)
            ends_at = min(row.stopped_at or row.ends_at, row.ends_at)
            found.append(replace(in_force, experiment=replace(experiment, ends_at=ends_at)))
    return Tried(in_force, experiment_key(context.settings), tuple(found))


@dataclass(frozen=True)
class Tried:
    """`during`: what is in force during each experiment."""

    in_force: InForce
    secret: bytes
    during: Sequence[InForce]
    _agreed: dict[str, bool] = field(default_factory=dict)

    def view(self, unit: str, at: datetime) -> InForce:
        """What is in force for this device then; who is signed in on it keeps what it got."""
        for each in self.during:
            if each.experiment is not None and each.experiment.runs(at) and self._agrees(unit):
                return each.view_of(unit, self.secret, at)
        return self.in_force

    def wins_over(self, unit: str, at: datetime) -> bool:
        """Whether what the wall says to this device makes its reader buy, who is about to."""
        view = self.view(unit, at)
        if view.variant != f"{WORDS}/{_USUAL}":
            return True
        return drawn("won over", unit).random() >= _NOT_WON_OVER

    def _agrees(self, unit: str) -> bool:
        if unit not in self._agreed:
            self._agreed[unit] = drawn("agrees", unit).random() < _AGREE
        return self._agreed[unit]
