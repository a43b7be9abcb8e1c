"""What we know of Stripe's subscriptions: queries."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Select, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.statuses import NEVER_STARTED, TERMINAL_STATUS
from service.db.tables import Grant, Offer, Subscription

_OVER = sorted(NEVER_STARTED | {TERMINAL_STATUS})


async def live_subscriptions(session: AsyncSession, reader_id: str) -> list[Subscription]:
    """The reader's subscriptions that aren't over, the newest first; there should be one at most.

    One with a status that we don't know isn't over: a second one beside it would be paid twice.
    """
    return list(await session.scalars(_live_of_one(), {"reader_id": reader_id}))


async def holding_subscriptions(session: AsyncSession, reader_id: str) -> list[Subscription]:
    """Those that leave no room for another: what holds nothing of ours any more does."""
    live = await live_subscriptions(session, reader_id)
    return [each for each in live if each.outside != "price"]


async def live_siblings(session: AsyncSession, subscription_id: str) -> list[str]:
    """The ids of the same reader's other live subscriptions."""
    row = await session.get(Subscription, subscription_id)
    if row is None:
        return []
    live = await holding_subscriptions(session, row.reader_id)
    return [each.id for each in live if each.id != subscription_id]


@dataclass(frozen=True)
class BoughtSubscription:
    """`name` is its offer's, `until` the end of the access that it gives or gave."""

    row: Subscription
    name: str
    until: datetime

    @property
    def is_live(self) -> bool:
        return self.row.status not in _OVER

    @property
    def has_started(self) -> bool:
        return self.row.status not in NEVER_STARTED

    @property
    def is_held(self) -> bool:
        """Whether it has begun and isn't over. At a price of others it holds nothing of ours any more."""
        return self.has_started and self.is_live and self.row.outside != "price"


async def bought_subscriptions(session: AsyncSession, reader_id: str) -> list[BoughtSubscription]:
    """All of the reader's, those first that aren't over, then the newest."""
    found = await session.execute(_bought_by_one(), {"reader_id": reader_id})
    bought = [
        BoughtSubscription(row, name, ends_at or row.cancel_at or row.current_period_end)
        for row, name, ends_at in found
    ]
    return sorted(bought, key=lambda each: not each.is_live)


async def subscribed_before(session: AsyncSession, reader_id: str, at: datetime) -> bool:
    """Whether the reader had paid for a subscription by then, and had none that wasn't over."""
    found = await session.execute(
        select(Subscription.status, Subscription.ended_at, Subscription.trial_end).where(
            Subscription.reader_id == reader_id, Subscription.started_at <= at,
            Subscription.status.not_in(sorted(NEVER_STARTED)),
        )
    )  # fmt: skip
    over, paid = True, False
    for status, ended, trial in found:
        over = over and status in _OVER and (ended is None or ended <= at)
        paid = paid or trial is None or (ended is not None and ended > trial)
    return over and paid


async def has_subscribed(session: AsyncSession, reader_id: str) -> bool:
    """Whether the reader ever had a subscription, whatever became of it; one whose first payment was
    never completed is none.
    """
    found = await session.scalar(
        select(Subscription.id)
        .where(
            Subscription.reader_id == reader_id, Subscription.status.not_in(sorted(NEVER_STARTED))
        )
        .limit(1)
    )
    return found is not None


async def seat_prices_of(session: AsyncSession, reader_id: str) -> set[str | None]:
    """The prices at Stripe of the reader's subscriptions by the seat that aren't over."""
    found = await session.scalars(
        select(Subscription.price_id)
        .join(Offer, Offer.id == Subscription.offer_id)
        .where(
            Subscription.reader_id == reader_id,
            Subscription.status.not_in(_OVER),
            Offer.most_seats > 0,
        )
    )
    return set(found)


async def subscriptions_of_customer(session: AsyncSession, customer_id: str) -> list[str]:
    found = await session.scalars(
        select(Subscription.id)
        .where(Subscription.customer_id == customer_id)
        .order_by(Subscription.id)
    )
    return list(found)


# Built once: that takes longer than to execute them.


@cache
def _live_of_one() -> Select[Subscription]:
    return (
        select(Subscription)
        .where(Subscription.reader_id == bindparam("reader_id"), Subscription.status.not_in(_OVER))
        .order_by(Subscription.started_at.desc(), Subscription.id)
    )


@cache
def _bought_by_one() -> Select[Subscription, str, datetime | None]:
    granted = and_(Grant.source == "subscription", Grant.reference == Subscription.id)
    return (
        select(Subscription, Offer.name, Grant.ends_at)
        .join(Offer, Offer.id == Subscription.offer_id)
        .outerjoin(Grant, granted)
        .where(Subscription.reader_id == bindparam("reader_id"))
        .order_by(Subscription.started_at.desc(), Subscription.id.desc())
    )
