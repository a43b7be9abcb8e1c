"""Who the reader is and what is open to them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.account.schemas import (
    GrantItem,
    ProcessingItem,
    Profile,
    PurchaseItem,
    SubscriptionItem,
)
from service.account.take_over import offered_purchases
from service.billing.checkouts import processing_checkouts
from service.billing.duplicates import kept_of
from service.billing.subscriptions import live_subscriptions
from service.grants.grants import GrantFacts
from service.grants.store import live_grants_of
from service.identity.callers import LiveSession
from service.identity.readers import find_reader
from service.problems import Problem


async def profile_of(session: AsyncSession, caller: LiveSession, now: datetime) -> Profile:
    """The profile with the grants that are live at `now` (business time)."""
    reader = await find_reader(session, caller.reader_id)
    if reader is None:
        raise Problem("unauthenticated", "Sign in first: the session has ended.")
    held = await live_grants_of(session, reader.id, now)
    return Profile(
        id=reader.id,
        email=reader.email,
        email_verified=reader.email_verified_at is not None,
        created_at=reader.created_at,
        session_id=caller.session_id,
        grants=[GrantItem.of(grant) for grant in held],
        processing=[
            ProcessingItem(
                offer=offer.id,
                name=offer.name,
                since=checkout.processing_since or checkout.created_at,
            )
            for checkout, offer in await processing_checkouts(session, reader.id)
        ],
        subscription=await _subscription(session, reader.id, held),
        purchases=[
            PurchaseItem(id=each.id, name=each.name, bought_at=each.bought_at)
            for each in await offered_purchases(session, reader)
        ],
    )


async def _subscription(
    session: AsyncSession, reader_id: str, held: Sequence[GrantFacts]
) -> SubscriptionItem | None:
    """Of several, which there are for moments only, the one that is kept."""
    live = await live_subscriptions(session, reader_id)
    kept = kept_of([each for each in live if each.outside != "price"] or live)
    row = next((each for each in live if kept is not None and each.id == kept.id), None)
    if row is None:
        return None
    until = next((each.ends_at for each in held if each.reference == row.id), None)
    return SubscriptionItem.of(row, open_until=until)
