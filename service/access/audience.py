"""An article as somebody else would see it, for the newsroom: the same decision on invented evidence.

Nothing is read of any reader, counted or recorded.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple

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
from service.access.metered import Reading, metered_reader, room_after_registering, window_asked
from service.access.notices import Beside
from service.access.occasion import FORMER
from service.access.read import Look
from service.access.wall import Met, wall_of
from service.content.article import ListedArticle
from service.db.context import Context
from service.metering.window import MeterState
from service.offers.on_sale import Assortment
from service.rules import prompts
from service.rules.in_force import InForce
from service.rules.prompts import AUDIENCE_WORDS, HELPED, Occasion, Prompt

Audience = Literal[
    "anonymous", "registered", "subscriber", "wall", "trial_used", "lapsed", "past_due", "seat", "other_access",
    "institution", "gift"
]  # fmt: skip
AUDIENCES: Mapping[Audience, str] = {
    "anonymous": "A new reader",
    "registered": "A registered reader",
    "subscriber": "A subscriber",
    "wall": "A reader with no free articles left",
    **{
        each: f"At a wall: {AUDIENCE_WORDS[each].lower()}"
        for each in (
            "trial_used",
            "lapsed",
            "past_due",
            "seat",
            "other_access",
            "institution",
            "gift",
        )
    },
}
_TO_PROMPTS: Mapping[Audience, prompts.Audience] = {
    "subscriber": "subscribed", "registered": "registered", "trial_used": "trial_used", "lapsed": "lapsed",
    "past_due": "past_due", "seat": "seat", "other_access": "other_access", "institution": "institution", "gift": "gift",
}  # fmt: skip
"""Who they are to prompts; the others: anonymous."""
NOT_SIGNED_IN: frozenset[Audience] = frozenset({"anonymous", "wall", "gift"})
_OPEN_TO = frozenset({"anonymous", "registered", "subscriber"})
_EVERYTHING = HeldGrant("subscription", "everything")


def audiences_for(prompt: Prompt) -> list[Audience]:
    """All, those first whose prompt it is."""
    return sorted(AUDIENCES, key=lambda each: _to_prompts(each) not in prompt.readers)


def _to_prompts(audience: Audience) -> prompts.Audience:
    return _TO_PROMPTS.get(audience, "anonymous")


def seen_by(
    audience: Audience,
    article: ListedArticle,
    assortment: Assortment,
    context: Context,
    in_force: InForce,
    prompt: Prompt | None = None,
) -> Look:
    """What this audience sees of the article now, as though it were published.

    What the meter would count counts as read: it is what the page shows a moment later. With a `prompt` it is
    this one that they see at its place, though it is for others; who is helped at a wall hears what they would hear
    there.
    """
    settings, now = in_force.settings, context.clocks.business()
    outcome, facts, evidence, state, occasion = _decided(audience, article, now, in_force)
    shown = (
        (replace(prompt, left_at_most=None),)
        if prompt is not None and can_hear(prompt, occasion)
        else in_force.rules.prompts_for(occasion, now)
    )
    if not isinstance(outcome, Wall):
        beside = [each for each in shown if each.place != "wall"]
        known = occasion.audience in FORMER
        said = Beside.of(occasion.audience, beside, assortment, known=known)
        return Look(outcome, None, state, said.shown(state))
    met = Met(outcome, facts, state and state.without_reads(settings.zone),
              evidence.room_after_registering, evidence.verified)  # fmt: skip
    first = next((each for each in shown if each.place == "wall"), None)
    wall = wall_of(met, occasion.audience, first, assortment, (), context, in_force)
    return Look(outcome, wall, state)


def occasion_for(
    audience: Audience, article: ListedArticle, now: datetime, in_force: InForce
) -> Occasion:
    """Where something may be said to this audience when they open the article."""
    return _decided(audience, article, now, in_force).occasion


def can_hear(prompt: Prompt, occasion: Occasion) -> bool:
    """Whether `seen_by` shows this prompt there."""
    return prompt.place in occasion.places and (
        occasion.audience not in HELPED or occasion.audience in prompt.readers
    )


class _Decided(NamedTuple):
    outcome: Allow | Meter | Wall
    facts: ArticleFacts
    evidence: Evidence
    state: MeterState | None
    occasion: Occasion


def _decided(
    audience: Audience, article: ListedArticle, now: datetime, in_force: InForce
) -> _Decided:
    found = article_facts(article, in_force.rules.levels, now)
    facts = ArticleFacts(found.id, found.level, found.plans, found.section, visible=True)
    verified = audience not in NOT_SIGNED_IN
    evidence = Evidence(
        grants=(_EVERYTHING,) if audience == "subscriber" else (),
        verified=verified,
        can_register=in_force.settings.readers_can_sign_in and not verified,
        room_after_registering=room_after_registering(
            article, in_force, "direct", NoMeter.NOT_ASKED
        ),
    )
    window = _window(audience, article, facts, now, in_force)
    outcome = decide(facts, evidence, window, now)
    if not isinstance(outcome, Allow | Meter | Wall):
        raise AssertionError("what is visible is open, metered or walled")  # noqa: TRY004 no type is wrong
    state = window if isinstance(window, MeterState) else None
    return _Decided(
        outcome, facts, evidence, state, _occasion(audience, facts, article, outcome, state)
    )


def _occasion(
    audience: Audience,
    facts: ArticleFacts,
    article: ListedArticle,
    outcome: Allow | Meter | Wall,
    state: MeterState | None,
) -> Occasion:
    left = state.remaining if state is not None and isinstance(outcome, Meter) else None
    return Occasion(
        audience=_to_prompts(audience),
        wall=outcome.kind if isinstance(outcome, Wall) else None,
        section=facts.section,
        language=article.language,
        left=left,
    )


def _window(
    audience: Audience,
    article: ListedArticle,
    facts: ArticleFacts,
    now: datetime,
    in_force: InForce,
) -> MeterSeen:
    """The window with this article read in it, or with others in its place."""
    verified = audience not in NOT_SIGNED_IN
    reading = Reading(metered_reader(verified=verified, former=audience == "lapsed"), "direct")
    asked = window_asked(article, facts.level, in_force, now, reading)
    if not isinstance(asked, MeterState):
        return asked
    others = frozenset(f"other {number}" for number in range(asked.limit))
    read = others if audience not in _OPEN_TO or not asked.limit else frozenset({facts.id})
    return asked._replace(counted=read)
