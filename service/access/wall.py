"""What a reader sees at a wall: words from the settings, offers from the catalogue."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import Wall as WallDecision
from service.access.decision import WallKind
from service.access.reasons import WallReason
from service.access.words import readers_words, register_words
from service.billing.language import as_pages_are
from service.billing.subscriptions import BoughtSubscription, bought_subscriptions
from service.billing.words import Told, words_of
from service.db.context import Context
from service.grants.grants import GrantableArticle, covers, plan_scope
from service.identity.callers import Caller
from service.metering.window import MeterState
from service.offers.choice import in_currency, recommended
from service.offers.schemas import OfferItem
from service.offers.store import live_offers


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


def prompt_of(wall: WallShown) -> str:
    """A name for the words of a wall, which the ledger keeps: the same words have the same name."""
    return sha256(f"{wall.title}\n{wall.text}".encode()).hexdigest()[:12]


async def wall_for(
    session: AsyncSession,
    decision: WallDecision,
    article: GrantableArticle,
    meter: MeterState | None,
    room: int,
    caller: Caller,
    context: Context,
) -> WallShown:
    """The wall with what is sold to this reader; without offers they can only come back later.

    `meter` is the window that the decision saw, `room` what a registered reader's has in it.
    """
    settings, reader_id = context.settings, caller.reader_id
    bought = await bought_subscriptions(session, reader_id) if reader_id is not None else []
    known = any(each.has_started for each in bought)
    offers = [
        OfferItem.of(offer, subscribed_before=known)
        for offer in await live_offers(session)
        if offer.covers == "article" or covers(plan_scope(offer.plan), article)
    ]
    best = recommended(in_currency(offers, settings.currency))
    registers = decision.kind == "register"
    actions = []
    if settings.readers_can_sign_in and not caller.verified:
        actions.append(WallAction(rel="sign-in", method="POST", href="/v1/sign-in"))
    if offers:
        actions.append(WallAction(rel="subscribe", method="POST", href="/v1/checkout"))
    return WallShown(
        kind=decision.kind,
        reason=decision.reason,
        note=_note(decision.reason, meter, bought, context),
        title=settings.wall_title
        if not registers
        else settings.register_wall_title
        or register_words(decision.reason, room, settings.meter_window),
        text=settings.register_wall_text if registers else settings.wall_text,
        offers=offers,
        recommended=best.id if best is not None else None,
        actions=actions,
    )


def _note(
    reason: WallReason,
    meter: MeterState | None,
    bought: Sequence[BoughtSubscription],
    context: Context,
) -> str:
    """Why the article is closed, and what became of the subscription that the page of the account shows."""
    settings, now = context.settings, context.clocks.business()
    why = readers_words(reason, meter, settings.meter_window, settings.zone)
    first = bought[0] if bought else None
    if first is None or first.until > now:
        return why
    told = Told(first.row, first.name, first.until, now, as_pages_are(settings.zone))
    return f"{why} {first.name}: {words_of(told).told}"
