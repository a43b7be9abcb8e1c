"""Checkouts: one row a click on an offer, stored before Stripe is asked."""

from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Select, and_, bindparam, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.statuses import LIVE_STATUSES
from service.db.base import new_id
from service.db.tables import Checkout, Offer, Pass, Subscription

LIFE = timedelta(hours=24)
"""Stripe's own default for the life of a Checkout session."""
CLAIM_LIFE = 2 * LIFE
"""So long after its start a checkout's claim signs its holder in: Stripe's page may be left open for
a day, and the way back may take another.
"""
DELAYED_CLAIM_LIFE = timedelta(days=21)
"""So long from when a payment is on its way: a bank debit takes up to 14 working days."""
_CLAIM_GRACE = timedelta(seconds=30)
"""Returns that race, or one whose answer was lost, sign in by the same claim."""
_MOST_EARLIER = 10


async def create_checkout(
    session: AsyncSession,
    *,
    offer_id: str,
    reader_id: str | None,
    device_id: str | None,
    return_to: str,
    claim_hash: str,
    now: datetime,
    article_id: str | None = None,
    seats: int = 1,
) -> Checkout:
    """Store an open checkout that Stripe doesn't know yet.

    `device_id` is the device's pseudonym, as in the ledger; `now` is business time.
    """
    checkout = new_checkout(
        new_id("cko"), offer_id=offer_id, reader_id=reader_id, device_id=device_id,
        return_to=return_to, claim_hash=claim_hash, now=now, article_id=article_id, seats=seats,
    )  # fmt: skip
    session.add(checkout)
    await session.flush()
    return checkout


def new_checkout(
    checkout_id: str,
    *,
    offer_id: str,
    reader_id: str | None,
    device_id: str | None,
    return_to: str,
    claim_hash: str,
    now: datetime,
    article_id: str | None = None,
    seats: int = 1,
) -> Checkout:
    """The row of an open checkout, not stored yet."""
    return Checkout(
        id=checkout_id,
        offer_id=offer_id,
        reader_id=reader_id,
        device_id=device_id,
        return_to=return_to,
        claim_hash=claim_hash,
        claim_used_at=None,
        status="open",
        stripe_session_id=None,
        stripe_url=None,
        stripe_subscription_id=None,
        article_id=article_id,
        seats=seats,
        created_at=now,
        expires_at=now + LIFE,
        completed_at=None,
        processing_since=None,
        newsletter=None,
        newsletter_wording=None,
    )


async def open_checkouts(
    session: AsyncSession, *, reader_id: str | None, claim_hash: str | None, now: datetime
) -> list[Checkout]:
    """What the reader, or the holder of the claim, has begun and not come back from; newest first.

    That includes what waits for a slow payment, and what the claim's holder has paid and we have
    heard of already: they aren't signed in yet, and are about to pay again.
    """
    theirs = [
        column == value
        for column, value in ((Checkout.reader_id, reader_id), (Checkout.claim_hash, claim_hash))
        if value is not None
    ]
    if not theirs:
        return []
    open_ones = [
        and_(Checkout.status == "open", Checkout.expires_at > now, or_(*theirs)),
        and_(Checkout.status == "processing", or_(*theirs)),
    ]
    if claim_hash is not None:
        has_paid = or_(
            exists().where(
                Subscription.id == Checkout.stripe_subscription_id,
                Subscription.status.in_(LIVE_STATUSES),
            ),
            exists().where(Pass.checkout_id == Checkout.id, Pass.ends_at > now),
        )
        open_ones.append(and_(Checkout.claim_hash == claim_hash, has_paid))
    found = await session.scalars(
        select(Checkout)
        .where(or_(*open_ones))
        .order_by(Checkout.created_at.desc(), Checkout.id)
        .limit(_MOST_EARLIER)
    )
    return list(found)


async def processing_checkouts(
    session: AsyncSession, reader_id: str
) -> list[tuple[Checkout, Offer]]:
    """What the reader has bought and waits for its money, with the offer; the newest first."""
    found = await session.execute(_processing_of_one(), {"reader_id": reader_id})
    return [(checkout, offer) for checkout, offer in found]


@cache
def _processing_of_one() -> Select[Checkout, Offer]:
    """Built once: that takes longer than to execute it."""
    return (
        select(Checkout, Offer)
        .join(Offer, Offer.id == Checkout.offer_id)
        .where(Checkout.reader_id == bindparam("reader_id"), Checkout.status == "processing")
        .order_by(Checkout.created_at.desc(), Checkout.id)
    )


def claim_end(checkout: Checkout) -> datetime:
    """Until when, by business time, the checkout's claim signs its holder in."""
    if checkout.processing_since is not None:
        return checkout.processing_since + DELAYED_CLAIM_LIFE
    return checkout.created_at + CLAIM_LIFE


async def use_claim(session: AsyncSession, checkout_id: str, now: datetime) -> bool:
    """Use the checkout's claim up; False where it was used before, or its reader has signed out.

    `now` is wall time. Call it under the reader's lock.
    """
    checkout = await session.get_one(Checkout, checkout_id, populate_existing=True)
    if not checkout.claim_hash:
        return False
    checkout.claim_used_at = checkout.claim_used_at or now
    return now - checkout.claim_used_at < _CLAIM_GRACE


async def end_claims(session: AsyncSession, reader_id: str) -> None:
    """Signing out ends them: a claim kept somewhere would sign the reader in again."""
    await session.execute(
        update(Checkout).where(Checkout.reader_id == reader_id).values(claim_hash="")
    )


async def buyer_of_claim(session: AsyncSession, claim_hash: str, now: datetime) -> str | None:
    """Who has bought with this claim, unless it was used or is over; `now` is business time."""
    checkout: Checkout | None = await session.scalar(
        select(Checkout)
        .where(
            Checkout.claim_hash == claim_hash,
            Checkout.claim_used_at.is_(None),
            Checkout.reader_id.is_not(None),
            Checkout.status.in_(("completed", "processing")),
        )
        .order_by(Checkout.created_at.desc(), Checkout.id)
        .limit(1)
    )
    return checkout.reader_id if checkout is not None and now < claim_end(checkout) else None


async def find_checkout(session: AsyncSession, checkout_id: str) -> Checkout | None:
    return await session.get(Checkout, checkout_id)


async def checkout_of_session(session: AsyncSession, session_id: str) -> Checkout | None:
    """The checkout whose Stripe session this is."""
    found: Checkout | None = await session.scalar(
        select(Checkout).where(Checkout.stripe_session_id == session_id)
    )
    return found
