"""Doing at Stripe what follow_ups.py asks for. Killed anywhere, each job is simply done again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from service.billing.customers import customers_of_reader
from service.billing.follow_ups import CANCEL, CONTACT, REFUND, SYNC, ask_refund
from service.billing.money import ACCESS, REASON, StopKind
from service.billing.statuses import LIVE_STATUSES
from service.billing.subscriptions import live_siblings
from service.billing.sync import Stored, Synced, sync_subscription
from service.db.context import Context
from service.identity.readers import find_reader
from service.jobs.queue import ClaimedJob
from service.jobs.worker import Failed, Kind, Postponed
from service.payments.gateway import Gateway, GatewayRefused, GatewayUnavailable
from service.texts import number_of

_BANKS_TAKE = timedelta(hours=12)
"""A bank debit takes days: between two looks at whether its money has come."""

log = structlog.get_logger()


@dataclass(frozen=True)
class FollowUps:
    """What the jobs need. Each answers its result in words."""

    context: Context
    gateway: Gateway

    def kinds(self) -> Mapping[str, Kind]:
        return {
            CANCEL: Kind(self.cancel),
            CONTACT: Kind(self.contact),
            REFUND: Kind(self.refund),
            SYNC: Kind(self.compare),
        }

    async def cancel(self, job: ClaimedJob) -> str:
        """End a subscription, unless what Stripe says by now gives no reason for it any more."""
        subscription_id, _, _ = job.key.partition(":")
        try:
            for other in await self._others(subscription_id):
                # Which one is kept depends on what became of the others.
                await self._sync(other)
            synced = await self._sync(subscription_id)
            stored = synced.stored
            if stored is None or stored.status not in LIVE_STATUSES:
                return "over already"
            if stored.duplicate is None and (stored.stop is None or not stored.stop.cancels):
                return "not necessary any more"
            await self._ask_refunds(synced)
            left = await self.gateway.cancel_subscription(subscription_id)
            await self._sync(subscription_id)
        except GatewayUnavailable as error:
            raise Postponed(str(error)) from error
        if left.status in LIVE_STATUSES:
            raise Failed(f"Stripe doesn't end it: it is {left.status} still.")
        log.info("billing.cancelled", subscription=subscription_id)
        return "cancelled"

    async def refund(self, job: ClaimedJob) -> str:
        """Give back what a subscription was paid with that has to go. Its policy is to cancel, whatever happens here.

        What is stored then informs the reader, whether or not a webhook arrives.
        """
        try:
            charges = await self.gateway.charges_of_payment(job.key)
            if charges and charges[0].is_under_way:
                raise Postponed("The bank hasn't answered yet.", _BANKS_TAKE)
            if not any(each.is_paid for each in charges):
                return "nothing was taken"
            # A job of the release before this one has no reason: it is a duplicate's.
            result = await self._give_back(job.key, job.payload.get("reason", "duplicate"))
            subscription_id = await self.gateway.subscription_of_payment(job.key)
            if subscription_id is not None:
                await self._sync(subscription_id)
        except GatewayUnavailable as error:
            raise Postponed(str(error)) from error
        return result

    async def _give_back(self, payment_id: str, reason: str) -> str:
        try:
            await self.gateway.refund(
                payment_intent_id=payment_id,
                amount=None,
                metadata={REASON: reason, ACCESS: "cancel"},
                idempotency_key=f"{reason}-{payment_id}",
            )
        except GatewayRefused as error:
            if error.code != "charge_already_refunded":
                raise
            return "refunded already"
        return "refunded"

    async def contact(self, job: ClaimedJob) -> str:
        """Give the reader's customers the address that the reader has by now."""
        async with self.context.database.reading() as session:
            reader = await find_reader(session, job.key)
            customers = await customers_of_reader(session, job.key)
        if reader is None or reader.email is None or reader.erased_at is not None:
            return "nobody's any more"
        try:
            for customer_id in customers:
                await self.gateway.change_email(customer_id, reader.email)
        except GatewayUnavailable as error:
            raise Postponed(str(error)) from error
        return number_of(len(customers), "customer")

    async def compare(self, job: ClaimedJob) -> str:
        """Store once more what Stripe says of a subscription."""
        try:
            return (await self._sync(job.key)).outcome
        except GatewayUnavailable as error:
            raise Postponed(str(error)) from error

    async def _sync(self, subscription_id: str) -> Synced:
        return await sync_subscription(self.context, self.gateway, subscription_id)

    async def _others(self, subscription_id: str) -> list[str]:
        async with self.context.database.reading() as session:
            return await live_siblings(session, subscription_id)

    async def _ask_refunds(self, synced: Synced) -> None:
        """Before it is cancelled, so that a kill in between forgets no refund."""
        reason = _given_back_for(synced.stored)
        if reason is None:
            return
        async with self.context.database.transaction() as session:
            for charge in synced.snapshot.money.charges_to_give_back:
                if charge.payment_intent_id is not None:
                    await ask_refund(
                        session,
                        charge.payment_intent_id,
                        synced.snapshot.subscription.id,
                        reason,
                        self.context.clocks,
                    )


def _given_back_for(stored: Stored | None) -> StopKind | None:
    """Why the money of a subscription that goes is given back; None: it isn't."""
    if stored is None:
        return None
    if stored.duplicate is not None:
        return "duplicate" if stored.duplicate.is_refunded else None
    is_used = stored.stop is not None and stored.stop.kind == "trial_used"
    return "trial_used" if is_used else None
