"""From an offer to Stripe's Checkout page.

The row comes first, in a transaction of its own; then Stripe is asked, outside of any. A second click
leads to the same session, and to the way back once it is paid.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.checkouts import create_checkout, find_checkout, open_checkouts
from service.billing.customers import bind_customer, own_customer
from service.billing.fulfil import close_session, find_session
from service.billing.gift_subscriptions import GiftWanted, draft_gift, is_drafted
from service.billing.seats import has_seat
from service.billing.subscriptions import has_subscribed, holding_subscriptions
from service.checkout.addresses import return_address
from service.checkout.portal import portal_of_customer
from service.checkout.touches import copy_touches
from service.content.cache import article_not_found
from service.content.store import get_article
from service.content.visibility import is_visible
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, Offer
from service.grants.store import other_access
from service.identity.callers import Caller
from service.identity.consents import newsletter_wording
from service.identity.devices import pseudonym
from service.identity.readers import find_reader, settled_reader
from service.identity.return_to import absolute, checked_return_to
from service.identity.secrets import hash_secret, new_secret
from service.identity.touches import Touch
from service.metering.store import holder_of
from service.offers.mirror import Mirrored, mirror_offer
from service.offers.pricing import PAID_ONCE, Price, price_for
from service.offers.store import find_offer, price_of
from service.payments.asking import asking_stripe
from service.payments.gateway import Gateway, GatewayRefused, StripeCheckoutSession
from service.problems import Problem
from service.settings import Settings


@dataclass(frozen=True)
class Started:
    """`claim` proves on return that this browser or app started the checkout; it isn't stored."""

    checkout_id: str
    session_id: str
    url: str
    expires_at: datetime
    claim: str


@dataclass(frozen=True)
class Order:
    """What somebody asks for, who need not be known.

    `claim` is that of an earlier checkout, where the caller holds one; `article` the slug of what a
    pass for one article shall open; `touch` what led the caller to the offer; `newsletter` the answer
    of the box beside it, None where there was none.
    """

    offer_id: str
    return_to: str
    caller: Caller
    claim: str | None
    promotion_code: str | None = None
    article: str | None = None
    touch: Touch = field(default_factory=Touch)
    newsletter: bool | None = None
    seats: int = 1
    """How many are wanted of an offer that is sold by the seat."""
    gift: GiftWanted | None = None
    """Of an offer of kind gift: to whom it goes, and when."""
    despite_access: bool = False
    """They know that they have it already, by a comp or a subscription elsewhere."""


@dataclass(frozen=True)
class _Buyer:
    """What is stored about the caller: nothing where nobody is signed in."""

    customer_id: str | None = None
    email: str | None = None
    has_subscribed: bool = False


@dataclass(frozen=True)
class _Click:
    """What the database says of a click on an offer; `earlier` are other open checkouts.

    `price` is what this buyer is promised.
    """

    checkout: Checkout
    offer: Offer
    earlier: list[Checkout]
    price: Price
    buyer: _Buyer
    claim: str


async def start_checkout(context: Context, gateway: Gateway, order: Order) -> Started:
    """Open a Checkout session for the offer, or the one that the caller has open for it.

    Raises the problems `offer-not-found`, `article-not-found`, `invalid-return-address`, for an offer to
    former subscribers `unauthenticated` and `not-a-former-subscriber`, `holds-a-seat`, `has-access`,
    `already-subscribed` (with `portal`, where the subscription is managed), `stripe-unavailable`,
    and `invalid-request` for an unknown promotion code, one where the price is reduced already, an
    article that is missing, or a newsletter that isn't offered.
    """
    order = replace(order, return_to=checked_return_to(order.return_to, context.settings))
    click = await _store_click(context, order)
    async with asking_stripe(context.settings):
        while click is not None:
            paid = await _settle_earlier(gateway, click)
            if paid is not None:
                # In another tab: the way back fulfils it and opens the article.
                return _started(*paid, click.claim, context.settings)
            session = await _open_session(context, gateway, click, order.promotion_code)
            if session is not None:
                break
            # Its session is over. Once that is noted, the same order begins another checkout.
            await _note_expired(context.database, click.checkout.id)
            order = replace(order, claim=click.claim)
            click = await _store_click(context, order)
        else:
            raise Problem(
                "already-subscribed", portal=await _where_to_manage(context, gateway, order)
            )
    await _note_session(context.database, click.checkout.id, session)
    return _started(click.checkout, session, click.claim, context.settings)


async def _where_to_manage(context: Context, gateway: Gateway, order: Order) -> str:
    """Stripe's portal after a recent sign-in, else the account page, which leads there."""
    if not order.caller.is_recent(context):
        return absolute("/account", context.settings)
    return await portal_of_customer(
        context, gateway, reader_id=order.caller.reader_id, return_to=order.return_to
    )


async def _store_click(context: Context, order: Order) -> _Click | None:
    """The checkout to go on with, new or begun before; None: there is a live subscription."""
    now, reader_id = context.clocks.business(), order.caller.reader_id
    key = f"checkout:{reader_id or order.claim or new_secret()}"
    async with context.database.serialised(key) as session:
        offer = await find_offer(session, order.offer_id)
        if offer is None or offer.archived_at is not None:
            raise Problem("offer-not-found")
        by_article = offer.covers == "article"
        article_id = await _article_id(session, order.article, now) if by_article else None
        # A single article may lie outside of what the subscription opens.
        # So may a gift, which is for somebody else.
        takes_room = not by_article and offer.kind != "gift"
        if reader_id and takes_room and await holding_subscriptions(session, reader_id):
            return None
        buyer = await _buyer(session, reader_id)
        if offer.sold_to == "former" and not buyer.has_subscribed:
            raise _not_former(order.caller)
        if order.gift is not None and offer.kind != "gift":
            raise _refused("gift", "is for offers of kind gift alone")
        if not 1 <= order.seats <= max(1, offer.most_seats):
            raise _refused("seats", f"can be 1 to {max(1, offer.most_seats)} for this offer")
        if reader_id and takes_room and await has_seat(session, reader_id, offer.plan, now):
            raise Problem("holds-a-seat")
        if reader_id and takes_room and not order.despite_access:
            await _check_access(session, reader_id, offer.plan, now)
        price = price_for(price_of(offer), subscribed_before=buyer.has_subscribed)
        if order.promotion_code is not None and price.intro_amount is not None:
            raise _refused("promotion_code", "can't be added where the price is reduced already")
        held = hash_secret(order.claim) if order.claim else None
        earlier = await open_checkouts(session, reader_id=reader_id, claim_hash=held, now=now)
        # A claim is kept while its holder goes on, with another offer too: it is one cookie, and
        # what is paid in another tab needs it.
        knows_it = any(each.claim_hash == held for each in earlier)
        claim = order.claim if order.claim and knows_it else new_secret()
        checkout = await _begun(session, earlier, order, article_id, offer, now)
        if checkout is not None:
            checkout.claim_hash = hash_secret(claim)
        else:
            checkout = await _begin(session, order, article_id, claim, now)
        await _keep_answers(session, checkout, order, context)
    others = [each for each in earlier if each.id != checkout.id]
    return _Click(checkout, offer, others, price, buyer, claim)


async def _check_access(session: AsyncSession, reader_id: str, plan: str, now: datetime) -> None:
    """Raises Problem `has-access` where it was opened for them without being bought here."""
    held = await other_access(session, reader_id, plan, now)
    if held is not None:
        raise Problem(
            "has-access", source=held.source, scope=held.scope,
            until=held.ends_at.isoformat() if held.ends_at is not None else None,
        )  # fmt: skip


async def _keep_answers(
    session: AsyncSession, checkout: Checkout, order: Order, context: Context
) -> None:
    """What led the buyer here, and what they agreed to. A sale that is made keeps what it has."""
    wording = newsletter_wording(order.newsletter, context.settings)
    if checkout.status != "open":
        return
    now = context.clocks.business()
    await copy_touches(session, checkout.id, holder_of(order.caller), order.touch, now)
    if order.gift is not None:
        await draft_gift(session, checkout.id, order.gift, now)
    if order.newsletter is not None:
        checkout.newsletter, checkout.newsletter_wording = order.newsletter, wording


async def _buyer(session: AsyncSession, reader_id: str | None) -> _Buyer:
    if reader_id is None:
        return _Buyer()
    reader = await find_reader(session, reader_id)
    return _Buyer(
        customer_id=await own_customer(session, reader_id),
        email=reader.email if reader is not None else None,
        has_subscribed=await has_subscribed(session, reader_id),
    )


async def _begun(
    session: AsyncSession,
    earlier: list[Checkout],
    order: Order,
    article_id: str | None,
    offer: Offer,
    now: datetime,
) -> Checkout | None:
    """The open checkout of the same order; a gift for another receiver, or another day, is another one."""
    if order.promotion_code is not None:
        # A code is given to Stripe when a session is made: an open one can't take it any more.
        return None
    wanted = (order.offer_id, article_id, order.return_to, order.caller.reader_id, order.seats)
    gift = order.gift or GiftWanted(None, None)
    for each in earlier:
        begun = (each.offer_id, each.article_id, each.return_to, each.reader_id, each.seats)
        if begun != wanted:
            continue
        if offer.kind != "gift" or await is_drafted(session, each.id, gift, now):
            return each
    return None


async def _begin(
    session: AsyncSession, order: Order, article_id: str | None, claim: str, now: datetime
) -> Checkout:
    device_id = order.caller.device_id
    return await create_checkout(
        session,
        offer_id=order.offer_id,
        reader_id=order.caller.reader_id,
        device_id=pseudonym(device_id) if device_id else None,
        return_to=order.return_to,
        claim_hash=hash_secret(claim),
        now=now,
        article_id=article_id,
        seats=order.seats,
    )


async def _article_id(session: AsyncSession, slug: str | None, now: datetime) -> str:
    if slug is None:
        raise _refused("article", "is needed: this offer opens a single article")
    article = await get_article(session, slug)
    if article is None or not is_visible(article, now):
        raise article_not_found(slug)
    return article.id


async def _settle_earlier(
    gateway: Gateway, click: _Click
) -> tuple[Checkout, StripeCheckoutSession] | None:
    """Expire what was begun before for something else; the one that turns out to be paid.

    A pass that is paid for something else is in nobody's way, and neither is a gift for somebody else.
    """
    wanted = (click.checkout.offer_id, click.checkout.article_id)
    for checkout in click.earlier:
        if checkout.stripe_session_id is None:
            continue
        fetched = await close_session(gateway, checkout.stripe_session_id)
        is_same = click.offer.kind != "gift" and (checkout.offer_id, checkout.article_id) == wanted
        if fetched is None or fetched.status != "complete":
            continue
        if fetched.mode == "subscription" or is_same:
            return checkout, fetched
    return None


async def _open_session(
    context: Context,
    gateway: Gateway,
    click: _Click,
    promotion_code: str | None,
) -> StripeCheckoutSession | None:
    """The session to go on with; None: the one begun before is over, and that isn't noted yet."""
    checkout = click.checkout
    if checkout.stripe_session_id is not None:
        return await _alive(gateway, checkout.stripe_session_id)
    customer_id = await _customer(context, gateway, click)
    promotion_code_id = await _promotion(gateway, promotion_code)

    async def create(mirrored: Mirrored) -> StripeCheckoutSession:
        return await gateway.create_checkout_session(
            checkout_id=checkout.id,
            mode="payment" if click.price.kind in PAID_ONCE else "subscription",
            price_id=mirrored.price_id,
            quantity=checkout.seats,
            trial_days=click.price.trial_days,
            customer_id=customer_id,
            coupon_id=mirrored.coupon_id if click.price.intro_amount is not None else None,
            promotion_code_id=promotion_code_id,
            success_url=return_address(context.settings),
            cancel_url=absolute(checkout.return_to, context.settings),
            automatic_tax=context.settings.stripe_automatic_tax,
            collect_tax_ids=context.settings.stripe_collect_tax_ids,
        )

    try:
        return await create(await mirror_offer(context.database, gateway, click.offer))
    except GatewayRefused as error:
        if not error.is_missing:
            raise
    # All else was made or found just now: our key is another account's than when it was mirrored.
    return await create(await mirror_offer(context.database, gateway, click.offer, anew=True))


async def _customer(context: Context, gateway: Gateway, click: _Click) -> str | None:
    """The reader's customer, made and bound where there is none; None: Checkout will make one."""
    reader_id, known = click.checkout.reader_id, click.buyer.customer_id
    if reader_id is None:
        return None
    if known is not None and not await _is_gone(gateway, known):
        return known
    made = await gateway.create_customer(
        reader_id=reader_id, email=click.buyer.email, instead_of=known
    )
    async with context.database.transaction() as session:
        reader_id = await settled_reader(session, reader_id)
        await bind_customer(
            session, customer_id=made.id, reader_id=reader_id, now=context.clocks.business()
        )
    return made.id


async def _is_gone(gateway: Gateway, customer_id: str) -> bool:
    """Whether somebody deleted the customer at Stripe: then nothing can be sold to it."""
    try:
        return (await gateway.retrieve_customer(customer_id)).deleted
    except GatewayRefused as error:
        if error.is_missing:
            return True
        raise


async def _alive(gateway: Gateway, session_id: str) -> StripeCheckoutSession | None:
    """The session unless it has expired, or the account at Stripe is another one by now."""
    fetched = await find_session(gateway, session_id)
    return None if fetched is None or fetched.status == "expired" else fetched


async def _note_expired(database: Database, checkout_id: str) -> None:
    async with database.transaction() as session:
        checkout = await find_checkout(session, checkout_id)
        if checkout is not None and checkout.status == "open":
            checkout.status = "expired"


async def _note_session(
    database: Database, checkout_id: str, opened: StripeCheckoutSession
) -> None:
    async with database.transaction() as session:
        checkout = await find_checkout(session, checkout_id)
        if checkout is not None:
            checkout.stripe_session_id = opened.id
            checkout.stripe_url = opened.url if opened.status == "open" else None
            checkout.expires_at = opened.expires_at


async def _promotion(gateway: Gateway, code: str | None) -> str | None:
    if code is None:
        return None
    found = await gateway.find_promotion_code(code)
    if found is None:
        raise _refused("promotion_code", "isn't a code that is valid now")
    return found


def _not_former(caller: Caller) -> Problem:
    if caller.reader_id is None:
        return Problem("unauthenticated", "This offer is for former subscribers. Sign in first.")
    return Problem("not-a-former-subscriber")


def _refused(field: str, message: str) -> Problem:
    errors = [{"field": f"body.{field}", "message": message}]
    return Problem("invalid-request", f"The field {field} {message}.", errors=errors)


def _started(
    checkout: Checkout, session: StripeCheckoutSession, claim: str, settings: Settings
) -> Started:
    """On to Stripe's page while the session is open; what is paid leads to the way back."""
    on = session.url if session.status == "open" else None
    return Started(
        checkout_id=checkout.id,
        session_id=session.id,
        url=on or return_address(settings, session.id),
        expires_at=session.expires_at,
        claim=claim,
    )
