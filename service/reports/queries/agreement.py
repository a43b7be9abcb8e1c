"""What an agreement with Stripe's own figure is made of: subscriptions as they were at an instant.

What ours were is in the movements. Trials, what is free, and what is outside the catalogue bring nothing and
move nothing: of these the subscription says what they are now.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, case, exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.billing.discounts import less, read
from service.billing.foreign import ALL
from service.billing.recurring import GIVEN_BACK, PAYING_STATUSES, monthly
from service.billing.scheduled_ends import spans
from service.db.tables import (
    InvoiceRow,
    MovementRow,
    Offer,
    Reconciliation,
    Subscription,
    UnboundSubscription,
)
from service.reports.agreement import Beyond, Cause, Group, Readers

_COUNTED = "counted"
_OTHERS: tuple[Cause, ...] = ("outside", "given_back", "paused", "trials", "free")
_AT_ONCE = 500
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Account:
    """What the account at Stripe has beside our subscriptions: MRR and customers, by cause.

    `as_of`: when the account was last looked through; None: never.
    """

    mrr: Beyond
    customers: Beyond
    as_of: datetime | None


async def money(
    session: AsyncSession, at: datetime, currency: str, *, is_now: bool
) -> tuple[list[Group], Beyond]:
    """Of one currency: what we count, by what Stripe's settings ask; and what we don't, by cause."""
    held = _held(at, currency, is_now=is_now)
    keys = (held.c.cause, held.c.is_scheduled, held.c.is_unpaid, held.c.interval, held.c.every)
    sums = [func.sum(held.c[name]) for name in ("listed", "recurring", "net")]
    is_mixed = and_(held.c.cause == _COUNTED, held.c.recurring != held.c.net)
    amounts: defaultdict[tuple[bool, bool], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 4)
    beyond: defaultdict[Cause, Fraction | int | None] = defaultdict(int)
    found = await session.execute(select(*keys, *sums).where(~is_mixed).group_by(*keys))
    for cause, scheduled_, unpaid, interval, every, *totals in found:
        listed, recurring, net = (monthly(int(each), interval, every) for each in totals)
        if cause == _COUNTED:
            _add(amounts[bool(scheduled_), bool(unpaid)], (listed, recurring, net, net))
        else:
            beyond[cause] = (beyond[cause] or 0) + listed
    rows = select(
        *keys[1:], held.c.listed, held.c.recurring, held.c.net, MovementRow.discounts
    ).join(
        MovementRow,
        and_(
            MovementRow.subscription_id == held.c.subscription_id,
            MovementRow.number == held.c.number,
        ),
    )
    # Each has discounts of its own: they are worked out some at a time, and never all held.
    mixed = await session.stream(rows.where(is_mixed).execution_options(yield_per=_AT_ONCE))
    async for scheduled_, unpaid, interval, every, listed, recurring, net, discounts in mixed:
        repeated = less(listed, [each for each in read(discounts) if each.duration != "once"])
        _add(
            amounts[bool(scheduled_), bool(unpaid)],
            [monthly(each, interval, every) for each in (listed, recurring, repeated, net)],
        )
    return [Group(*key, *each) for key, each in sorted(amounts.items())], beyond


def _add(so_far: list[Fraction], more: Any) -> None:
    so_far[:] = [a + b for a, b in zip(so_far, more, strict=True)]


async def readers(
    session: AsyncSession, at: datetime, currency: str, *, is_now: bool
) -> list[Readers]:
    """Numbers of readers who have the same; of one currency, or empty: of all."""
    held = _held(at, currency, is_now=is_now)
    is_counted = held.c.cause == _COUNTED
    runs_on, paid = held.c.is_scheduled == 0, held.c.is_unpaid == 0
    flags = [
        is_counted, and_(is_counted, runs_on), and_(is_counted, paid),
        and_(is_counted, runs_on, paid), *(held.c.cause == cause for cause in _OTHERS),
    ]  # fmt: skip
    by_reader = (
        select(
            held.c.reader_id,
            *(
                func.max(case((flag, 1), else_=0)).label(f"flag_{number}")
                for number, flag in enumerate(flags)
            ),
        )
        .group_by(held.c.reader_id)
        .subquery("by_reader")
    )
    columns = [by_reader.c[f"flag_{number}"] for number in range(len(flags))]
    found = await session.execute(select(func.count(), *columns).group_by(*columns))
    ways = ((False, False), (True, False), (False, True), (True, True))
    return [
        Readers(
            number,
            frozenset(way for way, has in zip(ways, has_it, strict=False) if has),
            frozenset(c for c, has in zip(_OTHERS, has_it[len(ways) :], strict=True) if has),
        )
        for number, *has_it in found
    ]


async def account(session: AsyncSession, at: datetime, currency: str) -> Account:
    """What is no reader's, now; and what something else sold, when it was last looked through."""
    row, offer = UnboundSubscription, Offer
    of_currency = offer.currency == currency if currency else true()
    unbound = Fraction(0)
    of_what_we_sell = (row.status.in_(PAYING_STATUSES), row.started_at <= at, of_currency)
    for amount, interval, every in await session.execute(
        select(func.sum(offer.amount), offer.interval, offer.interval_count)
        .join(row, offer.id == row.offer_id)
        .where(*of_what_we_sell)
        .group_by(offer.interval, offer.interval_count)
    ):
        unbound += monthly(int(amount), interval, every)
    customers = await session.scalar(
        select(func.count(row.customer_id.distinct()))
        .join(offer, offer.id == row.offer_id)
        .where(*of_what_we_sell)
    )
    looked = await _looked_through(session, at)
    if looked is None:
        return Account(
            {"unbound": unbound, "foreign": None},
            {"unbound": customers or 0, "foreign": None},
            None,
        )
    by_currency = looked.foreign or {}
    foreign = [v for k, v in by_currency.items() if not currency or k == currency]
    # Looked through by an earlier release, which kept no number over all currencies.
    together = [by_currency[ALL]] if not currency and ALL in by_currency else foreign
    return Account(
        {"unbound": unbound, "foreign": sum((Fraction(e["mrr"]) for e in foreign), Fraction(0))},
        {"unbound": customers or 0, "foreign": sum(each["customers"] for each in together)},
        looked.finished_at,
    )


async def _looked_through(session: AsyncSession, at: datetime) -> Reconciliation | None:
    """The first run after that instant, else the last one."""
    runs = select(Reconciliation).where(
        Reconciliation.finished_at.is_not(None), Reconciliation.foreign.is_not(None)
    )
    started = Reconciliation.started_at
    after = await session.scalar(runs.where(started >= at).order_by(started).limit(1))
    return after or await session.scalar(runs.order_by(started.desc()).limit(1))


def _held(at: datetime, currency: str, *, is_now: bool) -> Subquery:
    """Each subscription with its cause and what it brings, or would bring, for the interval charged."""
    row, last = Subscription, aliased(MovementRow)
    latest = (
        select(MovementRow.subscription_id, func.max(MovementRow.number).label("number"))
        .where(MovementRow.at <= at)
        .group_by(MovementRow.subscription_id)
        .subquery("latest")
    )
    counted = last.to_plan.is_not(None)
    paused = and_(last.kind == "pause", last.cause == "collection_paused")
    lives = and_(row.started_at <= at, or_(row.ended_at.is_(None), row.ended_at > at))
    pays = and_(row.status.in_(PAYING_STATUSES), row.pauses_collection.is_(False))
    cause = case(
        (counted, _COUNTED),
        (and_(lives, paused), "paused"),
        (and_(lives, pays, row.outside != ""), "outside"),
        (and_(lives, pays, row.access_stop.in_(sorted(GIVEN_BACK))), "given_back"),
        (and_(lives, row.outside == "", row.trial_end > at), "trials"),
        (and_(lives, pays, row.outside == "", row.recurring_amount == 0, row.amount > 0), "free"),
        else_="",
    )

    def amount(side: str, own: Any) -> ColumnElement[int]:
        return case(
            (counted, getattr(last, f"to_{side}")), (paused, getattr(last, f"from_{side}")),
            else_=own,
        )  # fmt: skip

    known = case((last.number.is_not(None), last.currency), else_=row.currency)
    every = (
        select(
            row.id.label("subscription_id"), row.reader_id, last.number, cause.label("cause"),
            amount("interval", row.interval).label("interval"),
            amount("interval_count", row.interval_count).label("every"),
            amount("listed", row.amount).label("listed"),
            amount("recurring", row.amount).label("recurring"),
            amount("net", row.amount).label("net"),
            case((_is_scheduled(at, is_now=is_now), 1), else_=0).label("is_scheduled"),
            case((_is_unpaid(at), 1), else_=0).label("is_unpaid"),
        )
        .outerjoin(latest, latest.c.subscription_id == row.id)
        .outerjoin(
            last,
            and_(last.subscription_id == latest.c.subscription_id, last.number == latest.c.number),
        )
        .where(known == currency if currency else true())
        .subquery("every")
    )  # fmt: skip
    return select(every).where(every.c.cause != "").subquery("held")


def _is_scheduled(at: datetime, *, is_now: bool) -> ColumnElement[bool]:
    if is_now:
        return Subscription.cancel_at.is_not(None)
    return Subscription.id.in_(select(spans(at, at + _MOMENT).c.id))


def _is_unpaid(at: datetime) -> ColumnElement[bool]:
    """No invoice of it with an amount was paid by then."""
    return ~exists().where(
        InvoiceRow.subscription_id == Subscription.id,
        InvoiceRow.paid_at <= at,
        InvoiceRow.amount_paid > 0,
    )
