"""What a reader sees at a wall: words from the settings, offers from the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel

from service.access.decision import ArticleFacts, WallKind
from service.access.decision import Wall as WallDecision
from service.access.reasons import WallReason
from service.access.words import readers_words, register_words
from service.billing.language import as_pages_are
from service.billing.subscriptions import BoughtSubscription
from service.billing.words import Told, words_of
from service.db.context import Context
from service.grants.grants import covers, plan_scope
from service.html.public_answer import json_bytes
from service.metering.window import MeterState
from service.offers.choice import in_currency, recommended
from service.offers.on_sale import Assortment
from service.offers.schemas import OfferItem
from service.problems import Problem
from service.rules.in_force import InForce
from service.rules.rules import Audience, Prompt
from service.settings import Settings

_UNPAID = frozenset({"past_due", "unpaid"})
MOST_REMEMBERED = 2_000
"""Walls kept with what is sold: one an article and state of the meter."""


class WallAction(BaseModel):
    """Something the reader can do. `sign-in` registers too, and confirms an address."""

    rel: Literal["sign-in", "subscribe"]
    method: str
    href: str


class WallShown(BaseModel):
    """`kind` says what would open the article, `reason` and in words `note` why it is closed.

    `note` says too why the reader's subscription doesn't open it any more, and the way back.
    """

    kind: WallKind
    reason: WallReason
    note: str
    title: str
    text: str
    offers: list[OfferItem]
    """Those that open this article, in every currency."""
    recommended: str | None
    """The id of the offer to show first: in the publication's currency, the one that saves most."""
    actions: list[WallAction]

    @cached_property
    def prompt(self) -> str:
        """A name for its words, which the ledger keeps: the same words have the same name."""
        return sha256(f"{self.title}\n{self.text}".encode()).hexdigest()[:12]

    @cached_property
    def problem(self) -> bytes:
        """The 402 that shows it (schemas.WalledProblem), but for what is the reader's own."""
        wall = self.model_dump(mode="json")
        problem = Problem(
            "walled", self.text, granted=False, reason=self.reason, reason_text=self.note, wall=wall
        )
        return json_bytes(problem.body())


@dataclass(frozen=True)
class Met:
    """What a wall depends on, but for what the reader has bought before.

    `meter` is the window that the decision saw, without what was read in it; `room` is what a registered
    reader's has in it.
    """

    decision: WallDecision
    article: ArticleFacts
    meter: MeterState | None
    room: int
    verified: bool


def wall_for(
    met: Met,
    assortment: Assortment,
    bought: Sequence[BoughtSubscription],
    context: Context,
    in_force: InForce,
) -> WallShown:
    """The wall with what is sold to this reader; without offers they can only come back later.

    `bought` are the reader's subscriptions, the one that their account shows first. The walls of those
    who never had one are made once and kept with what is sold.
    """
    prompt = in_force.rules.prompt_for(
        _audience(met, bought), met.decision.kind, met.article.section, context.clocks.business()
    )
    if bought:
        return _made(met, prompt, assortment, bought, context, in_force.settings)
    key = in_force.version, prompt, met
    wall: WallShown | None = assortment.derived.get(key)
    if wall is None:
        if len(assortment.derived) >= MOST_REMEMBERED:
            assortment.derived.clear()
        wall = _made(met, prompt, assortment, (), context, in_force.settings)
        assortment.derived[key] = wall
    return wall


def _audience(met: Met, bought: Sequence[BoughtSubscription]) -> Audience:
    """Which of the prompts' audiences the reader belongs to."""
    if any(each.row.status in _UNPAID for each in bought):
        return "past_due"
    started = [each for each in bought if each.has_started]
    if started:
        return "subscribed" if any(each.is_live for each in started) else "lapsed"
    return "registered" if met.verified else "anonymous"


def _made(
    met: Met,
    prompt: Prompt | None,
    assortment: Assortment,
    bought: Sequence[BoughtSubscription],
    context: Context,
    settings: Settings,
) -> WallShown:
    """`settings` are those in force."""
    decision, article = met.decision, met.article
    known = any(each.has_started for each in bought)
    offers = [
        OfferItem.of(offer, subscribed_before=known)
        for offer in assortment.offers
        if offer.covers == "article" or covers(plan_scope(offer.plan), article)
    ]
    if prompt is not None and any(each.id in prompt.offers for each in offers):
        offers = [each for each in offers if each.id in prompt.offers]
    best = recommended(in_currency(offers, settings.currency))
    registers = decision.kind == "register"
    title = settings.register_wall_title if registers else settings.wall_title
    text = settings.register_wall_text if registers else settings.wall_text
    if prompt is not None:
        title, text = prompt.title, prompt.text
    elif registers and not title:
        title = register_words(decision.reason, met.room, settings.meter_window)
    actions = []
    if settings.readers_can_sign_in and not met.verified:
        actions.append(WallAction(rel="sign-in", method="POST", href="/v1/sign-in"))
    if offers:
        actions.append(WallAction(rel="subscribe", method="POST", href="/v1/checkout"))
    return WallShown(
        kind=decision.kind,
        reason=decision.reason,
        note=_note(decision.reason, met.meter, bought, context, settings),
        title=title,
        text=text,
        offers=offers,
        recommended=best.id if best is not None else None,
        actions=actions,
    )


def _note(
    reason: WallReason,
    meter: MeterState | None,
    bought: Sequence[BoughtSubscription],
    context: Context,
    settings: Settings,
) -> str:
    """Why the article is closed, and what became of the subscription that the page of the account shows."""
    now = context.clocks.business()
    why = readers_words(reason, meter, settings.meter_window, settings.zone)
    first = bought[0] if bought else None
    if first is None or first.until > now:
        return why
    told = Told(first.row, first.name, first.until, now, as_pages_are(settings.zone))
    return f"{why} {first.name}: {words_of(told).told}"
