"""A reader's account in their words: what they have, what it costs, what happens next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.checkouts import processing_checkouts
from service.clock import Clocks
from service.grants import grants
from service.grants.store import grants_of
from service.identity.callers import Caller
from service.identity.readers import find_reader
from service.identity.sessions import live_sessions
from service.offers.pricing import amount_text, price_text
from service.offers.schemas import OfferItem
from service.offers.store import live_offers
from service.reports.queries import SubscriptionFacts, subscriptions_of
from service.reports.standing import Standing
from service.settings import Settings
from service.web.sign_in import Visitor, visitor_of
from service.web.words import last_used, long_day, moment

Tone = Literal["good", "warn", "bad", "quiet"]
OVER: frozenset[Standing] = frozenset({"ended", "incomplete"})
"""After these the reader may subscribe again."""


@dataclass(frozen=True)
class SubscriptionShown:
    """One subscription. `next` says what happens and when, `advice` what the reader can do."""

    name: str
    price: str
    status: str
    tone: Tone
    next: str
    advice: str


@dataclass(frozen=True)
class DeviceShown:
    """A signed-in device. `used` says when last, such as "yesterday"."""

    id: str
    label: str
    used: str
    is_this: bool


@dataclass(frozen=True)
class AccountView:
    """`email` as typed when buying, until it is verified.

    Offers are shown to those who have nothing that runs.
    """

    is_signed_in: bool
    visitor: Visitor
    email: str | None
    is_verified: bool
    subscription: SubscriptionShown | None
    given: list[str]
    """Access that the newsroom gave, in words."""
    passes: list[str]
    """What runs or is to begin, and what was bought and waits for its money."""
    offers: list[OfferItem]
    devices: list[DeviceShown]


async def account_view(
    session: AsyncSession, caller: Caller, settings: Settings, clocks: Clocks
) -> AccountView:
    reader_id, now = caller.reader_id, clocks.business()
    visitor = await visitor_of(session, caller, settings)
    if reader_id is None:
        return AccountView(False, visitor, None, False, None, [], [], await _offers(session), [])
    reader = await find_reader(session, reader_id)
    bought = await subscriptions_of(session, reader_id)
    known = await grants_of(session, reader_id)
    waiting = await processing_checkouts(session, reader_id)
    shown = subscription_shown(bought[0], settings.zone) if bought else None
    runs = bool(bought) and bought[0].standing not in OVER
    return AccountView(
        is_signed_in=True,
        visitor=visitor,
        email=reader.email if reader else None,
        is_verified=caller.verified,
        subscription=shown,
        given=[
            _given(grant, settings.zone)
            for grant in grants.live(known, now)
            if grant.source == "comp"
        ],
        passes=[
            *(
                f"Your payment for {offer.name} is on its way. It may take some days."
                for _, offer in waiting
            ),
            *(
                _pass(grant, now, settings.zone)
                for grant in reversed(known)
                if grant.source == "pass"
                and grant.ends_at is not None
                and now < grant.ends_at
                and grant.starts_at < grant.ends_at
            ),
        ],
        offers=[] if runs else await _offers(session, subscribed_before=bool(bought)),
        devices=await _devices(session, reader_id, caller, settings, clocks),
    )


async def _devices(
    session: AsyncSession, reader_id: str, caller: Caller, settings: Settings, clocks: Clocks
) -> list[DeviceShown]:
    """The device that asks first, then the one used last."""
    now = clocks.wall()
    found = await live_sessions(session, reader_id, now=now, settings=settings)
    shown = [
        DeviceShown(
            id=row.id,
            label=row.label or "Browser",
            # Sessions know wall time; the page's dates are business time.
            used=last_used(row.used_at + clocks.offset, clocks.business(), settings.zone),
            is_this=row.id == caller.session_id,
        )
        for row in found
    ]
    return sorted(shown, key=lambda device: not device.is_this)


@dataclass(frozen=True)
class ErasureView:
    """What the reader has to know before erasing; `runs` is the subscription that would end."""

    runs: str | None
    has_paid: bool


async def erasure_view(session: AsyncSession, reader_id: str) -> ErasureView:
    bought = await subscriptions_of(session, reader_id)
    running = [each for each in bought if each.standing not in OVER]
    return ErasureView(running[0].offer_name if running else None, bool(bought))


def subscription_shown(facts: SubscriptionFacts, zone: ZoneInfo) -> SubscriptionShown:
    """The subscription in words; `next` and `advice` may be empty."""
    status, tone, following, advice = _told(facts, zone)
    return SubscriptionShown(
        name=facts.offer_name,
        price=price_text(facts.price),
        status=status,
        tone=tone,
        next=following,
        advice=advice,
    )


def _told(facts: SubscriptionFacts, zone: ZoneInfo) -> tuple[str, Tone, str, str]:
    price = price_text(facts.price)
    amount = amount_text(facts.amount, facts.currency)
    until = long_day(facts.until, zone)
    match facts.standing:
        case "active":
            renewal = long_day(facts.period_end, zone)
            return ("Active", "good", f"Renews on {renewal} for {amount}.", "")
        case "trial" if facts.cancel_at is not None:
            end = long_day(facts.cancel_at, zone)
            return ("Trial, cancelled", "warn", f"You can read until {end}.", _RESUME)
        case "trial":
            end = long_day(facts.trial_end or facts.period_end, zone)
            told = f"Free until {end}, then {price}."
            return ("Free trial", "good", told, "Cancel before that day and nothing is charged.")
        case "ending":
            end = long_day(facts.cancel_at or facts.until, zone)
            return ("Cancelled", "warn", f"Ends on {end}. Until then everything is open.", _RESUME)
        case "past_due":
            told = f"We couldn’t collect {amount}. You can read on until {until}."
            return ("Payment overdue", "bad", told, "Update your card, or pay the open invoice.")
        case "unpaid":
            return ("Unpaid", "bad", "Reading is closed until the open invoice is paid.", _PAY)
        case "paused":
            told = "The trial is over and there is no way of paying yet."
            return ("Paused", "bad", told, "Add a card to read on.")
        case "incomplete":
            told = "The first payment was never completed. Nothing was charged."
            return ("Never paid", "quiet", told, "Choose an offer to begin again.")
        case _:
            end = long_day(facts.ended_at or facts.until, zone)
            return ("Ended", "quiet", f"Ended on {end}.", "Subscribe again whenever you like.")


_RESUME = "Changed your mind? Resume it with one click before it ends."
_PAY = "Pay it, or update your card."


def _given(grant: grants.GrantFacts, zone: ZoneInfo) -> str:
    kind, _, name = grant.scope.partition(":")
    what = {
        "plan": f"the plan {name}",
        "section": f"the section {name}",
        "article": "one article",
    }.get(kind, "everything")
    end = f"until {long_day(grant.ends_at, zone)}" if grant.ends_at else "with no end set"
    return f"The newsroom has opened {what} for you, {end}."


def _pass(grant: grants.GrantFacts, now: datetime, zone: ZoneInfo) -> str:
    kind, _, plan = grant.scope.partition(":")
    what = f"the plan {plan}" if kind == "plan" else "one article"
    if grant.starts_at > now:
        return f"Another pass opens {what} from {moment(grant.starts_at, zone)}."
    end = moment(grant.ends_at, zone) if grant.ends_at else "further notice"
    return f"Your pass opens {what} until {end}."


async def _offers(session: AsyncSession, *, subscribed_before: bool = False) -> list[OfferItem]:
    offers = await live_offers(session)
    # Single articles are sold where they stand.
    return [
        OfferItem.of(offer, subscribed_before=subscribed_before)
        for offer in offers
        if offer.covers == "plan"
    ]
