"""Offers that a running experiment shows."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.problems import Problem
from service.rules.document import read_stored
from service.rules.in_force import experiment_at
from service.rules.store import latest


async def check_no_experiment_shows(session: AsyncSession, offer_id: str, now: datetime) -> None:
    """Raise Problem `experiment-relies-on-them` where a variant of a running experiment, its control included, names
    the offer: were it sold no longer, or again, that variant alone would show others.
    """
    experiment = await experiment_at(session, now)
    if experiment is None:
        return
    rules = await latest(session)
    ruled = read_stored(rules.document).prompts if rules is not None else ()
    shown = [
        *(each.prompt for each in experiment.variants if each.prompt is not None),
        *experiment.of_control((each.as_rule() for each in ruled), now),
    ]
    if any(offer_id in each.offers for each in shown):
        raise Problem(
            "experiment-relies-on-them",
            f"The experiment {experiment.slug} compares prompts that show this offer. Stop it first.",
            experiment=experiment.slug,
        )
