"""What a reader sees at a wall: words from the settings, offers from the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from service.access.decision import ArticleFacts, WallKind
from service.access.decision import Wall as WallDecision
from service.access.occasion import FORMER, Arrival, audience_of_reader, may_subscribe
from service.access.reasons import WallReason
from service.access.words import HELPING_WORDS, readers_words, register_words
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
from service.rules.prompts import HELPED, NO_PROMPT, Audience, Occasion, Prompt
from service.settings import Settings

MOST_REMEMBERED = 2_000
"""Walls kept with what is sold: one an article and state of the meter."""


class WallAction(BaseModel):
    """Something the reader can do. `sign-in` registers too, and confirms an address; `update-payment` and
    `manage` lead to the customer portal, for a reader whose subscription leaves no room for another; `claim`
    is for a reader who subscribes elsewhere, such as in print, once they are signed in.
    """

    rel: Literal["sign-in", "subscribe", "update-payment", "manage", "claim"]
    method: str
    href: str


class WallShown(BaseModel):
    """`kind` says what would open the article, `reason` and in words `note` why it is closed.

    `note` says too why the reader's subscription doesn't open it any more, and the way back. `audience` is who
    the reader is to prompts.
    """

    kind: WallKind
    audience: Audience
    reason: WallReason
    note: str
    title: str
    text: str
    offers: list[OfferItem]
    """Those that open this article, in every currency."""
    recommended: str | None
    """The id of the offer to show first: in the publication's currency, the one that saves most."""
    actions: list[WallAction]
    prompt: SkipJsonSchema[str] = Field("", exclude=True)
    """What the newsroom calls its words, for the ledger alone: the prompt's name, or NO_PROMPT's."""

    @cached_property
    def helps(self) -> str:
        """The action of a reader who can't subscribe again; empty: they can."""
        helping = (each.rel for each in self.actions if each.rel in {"update-payment", "manage"})
        return next(helping, "")

    @cached_property
    def takes_claims(self) -> bool:
        """Whether it asks if the reader subscribes elsewhere."""
        return any(each.rel == "claim" for each in self.actions)

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
    gift: str = ""
    """Why the gift link that the reader came by opens nothing, in a sentence."""


def wall_for(
    met: Met,
    arrival: Arrival,
    assortment: Assortment,
    bought: Sequence[BoughtSubscription],
    context: Context,
    in_force: InForce,
) -> WallShown:
    """The wall with what is sold to this reader; without offers they can only come back later.

    `bought` are the reader's subscriptions, the one that their account shows first.
    """
    audience = audience_of_reader(met.verified, bought, arrival.sources)
    occasion = Occasion(
        audience, met.decision.kind, arrival.section, arrival.language, arrival.entry
    )
    fitting = in_force.rules.prompts_for(occasion, context.clocks.business())
    prompt = fitting[0] if fitting else None
    return wall_of(met, audience, prompt, assortment, bought, context, in_force)


def wall_of(
    met: Met,
    audience: Audience,
    prompt: Prompt | None,
    assortment: Assortment,
    bought: Sequence[BoughtSubscription],
    context: Context,
    in_force: InForce,
) -> WallShown:
    """The wall with the words of this prompt; None: the usual ones.

    The walls of those who never had a subscription are made once and kept with what is sold.
    """
    if bought:
        return _made(met, audience, prompt, assortment, bought, context, in_force.settings)
    key = in_force.version, prompt, audience, met
    wall: WallShown | None = assortment.derived.get(key)
    if wall is None:
        if len(assortment.derived) >= MOST_REMEMBERED:
            assortment.derived.clear()
        wall = _made(met, audience, prompt, assortment, (), context, in_force.settings)
        assortment.derived[key] = wall
    return wall


def _made(
    met: Met,
    audience: Audience,
    prompt: Prompt | None,
    assortment: Assortment,
    bought: Sequence[BoughtSubscription],
    context: Context,
    settings: Settings,
) -> WallShown:
    """`settings` are those in force."""
    decision = met.decision
    can_subscribe = may_subscribe(audience)
    known = audience in FORMER or any(each.has_started for each in bought)
    offers = _offers(met, prompt, assortment, known=known, can_subscribe=can_subscribe)
    best = recommended(in_currency(offers, settings.currency))
    title, text = _words(met, audience, prompt, settings, None if can_subscribe else bought)
    actions = []
    if settings.readers_can_sign_in and not met.verified:
        actions.append(WallAction(rel="sign-in", method="POST", href="/v1/sign-in"))
    if not can_subscribe:
        helps: Literal["update-payment", "manage"] = (
            "update-payment" if audience == "past_due" else "manage"
        )
        actions.append(WallAction(rel=helps, method="POST", href="/v1/portal"))
    if offers:
        actions.append(WallAction(rel="subscribe", method="POST", href="/v1/checkout"))
    can_claim = met.verified or settings.readers_can_sign_in
    if settings.rights_by_account and can_claim and audience not in HELPED:
        actions.append(WallAction(rel="claim", method="POST", href="/v1/me/entitlements"))
    return WallShown(
        kind=decision.kind,
        audience=audience,
        reason=decision.reason,
        note=_note(met, bought, context, settings),
        title=title,
        text=text,
        offers=offers,
        recommended=best.id if best is not None else None,
        actions=actions,
        prompt=name_of_words(prompt, audience),
    )


def name_of_words(prompt: Prompt | None, audience: Audience) -> str:
    """What the newsroom calls the words of a wall with this prompt, None: without one."""
    if prompt is not None:
        return prompt.name
    return NO_PROMPT["helping" if audience in HELPED else "usual"]


def _offers(
    met: Met,
    prompt: Prompt | None,
    assortment: Assortment,
    *,
    known: bool,
    can_subscribe: bool,
) -> list[OfferItem]:
    """Those that open the article and that Checkout would sell, as far as the prompt shows them.

    `known`: the reader subscribed before. What is sold to them alone is shown where the prompt names it.
    """
    named = prompt.offers if prompt is not None else frozenset()
    offers = [
        OfferItem.of(offer, subscribed_before=known)
        for offer in assortment.offers
        if (offer.sold_to == "everybody" or (known and offer.id in named))
        and (
            offer.covers == "article"
            or (
                can_subscribe
                and offer.kind != "gift"
                and covers(plan_scope(offer.plan), met.article)
            )
        )
    ]
    return [each for each in offers if each.id in named] or offers


def _words(
    met: Met,
    audience: Audience,
    prompt: Prompt | None,
    settings: Settings,
    held: Sequence[BoughtSubscription] | None,
) -> tuple[str, str]:
    """Title and text: the prompt's, else what helps a reader who subscribes or has a seat, else the usual ones.

    `held` are the subscriptions beside which the reader can't buy another; None: they can.
    """
    if prompt is not None:
        return prompt.title, prompt.text
    if held is not None:
        if audience == "past_due":
            return HELPING_WORDS["past_due"]
        running = [each for each in held if each.is_live]
        stopped = bool(running) and all(each.row.access_stop for each in running)
        return HELPING_WORDS["stopped" if stopped else "subscribed"]
    if audience == "seat":
        return HELPING_WORDS["seat"]
    if met.decision.kind == "subscribe":
        return settings.wall_title, settings.wall_text
    title = settings.register_wall_title
    if not title:
        span = met.meter.window.span if met.meter is not None else settings.meter_span
        title = register_words(met.decision.reason, met.room, span)
    return title, settings.register_wall_text


def _note(
    met: Met,
    bought: Sequence[BoughtSubscription],
    context: Context,
    settings: Settings,
) -> str:
    """Why the article is closed, also to a gift link, and what became of the subscription that the page of the account shows."""
    now = context.clocks.business()
    reason = met.decision.reason
    why = readers_words(reason, met.meter, settings.zone)
    why = f"{met.gift} {why}".lstrip()
    first = bought[0] if bought else None
    if first is None or first.until > now:
        return why
    # What writes days and money in each language is long, and hardly any wall has a purchase that ended.
    from service.billing.language import as_pages_are  # noqa: PLC0415

    told = Told(first.row, first.name, first.until, now, as_pages_are(settings.zone))
    return f"{why} {first.name}: {words_of(told).told}"
