"""From an offer to Stripe's Checkout page.

The row comes first, in a transaction of its own; then Stripe is asked, outside of any. Whoever
clicks again is led to the same session, and whoever has paid already to the way back.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.checkouts import create_checkout, find_checkout, open_checkouts
from service.billing.customers import bind_customer, customer_of_reader
from service.billing.subscriptions import has_subscribed, live_subscriptions
from service.checkout.addresses import return_address
from service.checkout.portal import portal_of_customer
from service.clock import Clocks
from service.content.cache import article_not_found
from service.content.store import get_article
from service.content.visibility import is_visible
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, Offer
from service.identity.callers import Caller
from service.identity.devices import pseudonym
from service.identity.readers import find_reader, settled_reader
from service.identity.return_to import absolute, checked_return_to
from service.identity.secrets import hash_secret, new_secret
from service.offers.mirror import Mirrored, mirror_offer
from service.offers.pricing import Price, price_for
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
class _Click:
    """What the database says of a click on an offer; `earlier` are other open checkouts.

    `price` is what this buyer is promised.
    """

    checkout: Checkout
    offer: Offer
    earlier: list[Checkout]
    price: Price
    customer_id: str | None
    email: str | None
    claim: str


async def start_checkout(
    context: Context,
    gateway: Gateway,
    *,
    offer_id: str,
    return_to: str,
    caller: Caller,
    claim: str | None,
    promotion_code: str | None = None,
    article: str | None = None,
) -> Started:
    """Open a Checkout session for the offer, or the one that the caller has open for it.

    `claim` is that of an earlier checkout, if the caller holds one; `article` the slug of what a pass
    for one article shall open. Raises the problems `offer-not-found`, `article-not-found`,
    `invalid-return-address`, `already-subscribed` (with `portal`, the address of the customer
    portal), `stripe-unavailable`, and `invalid-request` for an unknown promotion code, one where the
    price is reduced already, or an article that is missing.
    """
    return_to = checked_return_to(return_to, context.settings)
    key = f"checkout:{caller.reader_id or claim or new_secret()}"
    async with context.database.serialised(key) as session:
        click = await _store_click(
            session, offer_id, return_to, caller, claim, context.clocks, promotion_code, article
        )
    async with asking_stripe(context.settings):
        if click is None:
            portal = await portal_of_customer(
                context, gateway, reader_id=caller.reader_id, return_to=return_to
            )
            raise Problem("already-subscribed", portal=portal)
        paid = await _settle_earlier(gateway, click)
        if paid is not None:
            return _back(paid, click, context.settings)
        fetched = await _open_session(context, gateway, click, promotion_code)
        if fetched is None:
            await _note_expired(context.database, click.checkout.id)
            return await start_checkout(
                context, gateway, offer_id=offer_id, return_to=return_to,
                caller=caller, claim=click.claim, promotion_code=promotion_code, article=article,
            )  # fmt: skip
    url = fetched.url if fetched.status == "open" else None
    async with context.database.transaction() as session:
        checkout = await find_checkout(session, click.checkout.id)
        if checkout is not None:
            checkout.stripe_session_id = fetched.id
            checkout.stripe_url = url
            checkout.expires_at = fetched.expires_at
    return Started(
        checkout_id=click.checkout.id,
        session_id=fetched.id,
        url=url or return_address(context.settings, fetched.id),
        expires_at=fetched.expires_at,
        claim=click.claim,
    )


async def _store_click(
    session: AsyncSession,
    offer_id: str,
    return_to: str,
    caller: Caller,
    claim: str | None,
    clocks: Clocks,
    promotion_code: str | None,
    article: str | None,
) -> _Click | None:
    """The checkout to go on with, new or begun before; None: there is a live subscription."""
    now = clocks.business()
    offer = await find_offer(session, offer_id)
    if offer is None or offer.archived_at is not None:
        raise Problem("offer-not-found")
    article_id = await _article_id(session, article, now) if offer.covers == "article" else None
    reader_id, customer_id, email, subscribed = caller.reader_id, None, None, False
    if reader_id is not None:
        # A single article may lie outside of what the subscription opens.
        if offer.covers == "plan" and await live_subscriptions(session, reader_id):
            return None
        customer_id = await customer_of_reader(session, reader_id)
        subscribed = await has_subscribed(session, reader_id)
        reader = await find_reader(session, reader_id)
        email = reader.email if reader is not None else None
    price = price_for(price_of(offer), subscribed_before=subscribed)
    if promotion_code is not None and price.intro_amount is not None:
        raise _refused("promotion_code", "can't be added where the price is reduced already")
    held = hash_secret(claim) if claim else None
    earlier = await open_checkouts(session, reader_id=reader_id, claim_hash=held, now=now)
    same = [
        each
        for each in earlier
        if (each.offer_id, each.article_id, each.return_to, each.reader_id)
        == (offer_id, article_id, return_to, reader_id)
    ]
    # A claim is kept while its holder goes on, with another offer too: it is one cookie, and what
    # is paid in another tab needs it.
    kept = claim if claim and any(each.claim_hash == held for each in earlier) else new_secret()
    # A code is given to Stripe when a session is made: an open one can't take it any more.
    if same and promotion_code is None:
        checkout = same[0]
        checkout.claim_hash = hash_secret(kept)
    else:
        checkout = await create_checkout(
            session,
            offer_id=offer_id,
            reader_id=reader_id,
            device_id=pseudonym(caller.device_id) if caller.device_id else None,
            return_to=return_to,
            claim_hash=hash_secret(kept),
            now=now,
            article_id=article_id,
        )
    return _Click(
        checkout=checkout,
        offer=offer,
        earlier=[each for each in earlier if each.id != checkout.id],
        price=price,
        customer_id=customer_id,
        email=email,
        claim=kept,
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

    A pass that is paid for something else stands in nobody's way.
    """
    wanted = (click.checkout.offer_id, click.checkout.article_id)
    for checkout in click.earlier:
        if checkout.stripe_session_id is None:
            continue
        fetched = await _alive(gateway, checkout.stripe_session_id)
        if fetched is not None and fetched.status == "open":
            try:
                fetched = await gateway.expire_checkout_session(fetched.id)
            except GatewayRefused:  # paid in this very moment
                fetched = await gateway.retrieve_checkout_session(fetched.id)
        is_same = (checkout.offer_id, checkout.article_id) == wanted
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
            mode="payment" if click.price.kind == "pass" else "subscription",
            price_id=mirrored.price_id,
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
    reader_id, known = click.checkout.reader_id, click.customer_id
    if reader_id is None:
        return None
    if known is not None and not await _is_gone(gateway, known):
        return known
    made = await gateway.create_customer(reader_id=reader_id, email=click.email, instead_of=known)
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
    try:
        fetched = await gateway.retrieve_checkout_session(session_id)
    except GatewayRefused as error:
        if error.is_missing:
            return None
        raise
    return None if fetched.status == "expired" else fetched


async def _note_expired(database: Database, checkout_id: str) -> None:
    async with database.transaction() as session:
        checkout = await find_checkout(session, checkout_id)
        if checkout is not None and checkout.status == "open":
            checkout.status = "expired"


async def _promotion(gateway: Gateway, code: str | None) -> str | None:
    if code is None:
        return None
    found = await gateway.find_promotion_code(code)
    if found is None:
        raise _refused("promotion_code", "isn't a code that is valid now")
    return found


def _refused(field: str, message: str) -> Problem:
    errors = [{"field": f"body.{field}", "message": message}]
    return Problem("invalid-request", f"The field {field} {message}.", errors=errors)


def _back(
    paid: tuple[Checkout, StripeCheckoutSession], click: _Click, settings: Settings
) -> Started:
    """The reader has paid in another tab: the way back fulfils it and opens the article."""
    checkout, fetched = paid
    return Started(
        checkout_id=checkout.id,
        session_id=fetched.id,
        url=return_address(settings, fetched.id),
        expires_at=fetched.expires_at,
        claim=click.claim,
    )
