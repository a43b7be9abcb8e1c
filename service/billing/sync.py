"""Bring what we know of a subscription, and the access it gives, to what Stripe says now.

Stripe is asked outside any transaction. So that a slow answer can't overwrite a newer one, each
stored state has a version: it is read before Stripe is asked, and what was fetched is stored only
if the version is still the same, under the customer's lock. Otherwise somebody stored a state
meanwhile, and we ask again (docs/decisions/stripe-outside-transactions.md).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import discounts, lifecycle, statuses
from service.billing.customers import reader_of_customer
from service.billing.duplicates import Duplicate, duplicate_of
from service.billing.follow_ups import ask_cancel, settle_duplicates
from service.billing.ledger import emit_transitions, state_of
from service.billing.lifecycle import GrantState
from service.billing.money import Stop, stop_of, stop_since_import
from service.billing.movement_rows import record_movements
from service.billing.outside import Outside, outside_of
from service.billing.recurring import INTERVALS
from service.billing.seat_grants import arrange_seats
from service.billing.seat_terms import NumberOfSeats, number_of_seats
from service.billing.snapshot import Snapshot, take_snapshot
from service.billing.sold import bought_offer, sold_item
from service.billing.state import StateChange
from service.billing.subscriptions import holding_subscriptions
from service.billing.trial_cards import claim_trial, note_imported_trial
from service.billing.unbound import note_unbound
from service.db.context import Context
from service.db.failures import past_deadlocks
from service.db.tables import Customer, Offer, Subscription
from service.grants.grants import plan_scope
from service.grants.store import find_grant, put_grant
from service.identity.readers import settled_reader
from service.payments.gateway import Gateway, StripeSubscription, StripeSubscriptionItem
from service.settings import Settings
from service.texts import without_signs

log = structlog.get_logger()

SyncOutcome = Literal[
    "synced", "second subscription", "foreign price", "unknown customer", "unbound"
]
"""`unbound`: we sell it, and its customer is no reader's."""
T = TypeVar("T")
_MOST_RACES = 10
_STAYS_SAID = frozenset({"duplicate", "trial_used"})
"""Stops of living subscriptions alone; of one that has ended they tell why."""


class Outdated(Exception):
    """Another state was stored while Stripe was asked."""


@dataclass(frozen=True)
class Stored:
    """What storing came to. `stop` and `duplicate` say whether the subscription has to go."""

    outcome: SyncOutcome
    status: str
    stop: Stop | None = None
    duplicate: Duplicate | None = None


@dataclass(frozen=True)
class Synced:
    """A subscription as fetched, with what storing it came to; None: its customer isn't ours.

    `checkout_id` is the checkout of ours that it names, if it names one.
    """

    stored: Stored | None
    snapshot: Snapshot
    is_unbound: bool = False

    @property
    def outcome(self) -> SyncOutcome:
        if self.stored is not None:
            return self.stored.outcome
        return "unbound" if self.is_unbound else "unknown customer"

    @property
    def checkout_id(self) -> str | None:
        return self.snapshot.subscription.metadata.get("checkout")


def terms_of(settings: Settings) -> lifecycle.Terms:
    return lifecycle.Terms(
        renewal_slack=timedelta(hours=settings.renewal_slack_hours),
        grace=timedelta(days=settings.grace_days),
        refund_policy=settings.refund_policy,
    )


async def until_current(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run the attempt again while it is Outdated, or met a deadlock: its transaction has been rolled back then."""
    for _ in range(_MOST_RACES):
        try:
            return await past_deadlocks(attempt)
        except Outdated:
            continue
    raise Outdated(f"another state was stored {_MOST_RACES} times over")


async def sync_subscription(context: Context, gateway: Gateway, subscription_id: str) -> Synced:
    """Fetch the subscription and store it with its grant. Safe to repeat, in any order."""

    async def attempt() -> Synced:
        snapshot = await take_snapshot(context.database, gateway, subscription_id)
        customer_id = snapshot.subscription.customer_id
        async with context.database.serialised(customer_key(customer_id)) as session:
            reader_id = await reader_of_customer(session, customer_id)
            if reader_id is None:
                return Synced(None, snapshot, await note_unbound(session, snapshot.subscription))
            reader_id = await settled_reader(session, reader_id)
            stored = await store_snapshot(session, context, snapshot, reader_id=reader_id)
            return Synced(stored, snapshot)

    return await until_current(attempt)


def customer_key(customer_id: str) -> str:
    """The name of the customer's lock."""
    return f"customer:{customer_id}"


async def store_snapshot(
    session: AsyncSession, context: Context, snapshot: Snapshot, *, reader_id: str
) -> Stored:
    """Store subscription, grant, ledger and what is to follow at Stripe, under the customer's and
    the reader's lock. Raises Outdated.
    """
    subscription, now = snapshot.subscription, context.clocks.business()
    row = await session.get(Subscription, subscription.id)
    if (row.version if row is not None else None) != snapshot.version:
        raise Outdated(subscription.id)
    if row is not None and row.status == statuses.TERMINAL_STATUS:
        # Nothing revives it; money may still go back. And the release before this one may have ended
        # it without a movement.
        over = state_of(row, subscription)
        until = over.ended_at or now
        await _record(
            session, context, StateChange(row.reader_id, over, over, snapshot.money, until)
        )
        return Stored("synced", row.status)
    sold = await sold_item(session, subscription.items, before=row.offer_id if row else None)
    is_unknown = sold is None and row is None
    bought = await bought_offer(session, subscription) if is_unknown else None
    if is_unknown and bought is None:
        log.info("billing.foreign_price", subscription=subscription.id)
        return Stored("foreign price", subscription.status)
    before = state_of(row, None) if row is not None else None
    row = row or await _new_row(session, subscription, bought)
    # Of several items the one that we sell counts, with its own period.
    item = sold.item if sold is not None else subscription.items[0]
    ours = replace(subscription, items=(item,))
    fewer_at = row.next_seats_at
    _note_outside(row, outside_of(subscription, item, is_sold=sold is not None), item)
    copy_state(
        row, ours, snapshot, sold.offer if sold is not None else None, reader_id=reader_id, now=now
    )
    stop, duplicate = await _stops(session, context, row, snapshot, is_new=before is None)
    state = lifecycle.grant_of(ours, snapshot.money.invoices, terms_of(context.settings), stop)
    open_until = await _put_grant(session, row, state if sold is not None else _foreign(ours), now)
    # The row was written above, so nobody takes or ends a seat meanwhile.
    await arrange_seats(
        session, context, row, lowered=row.next_seats_at != fewer_at,
        ended=row.status == statuses.TERMINAL_STATUS,
    )  # fmt: skip
    if stop is not None and stop.cancels and row.status in statuses.LIVE_STATUSES:
        await ask_cancel(session, row.id, stop.kind, context.clocks)
    await session.flush()
    await settle_duplicates(session, row.reader_id, context.clocks)
    after = state_of(row, subscription)
    change = StateChange(row.reader_id, before, after, snapshot.money, open_until)
    await _record(session, context, change)
    outcome = await _outcome(session, row) if sold is not None else "foreign price"
    return Stored(outcome, row.status, stop, duplicate)


async def _record(session: AsyncSession, context: Context, change: StateChange) -> None:
    """What follows for the figures, and for the newsroom's systems and the reader."""
    await record_movements(session, change)
    await emit_transitions(session, context, change)


async def _new_row(
    session: AsyncSession, subscription: StripeSubscription, bought: Offer | None
) -> Subscription:
    """`bought` is what it was bought as, though it may be something else by now."""
    customer = await session.get(Customer, subscription.customer_id)
    row = Subscription(id=subscription.id, version=0, access_stop="", outside="")
    if customer is not None:
        row.joined_at = customer.joined_at
        since = customer.imported_at
        row.imported_at = since if since is not None and subscription.started_at <= since else None
    if bought is not None:
        row.offer_id, row.plan = bought.id, bought.plan
    session.add(row)
    return row


async def _stops(
    session: AsyncSession, context: Context, row: Subscription, snapshot: Snapshot, *, is_new: bool
) -> tuple[Stop | None, Duplicate | None]:
    """What stops its access, as the row then says, and which subscription it duplicates."""
    subscription, terms = snapshot.subscription, terms_of(context.settings)
    if row.imported_at is not None:
        await note_imported_trial(session, snapshot)
        stop = _own_stop(subscription, snapshot, terms, trial_used=False)
        stop = stop_since_import(stop, row.imported_at, snapshot.money)
    else:
        trial_used = await claim_trial(session, snapshot, context.clocks, is_new=is_new)
        stop = _own_stop(subscription, snapshot, terms, trial_used=trial_used)
    note_stop(row, stop)
    await session.flush()
    duplicate = await _duplicate(session, row)
    if stop is None and duplicate is not None:
        stop = Stop("duplicate", duplicate.since, cancels=True)
        note_stop(row, stop)
    return stop, duplicate


def _own_stop(
    subscription: StripeSubscription,
    snapshot: Snapshot,
    terms: lifecycle.Terms,
    *,
    trial_used: bool,
) -> Stop | None:
    return stop_of(
        snapshot.money,
        terms.refund_policy,
        trial_used_at=subscription.started_at if trial_used else None,
    )


def note_stop(row: Subscription, stop: Stop | None) -> None:
    """Let the row say what stops its access."""
    if stop is not None:
        row.access_stop, row.access_stopped_at = stop.kind, max(stop.at, row.started_at)
    elif row.status != statuses.TERMINAL_STATUS or row.access_stop not in _STAYS_SAID:
        row.access_stop, row.access_stopped_at = "", None


async def _duplicate(session: AsyncSession, row: Subscription) -> Duplicate | None:
    if row.status not in statuses.LIVE_STATUSES or row.outside == "price":
        return None
    return duplicate_of(row, await holding_subscriptions(session, row.reader_id))


def copy_state(
    row: Subscription,
    subscription: StripeSubscription,
    snapshot: Snapshot,
    offer: Offer | None,
    *,
    reader_id: str,
    now: datetime,
) -> None:
    """What Stripe says, with the one item that is ours; the plan only while it is one of our offers."""
    invoices = snapshot.money.invoices
    row.reader_id = reader_id
    row.customer_id = subscription.customer_id
    row.status = subscription.status
    row.started_at = subscription.started_at
    row.current_period_end = lifecycle.period_end(subscription)
    row.trial_end = subscription.trial_end
    row.cancel_at = lifecycle.scheduled_end(subscription)
    row.ended_at = subscription.ended_at
    row.pauses_collection = subscription.pauses_collection
    row.cancel_reason = subscription.cancel_reason or ""
    _copy_cancellation(row, subscription)
    row.next_charge_at = lifecycle.next_charge_at(snapshot.subscription)
    row.next_amount = snapshot.next_amount
    row.past_due_since = lifecycle.past_due_since(subscription, invoices)
    row.open_amount = lifecycle.open_amount(subscription, snapshot.money)
    row.payment_problem, row.payment_url = lifecycle.payment_problem(subscription, snapshot.money)
    row.synced_at = now
    row.version += 1
    _copy_price(row, subscription.items[0])
    _copy_discounts(row, subscription, snapshot)
    if offer is not None:
        row.offer_id = offer.id
        row.plan = offer.plan
        _copy_seats(row, subscription.items[0], snapshot, now, by_seat=bool(offer.most_seats))


def _copy_cancellation(row: Subscription, subscription: StripeSubscription) -> None:
    """When and with which words it was cancelled; of a cancellation that was taken back nothing stays."""
    at = subscription.canceled_at or subscription.ended_at
    row.cancelled_at = at
    row.cancel_feedback = (subscription.cancel_feedback or "") if at is not None else ""
    row.cancel_comment = without_signs(subscription.cancel_comment or "") if at is not None else ""
    row.cancelled_after_days = (
        max(1, -((row.started_at - at) // timedelta(days=1))) if at is not None else None
    )


def _copy_seats(
    row: Subscription,
    item: StripeSubscriptionItem,
    snapshot: Snapshot,
    now: datetime,
    *,
    by_seat: bool,
) -> None:
    number = (
        number_of_seats(item, snapshot.money.invoices, snapshot.pending, now)
        if by_seat
        else NumberOfSeats(1)
    )
    if (
        number.later_at is not None
        and row.cancel_at is not None
        and number.later_at >= row.cancel_at
    ):
        number = NumberOfSeats(number.now)  # all of them end by then
    row.seats, row.next_seats, row.next_seats_at = number.now, number.later, number.later_at


def _copy_price(row: Subscription, item: StripeSubscriptionItem) -> None:
    row.price_id = item.price.id
    row.amount = item.price.amount * item.quantity
    row.currency = item.price.currency.upper()
    known = item.price.interval in INTERVALS
    row.interval = item.price.interval or "" if known else row.interval or "month"
    row.interval_count = item.price.interval_count


def _copy_discounts(row: Subscription, ours: StripeSubscription, snapshot: Snapshot) -> None:
    """What it costs with its discounts; what is outside of our model brings nothing."""
    (item,) = ours.items
    lasting = () if row.outside else discounts.lasting(ours, item, snapshot.money.invoices)
    row.discounts = discounts.stored(lasting)
    costs = discounts.amounts_of(item, lasting)
    row.recurring_amount = 0 if row.outside else costs.recurring
    row.net_amount = 0 if row.outside else costs.net


async def _put_grant(
    session: AsyncSession, row: Subscription, state: GrantState, now: datetime
) -> datetime:
    """The end of the access that was stored."""
    before = await find_grant(session, "subscription", row.id)
    ends_at = state.end(before=before.ends_at if before else None, seen_at=now)
    await put_grant(
        session,
        source="subscription",
        reference=row.id,
        reader_id=row.reader_id,
        scope=plan_scope(row.plan),
        # Stripe's clock may be seconds ahead: who has paid doesn't wait for ours.
        starts_at=min(state.starts_at, now),
        ends_at=ends_at,
        in_grace=state.in_grace,
        note=state.reason,
        now=now,
    )
    return ends_at


async def _outcome(session: AsyncSession, row: Subscription) -> SyncOutcome:
    if row.status not in statuses.LIVE_STATUSES:
        return "synced"
    held = await holding_subscriptions(session, row.reader_id)
    if all(other.id == row.id for other in held):
        return "synced"
    log.warning("billing.second_subscription", reader=row.reader_id, subscription=row.id)
    return "second subscription"


def _note_outside(row: Subscription, outside: Outside, item: StripeSubscriptionItem) -> None:
    if outside and outside != row.outside:
        log.warning(
            "billing.outside", subscription=row.id, what=outside, price=item.price.id,
            product=item.price.product_id,
        )  # fmt: skip
    row.outside = outside


def _foreign(subscription: StripeSubscription) -> GrantState:
    return GrantState(subscription.started_at, None, in_grace=False, reason="foreign")
