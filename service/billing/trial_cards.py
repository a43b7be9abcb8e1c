"""One trial a card: who was first has it (billing.md)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.follow_ups import ask_sync
from service.billing.lifecycle import NEVER_STARTED
from service.clock import Clocks
from service.db.tables import TrialCard
from service.db.upsert import insert_for
from service.payments.gateway import StripeSubscription


@dataclass(frozen=True, order=True)
class Trial:
    """A trial's start, and whose it is; the smaller one was first."""

    at: datetime
    subscription_id: str


async def claim_trial(
    session: AsyncSession, subscription: StripeSubscription, clocks: Clocks, *, is_new: bool
) -> bool:
    """Note whose trial the card has had; whether an earlier subscription has had it.

    Only a trial that runs uses a card: what is paid with later may be the card of somebody who is in
    a trial. Of one that was over when first heard of (`is_new`) the card that it has then counts.
    Where a later one was heard of first, that one is compared with Stripe again.
    """
    fingerprint = subscription.card_fingerprint
    if (
        subscription.trial_end is None
        or fingerprint is None
        or subscription.status in NEVER_STARTED
        or not (is_new or subscription.status == "trialing")
    ):
        return False
    ours = Trial(subscription.started_at, subscription.id)
    await session.execute(
        insert_for(session, TrialCard)
        .values(fingerprint=fingerprint, subscription_id=ours.subscription_id, used_at=ours.at)
        .on_conflict_do_nothing(index_elements=["fingerprint"])
    )
    card = await session.scalar(
        select(TrialCard)
        .where(TrialCard.fingerprint == fingerprint)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if card is None or card.subscription_id == ours.subscription_id:
        return False
    if Trial(card.used_at, card.subscription_id) < ours:
        return True
    await ask_sync(session, card.subscription_id, clocks)
    card.subscription_id, card.used_at = ours.subscription_id, ours.at
    await session.flush()
    return False
