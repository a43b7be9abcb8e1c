"""One trial or intro price a card: who was first has it (billing.md)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.follow_ups import ask_sync
from service.billing.money import in_intro, intro_charge
from service.billing.snapshot import Snapshot
from service.billing.statuses import NEVER_STARTED
from service.clock import Clocks
from service.db.tables import TrialCard
from service.db.upsert import insert_for
from service.offers.mirror import INTRO_COUPON
from service.payments.gateway import StripeSubscription

LET_PASS = timedelta(days=7)
"""An intro price that was paid longer ago is left as it is."""


@dataclass(frozen=True, order=True)
class Trial:
    """A trial's start, and whose it is; the smaller one was first."""

    at: datetime
    subscription_id: str


async def note_imported_trial(session: AsyncSession, snapshot: Snapshot) -> None:
    """Note that the card has had its trial, unless somebody has had it: nobody's trial ends by an import."""
    subscription = snapshot.subscription
    if subscription.trial_end is not None and subscription.card_fingerprint is not None:
        trial = Trial(subscription.started_at, subscription.id)
        await _note(session, subscription.card_fingerprint, trial)


async def claim_trial(
    session: AsyncSession, snapshot: Snapshot, clocks: Clocks, *, is_new: bool
) -> bool:
    """Note whose trial or intro price the card has had; whether an earlier subscription has had it,
    and this one's runs still.

    Only a trial that runs uses a card: what is paid with later may be the card of somebody who is in
    a trial. Of one that was over when first heard of (`is_new`) the card that it has then counts. Of an
    intro price it is the card that first paid it. Where a later one was heard of first, that one is
    compared with Stripe again.
    """
    subscription, money = snapshot.subscription, snapshot.money
    charge = intro_charge(money, INTRO_COUPON)
    if charge is not None:
        runs = in_intro(money, INTRO_COUPON) and clocks.business() < charge.created_at + LET_PASS
        return await _claim(session, subscription, charge.fingerprint, clocks) and runs
    is_trying = subscription.status == "trialing"
    if subscription.trial_end is None or not (is_new or is_trying):
        return False
    return await _claim(session, subscription, subscription.card_fingerprint, clocks) and is_trying


async def _claim(
    session: AsyncSession,
    subscription: StripeSubscription,
    fingerprint: str | None,
    clocks: Clocks,
) -> bool:
    """Whether somebody else had it before."""
    if fingerprint is None or subscription.status in NEVER_STARTED:
        return False
    ours = Trial(subscription.started_at, subscription.id)
    await _note(session, fingerprint, ours)
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


async def _note(session: AsyncSession, fingerprint: str, trial: Trial) -> None:
    await session.execute(
        insert_for(session, TrialCard)
        .values(fingerprint=fingerprint, subscription_id=trial.subscription_id, used_at=trial.at)
        .on_conflict_do_nothing(index_elements=["fingerprint"])
    )
