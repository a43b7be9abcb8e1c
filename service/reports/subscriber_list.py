"""Read-only SQL over subscriptions: the list of subscribers."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.billing.statuses import LIVE_STATUSES
from service.db.keyset import Keyset, Page
from service.db.tables import Grant, Offer, Reader, Subscription
from service.reports.bought import SubscriptionFacts
from service.reports.few_readers import is_named
from service.reports.standing import STATUSES, Standing, standing_of


@dataclass(frozen=True)
class SubscriberFilter:
    """Which subscribers: `query` is part of an e-mail address, or a whole id."""

    query: str = ""
    standing: Standing | None = None
    plan: str | None = None


_NEWEST_FIRST = Keyset(Subscription.started_at, Subscription.reader_id)


async def list_subscribers(
    session: AsyncSession, chosen: SubscriberFilter, *, cursor: str | None, limit: int
) -> Page[SubscriptionFacts]:
    """Readers who have or had a subscription, each once, the newest subscription first.

    Each comes with the live subscription, else with the latest. Raises Problem `invalid-request`
    for a cursor that isn't ours.
    """
    statement = _facts().where(_is_the_readers_first()).where(*_conditions(chosen))
    if query := chosen.query.strip():
        statement = statement.where(await is_named(session, query))
    found = await _NEWEST_FIRST.rows(session, statement, cursor=cursor, limit=limit)
    return found.map(_facts_of)


async def subscriptions_of(session: AsyncSession, reader_id: str) -> list[SubscriptionFacts]:
    """All subscriptions of a reader, live ones first, then the newest."""
    found = await session.execute(_of_one(), {"reader_id": reader_id})
    return [_facts_of(row) for row in found]


async def first_subscriptions(
    session: AsyncSession, reader_ids: Collection[str]
) -> dict[str, SubscriptionFacts]:
    """The live subscription of each reader, else the latest, by the reader's id."""
    found = await session.execute(_first_of_each(), {"reader_ids": list(reader_ids)})
    return {row.reader_id: _facts_of(row) for row in found}


async def plans(session: AsyncSession) -> list[str]:
    """The plans that are or were sold."""
    return list(await session.scalars(_PLANS))


# Built once: that takes longer than to execute them.

_PLANS = select(Offer.plan).distinct().order_by(Offer.plan)


@cache
def _of_one() -> Select[*tuple[Any, ...]]:
    return (
        _facts()
        .where(Subscription.reader_id == bindparam("reader_id"))
        .order_by(*(column.desc() for column in _precedence(Subscription)))
    )


@cache
def _first_of_each() -> Select[*tuple[Any, ...]]:
    theirs = Subscription.reader_id.in_(bindparam("reader_ids", expanding=True))
    return _facts().where(_is_the_readers_first(), theirs)


_SHOWN = (
    Reader.id.label("reader_id"), Reader.email, Reader.email_verified_at,
    Subscription.id, Subscription.customer_id, Subscription.offer_id, Offer.name, Subscription.plan,
    Subscription.status, Subscription.outside, Subscription.next_charge_at, Subscription.next_amount,
    Subscription.open_amount, Subscription.started_at, Grant.ends_at, Subscription.current_period_end,
    Subscription.cancel_at, Subscription.trial_end, Subscription.ended_at, Subscription.past_due_since,
    Subscription.pauses_collection, Subscription.cancel_reason, Subscription.access_stop,
    Subscription.access_stopped_at, Subscription.payment_problem, Subscription.payment_url,
    Subscription.amount, Subscription.currency, Subscription.interval, Subscription.interval_count,
)  # fmt: skip
"""Columns alone: the rows' objects would take half of the time of a page."""


def _facts() -> Select[*tuple[Any, ...]]:
    granted = and_(Grant.source == "subscription", Grant.reference == Subscription.id)
    return (
        select(*_SHOWN)
        .join(Reader, Reader.id == Subscription.reader_id)
        .join(Offer, Offer.id == Subscription.offer_id)
        .outerjoin(Grant, granted)
    )


def _facts_of(row: Row[*tuple[Any, ...]]) -> SubscriptionFacts:
    return SubscriptionFacts(
        reader_id=row.reader_id,
        email=row.email,
        email_verified=row.email_verified_at is not None,
        subscription_id=row.id,
        customer_id=row.customer_id,
        offer_id=row.offer_id,
        offer_name=row.name,
        plan=row.plan,
        standing=standing_of(row.status, row.cancel_at, row.outside),
        status=row.status,
        outside=row.outside,
        next_charge_at=row.next_charge_at,
        next_amount=row.next_amount,
        open_amount=row.open_amount,
        since=row.started_at,
        until=row.ends_at or row.cancel_at or row.current_period_end,
        period_end=row.current_period_end,
        cancel_at=row.cancel_at,
        trial_end=row.trial_end,
        ended_at=row.ended_at,
        past_due_since=row.past_due_since,
        pauses_collection=row.pauses_collection,
        cancel_reason=row.cancel_reason,
        access_stop=row.access_stop,
        access_stopped_at=row.access_stopped_at,
        payment_problem=row.payment_problem,
        payment_url=row.payment_url,
        amount=row.amount,
        currency=row.currency,
        interval=row.interval,
        interval_count=row.interval_count,
    )


def _precedence(table: type[Subscription]) -> tuple[ColumnElement[Any], ...]:
    live = case((table.status.in_(sorted(LIVE_STATUSES)), 1), else_=0)
    return (live, table.started_at.expression, table.id.expression)


def _is_the_readers_first() -> ColumnElement[bool]:
    other = aliased(Subscription)
    before = tuple_(*_precedence(other)) > tuple_(*_precedence(Subscription))
    return ~select(other.id).where(other.reader_id == Subscription.reader_id, before).exists()


def _conditions(chosen: SubscriberFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if chosen.plan:
        conditions.append(Subscription.plan == chosen.plan)
    if chosen.standing:
        conditions += has_standing(chosen.standing)
    return conditions


def has_standing(standing: Standing) -> list[ColumnElement[bool]]:
    """What a subscription of this standing fulfils."""
    if standing == "outside":
        return [Subscription.outside != ""]
    conditions = [Subscription.outside == "", Subscription.status.in_(STATUSES[standing])]
    if standing == "active":
        conditions.append(Subscription.cancel_at.is_(None))
    if standing == "ending":
        conditions.append(Subscription.cancel_at.is_not(None))
    return conditions
