"""What we do at Stripe of our own accord, asked for in the transaction that makes it necessary.

Each is a job that is safe to repeat (follow_up_jobs.py does them). Asking again for what was done and
is necessary once more lets it be done again; what was given up stays so until somebody replays it.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.duplicates import duplicate_of
from service.billing.money import StopKind
from service.billing.subscriptions import holding_subscriptions
from service.clock import Clocks
from service.db.tables import Subscription
from service.identity.audit import record
from service.jobs.queue import ask, replay_claimed

CANCEL, REFUND, SYNC = "stripe-cancel", "stripe-refund", "stripe-sync"
CONTACT = "stripe-contact"
SYSTEM = "system"
"""Who did it, in the audit log."""


async def ask_cancel(
    session: AsyncSession, subscription_id: str, reason: StopKind, clocks: Clocks
) -> None:
    """End the subscription at Stripe, if then the reason still holds."""
    new = await ask(session, kind=CANCEL, key=f"{subscription_id}:{reason}", now=clocks.wall())
    if new:
        await _audit(session, "subscription.cancel", subscription_id, {"reason": reason}, clocks)


async def ask_refund(
    session: AsyncSession,
    payment_intent_id: str,
    subscription_id: str,
    reason: StopKind,
    clocks: Clocks,
) -> None:
    """Give back all that is left of a payment that a subscription was bought with which has to go."""
    payload = {"subscription": subscription_id, "reason": reason}
    if await ask(session, kind=REFUND, key=payment_intent_id, now=clocks.wall(), payload=payload):
        after = {"reason": reason, "payment": payment_intent_id}
        await _audit(session, "payment.refund", subscription_id, after, clocks)


async def ask_sync(session: AsyncSession, subscription_id: str, clocks: Clocks) -> None:
    """Compare the subscription with Stripe once more, also where that is being done: the one who does it
    may have asked Stripe already.
    """
    if not await ask(session, kind=SYNC, key=subscription_id, now=clocks.wall()):
        await replay_claimed(session, kind=SYNC, key=subscription_id, now=clocks.wall())


async def ask_contact(session: AsyncSession, reader_id: str, clocks: Clocks) -> None:
    """Let Stripe's customers have the reader's address."""
    if not await ask(session, kind=CONTACT, key=reader_id, now=clocks.wall()):
        await replay_claimed(session, kind=CONTACT, key=reader_id, now=clocks.wall())


async def settle_duplicates(session: AsyncSession, reader_id: str, clocks: Clocks) -> None:
    """Ask for what follows from the reader's live subscriptions as they are stored.

    Call it where no other transaction changes the reader's subscriptions.
    """
    live = await holding_subscriptions(session, reader_id)
    for row in live:
        if duplicate_of(row, live) is not None:
            await ask_cancel(session, row.id, "duplicate", clocks)
        elif row.access_stop == "duplicate":
            await ask_sync(session, row.id, clocks)


async def _audit(
    session: AsyncSession,
    action: str,
    subscription_id: str,
    after: Mapping[str, str],
    clocks: Clocks,
) -> None:
    """Under the reader, as all that is done for them; what is recorded of them goes with them."""
    row = await session.get(Subscription, subscription_id)
    if row is None:
        raise LookupError(subscription_id)
    await record(
        session, actor=SYSTEM, action=action, target=row.reader_id,
        after={"subscription": subscription_id, **after}, now=clocks.business(),
    )  # fmt: skip
