"""A paid Checkout session becomes a subscription or a pass with access: in one way, for all callers.

The return page, the app that keeps its page and the webhook all call `fulfil`; repeating it changes
nothing. Stripe is asked what was paid: the address of success alone proves nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.checkouts import checkout_of_session, claim_end, find_checkout
from service.billing.customers import bind_customer, reader_of_customer
from service.billing.movement_rows import note_found_checkout
from service.billing.passes import pass_id, store_pass, take_pass
from service.billing.promotions import record_pass_promotions
from service.billing.snapshot import take_snapshot
from service.billing.sync import SyncOutcome, customer_key, store_snapshot, until_current
from service.billing.waiting_purchases import mail_account
from service.clock import Clocks
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, Offer
from service.identity.consents import record_newsletter
from service.identity.readers import (
    create_reader,
    is_erased,
    link_device,
    settled_reader,
    suggest_email,
)
from service.offers.pricing import PAID_ONCE
from service.payments.gateway import Gateway, GatewayRefused, StripeCheckoutSession

State = Literal["paid", "processing", "open", "expired", "failed"]
"""`processing`: complete, but the money of a slow payment method hasn't arrived yet; `failed`: it
never will. What a subscription is worth meanwhile is Stripe's to say, by its status.
"""
_SOLD_BY_MODE = {"subscription": {"subscription"}, "payment": PAID_ONCE}
"""Which kind of offer each mode of Checkout sells."""
_BY_STATUS: dict[str, State] = {"incomplete": "processing", "incomplete_expired": "failed"}
"""The first payment of a subscription; what else becomes of it comes after having bought it."""


@dataclass(frozen=True)
class Bought:
    """A subscription that was fetched and stored with its checkout."""

    id: str
    outcome: SyncOutcome


@dataclass(frozen=True)
class Fulfilment:
    """What has become of a checkout. `reader_id` is who started it signed in, or who paid it."""

    checkout_id: str
    state: State
    reader_id: str | None
    return_to: str
    claim_hash: str
    claim_ends_at: datetime
    url: str | None
    subscription: Bought | None = None


async def fulfil(
    context: Context,
    gateway: Gateway,
    session_id: str,
    *,
    refresh: bool = False,
) -> Fulfilment | None:
    """Fetch the Checkout session and, where it is paid, store its subscription and grant.

    What was fulfilled before is told without asking Stripe, unless `refresh`: so returns that race
    end with the first. None: no checkout of ours. Raises GatewayRefused (`is_missing`) and
    GatewayUnavailable.
    """

    async def attempt() -> Fulfilment | None:
        if not refresh and (done := await _fulfilled(context.database, session_id)) is not None:
            return done
        fetched = await gateway.retrieve_checkout_session(session_id)
        if fetched.status != "complete" or fetched.customer_id is None:
            return await _unpaid(context.database, context.clocks, fetched)
        if fetched.mode == "payment":
            return await _fulfil_pass(context, gateway, fetched, fetched.customer_id)
        if fetched.subscription_id is None:
            return await _unpaid(context.database, context.clocks, fetched)
        snapshot = await take_snapshot(context.database, gateway, fetched.subscription_id)
        async with context.database.serialised(customer_key(fetched.customer_id)) as session:
            checkout = await _ours(session, fetched)
            if checkout is None:
                return None
            reader_id = await _reader(
                session, checkout, fetched, fetched.customer_id, context.clocks
            )
            stored = await store_snapshot(session, context, snapshot, reader_id=reader_id)
            if checkout.stripe_subscription_id != fetched.subscription_id:
                checkout.stripe_subscription_id = fetched.subscription_id
                await note_found_checkout(session, fetched.subscription_id)
            state = _BY_STATUS.get(snapshot.subscription.status, "paid")
            done = _note(checkout, state, reader_id, context.clocks.business())
            await mail_account(session, context, checkout)
            return replace(done, subscription=Bought(fetched.subscription_id, stored.outcome))

    return await until_current(attempt)


async def find_session(gateway: Gateway, session_id: str) -> StripeCheckoutSession | None:
    """The session as Stripe has it; None: the account doesn't, since our key is another one's."""
    try:
        return await gateway.retrieve_checkout_session(session_id)
    except GatewayRefused as error:
        if error.is_missing:
            return None
        raise


async def close_session(gateway: Gateway, session_id: str) -> StripeCheckoutSession | None:
    """Expire the session where it is open: as it is then, so `complete` where it was paid first.

    None: the account doesn't have it.
    """
    fetched = await find_session(gateway, session_id)
    if fetched is None or fetched.status != "open":
        return fetched
    try:
        return await gateway.expire_checkout_session(session_id)
    except GatewayRefused:  # paid in this very moment
        return await find_session(gateway, session_id)


async def _fulfil_pass(
    context: Context,
    gateway: Gateway,
    fetched: StripeCheckoutSession,
    customer_id: str,
) -> Fulfilment | None:
    """A complete session in mode payment: a pass once the money is there. Raises Outdated."""
    snapshot = (
        await take_pass(context.database, gateway, pass_id(fetched)) if fetched.is_paid else None
    )
    async with context.database.serialised(customer_key(customer_id)) as session:
        checkout = await _ours(session, fetched)
        if checkout is None:
            return None
        reader_id = await _reader(session, checkout, fetched, customer_id, context.clocks)
        state: State = "failed" if fetched.has_failed else "processing"
        if snapshot is not None:
            state = "paid"
            bought = await store_pass(
                session, context, snapshot, checkout,
                reader_id=reader_id, customer_id=customer_id,
            )  # fmt: skip
            offer = await session.get_one(Offer, checkout.offer_id)
            await record_pass_promotions(session, bought, offer, fetched.discounts)
        done = _note(checkout, state, reader_id, context.clocks.business())
        await mail_account(session, context, checkout)
        return done


def _note(checkout: Checkout, state: State, reader_id: str, now: datetime) -> Fulfilment:
    """Whose the completed checkout is, and how far the money has come."""
    checkout.reader_id = reader_id
    checkout.status = "completed" if state == "paid" else state
    if state == "paid":
        checkout.completed_at = checkout.completed_at or now
    elif state == "processing":
        checkout.processing_since = checkout.processing_since or now
    return _told(checkout, state)


async def _fulfilled(database: Database, session_id: str) -> Fulfilment | None:
    async with database.reading() as session:
        checkout = await checkout_of_session(session, session_id)
    if checkout is None or checkout.status != "completed":
        return None
    return _told(checkout, "paid")


async def _unpaid(
    database: Database, clocks: Clocks, unpaid: StripeCheckoutSession
) -> Fulfilment | None:
    async with database.transaction() as session:
        checkout = await _ours(session, unpaid)
        if checkout is None:
            return None
        if unpaid.status == "expired":
            checkout.status = "expired"
            # It may have been expired before its time, when another offer was chosen.
            checkout.expires_at = min(checkout.expires_at, clocks.business())
            return _told(checkout, "expired")
        return _told(checkout, "processing" if unpaid.status == "complete" else "open")


async def _ours(session: AsyncSession, fetched: StripeCheckoutSession) -> Checkout | None:
    if fetched.client_reference_id is None:
        return None
    checkout = await find_checkout(session, fetched.client_reference_id)
    if checkout is None or checkout.stripe_session_id not in {None, fetched.id}:
        return None
    offer = await session.get_one(Offer, checkout.offer_id)
    if offer.kind not in _SOLD_BY_MODE.get(fetched.mode, ()):
        return None
    # Where Stripe's answer to the creation was lost, the session is first heard of here.
    checkout.stripe_session_id = fetched.id
    checkout.stripe_url = fetched.url or checkout.stripe_url
    return checkout


async def _reader(
    session: AsyncSession,
    checkout: Checkout,
    paid: StripeCheckoutSession,
    customer_id: str,
    clocks: Clocks,
) -> str:
    """The reader who bought: the customer's, else who started the checkout, else a new one."""
    now = clocks.business()
    reader_id = await reader_of_customer(session, customer_id) or checkout.reader_id
    if reader_id is None:
        reader_id = (await create_reader(session, email=paid.email, clocks=clocks)).id
    reader_id = await settled_reader(session, reader_id)
    bound = await bind_customer(session, customer_id=customer_id, reader_id=reader_id, now=now)
    reader_id = await settled_reader(session, bound)
    await suggest_email(session, reader_id, paid.email)
    await _record_newsletter(session, checkout, reader_id)
    if checkout.device_id is not None and not await is_erased(session, reader_id):
        await link_device(session, reader_id=reader_id, device=checkout.device_id, now=now)
    return reader_id


async def _record_newsletter(session: AsyncSession, checkout: Checkout, reader_id: str) -> None:
    """Once: the webhook and the return both come here. It was answered when the checkout began."""
    if not await is_erased(session, reader_id):
        await record_newsletter(
            session, reader_id, given=checkout.newsletter, wording=checkout.newsletter_wording,
            at=checkout.created_at, place="checkout",
        )  # fmt: skip
    checkout.newsletter = checkout.newsletter_wording = None


def _told(checkout: Checkout, state: State) -> Fulfilment:
    return Fulfilment(
        checkout_id=checkout.id,
        state=state,
        reader_id=checkout.reader_id,
        return_to=checkout.return_to,
        claim_hash=checkout.claim_hash,
        claim_ends_at=claim_end(checkout),
        url=checkout.stripe_url,
    )
