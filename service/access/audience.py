"""An article as somebody else would see it, for the newsroom: the same decision on invented evidence.

Nothing is read of any reader, counted or recorded.
"""

from collections.abc import Mapping
from typing import Literal

from service.access.decision import (
    Allow,
    ArticleFacts,
    Evidence,
    HeldGrant,
    Meter,
    MeterSeen,
    NoMeter,
    Wall,
    decide,
)
from service.access.evidence import article_facts
from service.access.unlock import Look
from service.access.wall import Met, wall_for
from service.content.cache import StoredArticle
from service.db.context import Context
from service.metering.window import MeterState, window_at
from service.offers.on_sale import Assortment
from service.rules.in_force import InForce
from service.settings import Settings

Audience = Literal["anonymous", "registered", "subscriber", "wall"]
AUDIENCES: Mapping[Audience, str] = {
    "anonymous": "A new reader",
    "registered": "A registered reader",
    "subscriber": "A subscriber",
    "wall": "A reader whose free articles are used up",
}
_EVERYTHING = HeldGrant("subscription", "everything")


def seen_by(
    audience: Audience,
    article: StoredArticle,
    assortment: Assortment,
    context: Context,
    in_force: InForce,
) -> Look:
    """What this audience sees of the article now, as though it were published.

    What the meter would count counts as read: it is what the page shows a moment later.
    """
    settings, now = in_force.settings, context.clocks.business()
    found = article_facts(article, in_force.rules.levels, now)
    facts = ArticleFacts(found.id, found.level, found.plans, found.section, visible=True)
    verified = audience in {"registered", "subscriber"}
    evidence = Evidence(
        grants=(_EVERYTHING,) if audience == "subscriber" else (),
        verified=verified,
        can_register=settings.readers_can_sign_in and not verified,
        room_after_registering=settings.registered_meter_limit,
    )
    window = _window(audience, facts, context, in_force.settings)
    outcome = decide(facts, evidence, window, now)
    if not isinstance(outcome, Allow | Meter | Wall):
        raise AssertionError("what is visible is open, metered or walled")  # noqa: TRY004 no type is wrong
    state = window if isinstance(window, MeterState) else None
    if not isinstance(outcome, Wall):
        return Look(outcome, None, state)
    met = Met(outcome, facts, state and MeterState(state.window, state.limit),
              evidence.room_after_registering, verified)  # fmt: skip
    return Look(outcome, wall_for(met, assortment, (), context, in_force), state)


def _window(
    audience: Audience, article: ArticleFacts, context: Context, settings: Settings
) -> MeterSeen:
    """The window with this article read in it, or with others in its place."""
    if settings.meter_limit is None:
        return NoMeter.NOTHING_METERED
    if article.level != "metered":
        return NoMeter.NOT_ASKED
    limit = settings.registered_meter_limit if audience == "registered" else settings.meter_limit
    window = window_at(context.clocks.business(), settings.meter_window, settings.zone)
    others = frozenset(f"other {number}" for number in range(limit))
    read = others if audience == "wall" or not limit else frozenset({article.id})
    return MeterState(window, limit, counted=read)
