"""What a holder did after a wall, each as an expression over days of holders with `whose`."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, literal, select, union_all
from sqlalchemy.orm import aliased

from service.db.base import UtcDateTime
from service.db.tables import (
    Checkout,
    MovementRow,
    Pass,
    Reader,
    ReaderDevice,
    SignInAsk,
    Subscription,
)
from service.metering.store import DEVICE, READER
from service.offers.store import gift_offers


def is_first(link: Any) -> ColumnElement[bool]:
    """Whether a device that several readers used is this one's."""
    other = aliased(ReaderDevice)
    return ~exists().where(
        and_(other.device_id == link.device_id, other.reader_id < link.reader_id)
    )


def first_payment(days: Any) -> ColumnElement[Any]:
    """Of a reader: when a subscription first brought something, or the first pass, no gift."""
    reader = func.substr(days.c.whose, len(READER) + 1)
    brought = (
        select(MovementRow.at.label("at"))
        .join(Subscription, Subscription.id == MovementRow.subscription_id)
        .where(Subscription.reader_id == reader, MovementRow.to_plan.is_not(None))
        .correlate(days)
    )
    passes = (
        select(Pass.paid_at.label("at"))
        .where(Pass.reader_id == reader, Pass.offer_id.not_in(gift_offers()))
        .correlate(days)
    )
    first = union_all(brought, passes).subquery("payments")
    return select(func.min(first.c.at, type_=UtcDateTime())).scalar_subquery()


def registration(days: Any) -> ColumnElement[Any]:
    """When the reader verified an address."""
    return (
        select(Reader.email_verified_at)
        .where(Reader.id == func.substr(days.c.whose, len(READER) + 1))
        .correlate(days)
        .scalar_subquery()
    )


def first_ask(days: Any) -> ColumnElement[Any]:
    """When a holder, reader or device, first asked for a sign-in mail after the wall to register."""
    row, link = SignInAsk, aliased(ReaderDevice)
    reader = func.substr(days.c.whose, len(READER) + 1)
    after = row.at >= days.c.register_at
    ways = (
        select(row.at.label("at")).where(row.holder == days.c.whose, after),
        select(row.at)
        .join(link, row.holder == literal(DEVICE) + link.device_id)
        .where(link.reader_id == reader, days.c.whose.startswith(READER), is_first(link), after),
    )
    asked = union_all(*(each.correlate(days) for each in ways)).subquery("asked")
    return select(func.min(asked.c.at, type_=UtcDateTime())).scalar_subquery()


def first_checkout(days: Any) -> ColumnElement[Any]:
    """When a holder, reader or device, first began a checkout after the wall to subscribe, gifts left out."""
    row, link = Checkout, aliased(ReaderDevice)
    reader = func.substr(days.c.whose, len(READER) + 1)
    device = func.substr(days.c.whose, len(DEVICE) + 1)
    after = and_(row.created_at >= days.c.subscribe_at, row.offer_id.not_in(gift_offers()))
    ways = (
        select(row.created_at.label("at")).where(row.reader_id == reader, after),
        select(row.created_at).where(
            row.device_id == device, days.c.whose.startswith(DEVICE), row.reader_id.is_(None), after
        ),
        select(row.created_at)
        .join(link, link.device_id == row.device_id)
        .where(link.reader_id == reader, is_first(link), row.reader_id.is_(None), after),
    )
    begun = union_all(*(each.correlate(days) for each in ways)).subquery("begun")
    return select(func.min(begun.c.at, type_=UtcDateTime())).scalar_subquery()
