"""A reader's account in their words: what they have, what it costs, what happens next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.words import long_day
from service.account.take_over import offered_purchases
from service.billing.checkouts import processing_checkouts
from service.billing.language import as_pages_are
from service.billing.seats import HeldSeat, held_seats
from service.billing.subscriptions import seat_prices_of
from service.billing.words import Language, on_its_way
from service.db.context import Context
from service.grants import grants
from service.grants.store import live_page
from service.identity.callers import Caller
from service.identity.readers import find_reader
from service.identity.sessions import live_sessions
from service.offers.portal import listed_prices
from service.offers.schemas import OfferItem
from service.offers.store import offers_for_everybody
from service.reports.bought import SubscriptionFacts
from service.reports.passes import passes_of
from service.reports.subscriber_list import subscriptions_of
from service.web.pass_words import pass_line
from service.web.sign_in import Visitor, visitor_of
from service.web.subscription_shown import (
    OVER,
    SubscriptionShown,
    leaves_no_room,
    subscription_shown,
)
from service.web.thanks import thanks_in
from service.web.words import last_used

MOST_SHOWN = 20
"""Of passes and of other access that a reader may have any number of; the page of all of it has the others."""
_DOUBLES_SHOWN = timedelta(days=30)


@dataclass(frozen=True)
class DeviceShown:
    """A signed-in device. `used` says when last, such as "yesterday"."""

    id: str
    label: str
    used: str
    is_this: bool


@dataclass(frozen=True)
class PurchaseShown:
    """A purchase to take over; `day` in words."""

    id: str
    name: str
    day: str


@dataclass(frozen=True)
class SeatShown:
    """A seat that the reader has taken; `line` says what it is, and `opens` whether they read by it.

    `may_ask`: none is left for them, and they haven't asked the owner this week.
    """

    id: str
    name: str
    line: str
    opens: bool
    may_ask: bool


@dataclass(frozen=True)
class AccountView:
    """`email` as typed when buying, until it is verified.

    Offers are shown to those who have nothing that runs.
    """

    visitor: Visitor
    is_signed_in: bool = False
    thanks: str = ""
    """For what was bought just now."""
    email: str | None = None
    is_verified: bool = False
    subscription: SubscriptionShown | None = None
    notes: Sequence[str] = ()
    """What happened beside it that the reader has to know."""
    given: Sequence[str] = ()
    """Access that the newsroom gave, in words."""
    reads_otherwise: bool = False
    """Whether that is everything or a plan: then nothing is offered unasked."""
    seats: Sequence[SeatShown] = ()
    """Seats in others' subscriptions."""
    passes: Sequence[str] = ()
    """What runs or is to begin, and what was bought and waits for its money."""
    has_more: bool = False
    """Whether more is open to the reader than is shown."""
    offers: Sequence[OfferItem] = ()
    not_in_portal: Sequence[OfferItem] = ()
    """Other subscriptions on sale in the reader's currency that Stripe's portal doesn't let them switch to."""
    devices: Sequence[DeviceShown] = ()
    purchases: Sequence[PurchaseShown] = ()
    """What somebody bought with the reader's address."""

    @property
    def reads_by_seat(self) -> bool:
        """Then nothing is sold here: checkout wouldn't sell them the same."""
        return any(each.opens for each in self.seats)


async def account_view(session: AsyncSession, context: Context, caller: Caller) -> AccountView:
    settings, now = context.settings, context.clocks.business()
    language = as_pages_are(settings.zone)
    reader_id = caller.reader_id
    # Kept here, the session answers it to all who ask for it.
    reader = await find_reader(session, reader_id) if reader_id is not None else None
    visitor = await visitor_of(session, caller, settings)
    if reader_id is None:
        return AccountView(visitor, offers=await _offers(session))
    bought = await subscriptions_of(session, reader_id)
    held = await live_page(session, reader_id, now, cursor=None, limit=MOST_SHOWN)
    live, passes = held.items, await passes_of(session, reader_id, since=now, most=MOST_SHOWN + 1)
    waiting = await processing_checkouts(session, reader_id)
    first = _first(bought)
    shown = {each.subscription_id for each in bought}
    waiting = [
        (checkout, offer)
        for checkout, offer in waiting
        if checkout.stripe_subscription_id not in shown
    ]
    runs = first is not None and leaves_no_room(first)
    return AccountView(
        is_signed_in=True,
        visitor=visitor,
        thanks=thanks_in(passes, bought, context),
        email=reader.email if reader else None,
        is_verified=caller.verified,
        subscription=subscription_shown(first, language, now) if first else None,
        given=[_given(grant, settings.zone) for grant in live if grant.source in _GIVEN],
        reads_otherwise=any(each.source in _GIVEN and grants.is_broad(each.scope) for each in live),
        seats=[_seat(each, settings.zone) for each in await held_seats(session, reader_id, now)],
        notes=_doubles(bought, first, language, now),
        passes=[
            *(_given(grant, settings.zone) for grant in live if grant.source == "gift"),
            *(on_its_way(offer.name, language) for _, offer in waiting),
            *(pass_line(each, now, settings.zone) for each in passes[:MOST_SHOWN]),
        ],
        has_more=held.next_cursor is not None or len(passes) > MOST_SHOWN,
        offers=[]
        if runs
        else await _offers(
            session, subscribed_before=any(each.standing != "incomplete" for each in bought)
        ),
        not_in_portal=await _not_in_portal(session, first) if first is not None and runs else [],
        devices=await _devices(session, context, reader_id, caller),
        purchases=[
            PurchaseShown(each.id, each.name, long_day(each.bought_at, settings.zone))
            for each in (await offered_purchases(session, reader) if reader else [])
        ],
    )


async def _devices(
    session: AsyncSession, context: Context, reader_id: str, caller: Caller
) -> list[DeviceShown]:
    """The device that asks first, then the one used last."""
    settings, clocks = context.settings, context.clocks
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


_GIVEN = ("comp", "external", "institution")
"""Sources of access that wasn't bought here."""


def _given(grant: grants.GrantFacts, zone: ZoneInfo) -> str:
    return given_line(grant.source, grant.scope, grant.ends_at, zone)


def given_line(source: str, scope: str, ends_at: datetime | None, zone: ZoneInfo) -> str:
    """What a grant that wasn't bought here opens, and until when."""
    kind, _, name = scope.partition(":")
    what = {
        "plan": f"the plan {name}",
        "section": f"the section {name}",
        "article": "one article",
    }.get(kind, "everything")
    end = f"until {long_day(ends_at, zone)}" if ends_at else "with no end date"
    if source == "subscription":
        return f"Your subscription gives you access to {what}, {end}."
    if source == "seat":
        return f"Your seat gives you access to {what}, {end}."
    if source == "pass":
        return f"Your pass gives you access to {what}, {end}."
    if source == "external":
        return f"Your external subscription gives you access to {what}, {end}."
    if source == "gift":
        return f"A gift gives you access to {what}, {end}."
    if source == "institution":
        return f"Your institution’s subscription gives you access to {what}, {end}."
    return f"You have complimentary access to {what}, {end}."


def _seat(held: HeldSeat, zone: ZoneInfo) -> SeatShown:
    since = f"A subscriber has shared this subscription with you since {long_day(held.joined_at, zone)}."
    if held.until is None and not held.paid:
        line = f"{since} It isn’t paid at the moment, so you have no access."
    elif held.until is None:
        line = f"{since} It now has fewer seats than readers, so you have no access."
        if held.asked_at is not None:
            line = f"{line} You asked its owner for more seats on {long_day(held.asked_at, zone)}."
    else:
        until = long_day(held.until, zone)
        line = f"{since} Your seat gives you access to the plan {held.plan} until {until}."
        if held.before_others:
            line = f"{line} After that the subscription has fewer seats, and yours ends."
    return SeatShown(held.id, held.name, line, held.until is not None, held.may_ask)


def _first(bought: Sequence[SubscriptionFacts]) -> SubscriptionFacts | None:
    """The one that the page is about: one that was bought twice only where there is no other."""
    return min(
        bought, key=lambda each: (each.access_stop == "duplicate", each.outside == "price"),
        default=None,
    )  # fmt: skip


def _doubles(
    bought: Sequence[SubscriptionFacts],
    first: SubscriptionFacts | None,
    language: Language,
    now: datetime,
) -> list[str]:
    """What to know of subscriptions that were bought beside the first, for some weeks."""
    return [
        f"{each.offer_name}: {subscription_shown(each, language, now).next}"
        for each in bought
        if each is not first
        and each.access_stop == "duplicate"
        and (each.access_stopped_at or each.since) > now - _DOUBLES_SHOWN
    ]


async def _not_in_portal(session: AsyncSession, first: SubscriptionFacts) -> list[OfferItem]:
    """Owners of seats can't switch at all there."""
    offers = await offers_for_everybody(session)
    listed = listed_prices(offers, by_seat=False)
    if len(listed) == 1 or await seat_prices_of(session, first.reader_id):
        listed = set()  # one alone is none to switch to
    return [
        OfferItem.of(offer, subscribed_before=True)
        for offer in offers
        if offer.kind == "subscription"
        and offer.currency == first.currency
        and offer.id != first.offer_id
        and offer.stripe_price_id not in listed
    ]


async def _offers(session: AsyncSession, *, subscribed_before: bool = False) -> list[OfferItem]:
    offers = await offers_for_everybody(session)
    # Single articles are sold at the article.
    return [
        OfferItem.of(offer, subscribed_before=subscribed_before)
        for offer in offers
        if offer.covers == "plan" and offer.kind != "gift"
    ]
