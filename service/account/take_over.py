"""Purchases that somebody made with an account's address, and taking them over by choice.

Until then they are the buyer's, and nothing of the account changes by them.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.merge import merge
from service.billing.customers import imported_readers
from service.billing.statuses import LIVE_STATUSES
from service.billing.waiting_purchases import BOUGHT
from service.db.context import Context
from service.db.tables import Checkout, Consent, Offer, Reader, Subscription
from service.identity.callers import LiveSession
from service.identity.readers import buyers_with, find_reader, provisional_readers, take_turn
from service.problems import Problem

_MOST_SHOWN = 10


@dataclass(frozen=True)
class OfferedPurchase:
    """What somebody bought with the account's address, here or before us at Stripe, from where it was
    imported. `id` is their provisional reader's.
    """

    id: str
    name: str
    bought_at: datetime


async def offered_purchases(session: AsyncSession, account: Reader) -> list[OfferedPurchase]:
    """What the account's reader may take over, the newest first."""
    if account.verified_key is None:
        return []
    bought = (
        select(Checkout.reader_id, Offer.name, Checkout.created_at)
        .join(Offer, Offer.id == Checkout.offer_id)
        .where(
            Checkout.reader_id.in_(await buyers_with(session, account.verified_key)),
            Checkout.status.in_(BOUGHT),
        )
    )
    imported = (
        select(Subscription.reader_id, Offer.name, Subscription.started_at)
        .join(Offer, Offer.id == Subscription.offer_id)
        .where(
            Subscription.reader_id.in_(await imported_readers(session, account.verified_key)),
            Subscription.imported_at.is_not(None),
            Subscription.status.in_(LIVE_STATUSES),
        )
    )
    offered = [
        OfferedPurchase(buyer, name, at)
        for buyer, name, at in [*await session.execute(bought), *await session.execute(imported)]
        if buyer
    ]
    return sorted(offered, key=lambda each: (each.bought_at, each.id), reverse=True)[:_MOST_SHOWN]


async def take_over(context: Context, caller: LiveSession, purchase_id: str) -> None:
    """Let the purchase be the account's: who bought it keeps nothing of it.

    Raises `not-found` where it wasn't bought with the account's address, or is taken over already.
    """
    async with context.database.serialised(f"reader:{caller.reader_id}") as session:
        await take_turn(session, caller.reader_id)
        account = await find_reader(session, caller.reader_id)
        offered = await offered_purchases(session, account) if account is not None else []
        if account is None or purchase_id not in {each.id for each in offered}:
            raise Problem("not-found", "Purchase not found.")
        for buyer in await provisional_readers(session, [purchase_id]):
            # Anybody may type an address: what they agreed to there isn't its owner's word.
            await session.execute(delete(Consent).where(Consent.reader_id == buyer.id))
            await merge(session, buyer, account, context.clocks)
