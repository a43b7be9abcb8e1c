"""Whom an export or erasing is about, and which rows of each table are theirs."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.confirm import CODES
from service.account.sign_in import MAILS, MAILS_FROM_ALL
from service.db.tables import (
    AccessEntry,
    ChargeRow,
    Checkout,
    CheckoutTouches,
    Customer,
    DomainEvent,
    GiftSubscription,
    Grant,
    Mail,
    MovementRow,
    Pass,
    PromotionUse,
    RateLimit,
    Reader,
    ReaderDevice,
    ReaderSession,
    Seat,
    SignInRequest,
    Subscription,
    WebhookDelivery,
)
from service.grants.right_claims import CLAIMS
from service.identity.email import mailbox_of
from service.metering.store import (
    known_device_holder,
    named_meter,
    reader_holder,
    readers_meter,
)
from service.rules.store import meter_names


@dataclass(frozen=True)
class Subject:
    """Whom it is about, and by what they are known beside their id."""

    ids: tuple[str, ...]
    """The reader's, then those of the provisional readers who turned out to be them."""
    address_key: str | None
    """Of the verified address alone: what is only typed may be somebody else's."""
    devices: tuple[str, ...]
    """Pseudonyms of the devices that they signed in on."""
    sessions: tuple[str, ...]
    customers: tuple[str, ...]
    grants: tuple[str, ...]
    meters: tuple[str, ...]
    """Names of all meters of their own that there ever were."""


async def subject_of(session: AsyncSession, reader_id: str) -> Subject | None:
    """The reader with everything by which rows are theirs; None: there is no such account."""
    reader = await session.get(Reader, reader_id, populate_existing=True)
    if reader is None or reader.merged_into is not None:
        return None
    merged = await session.scalars(
        select(Reader.id).where(Reader.merged_into == reader_id).order_by(Reader.id)
    )
    ids = (reader_id, *merged)
    sessions = (
        await session.execute(
            select(ReaderSession.id, ReaderSession.device_id).where(
                ReaderSession.reader_id.in_(ids)
            )
        )
    ).all()
    linked = await session.scalars(
        select(ReaderDevice.device_id).where(ReaderDevice.reader_id.in_(ids))
    )
    devices = {device for _, device in sessions if device is not None} | set(linked)
    customers = await session.scalars(select(Customer.id).where(Customer.reader_id.in_(ids)))
    grants = await session.scalars(select(Grant.id).where(Grant.reader_id.in_(ids)))
    return Subject(
        ids=ids,
        address_key=reader.verified_key,
        devices=tuple(sorted(devices)),
        sessions=tuple(sorted(each for each, _ in sessions)),
        customers=tuple(sorted(customers)),
        grants=tuple(sorted(grants)),
        meters=tuple(sorted(await meter_names(session))),
    )


def reads_by_index(subject: Subject) -> list[ColumnElement[bool]]:
    """Their reads in parts that don't overlap, each of which an index finds.

    What a device of theirs read before it was signed in is theirs; what another reader read isn't.
    """
    return [
        *(AccessEntry.reader_id == each for each in subject.ids),
        *(
            and_(AccessEntry.device_id == each, AccessEntry.reader_id.is_(None))
            for each in subject.devices
        ),
    ]


def their_reads(subject: Subject) -> ColumnElement[bool]:
    return or_(*reads_by_index(subject))


def their_checkouts(subject: Subject) -> ColumnElement[bool]:
    anonymous = and_(Checkout.reader_id.is_(None), Checkout.device_id.in_(subject.devices))
    return or_(Checkout.reader_id.in_(subject.ids), anonymous)


def their_checkout_touches(subject: Subject) -> ColumnElement[bool]:
    return CheckoutTouches.checkout_id.in_(select(Checkout.id).where(their_checkouts(subject)))


def their_subscriptions(subject: Subject) -> Select[str]:
    return select(Subscription.id).where(Subscription.reader_id.in_(subject.ids))


def their_movements(subject: Subject) -> ColumnElement[bool]:
    return MovementRow.subscription_id.in_(their_subscriptions(subject))


def their_promotion_uses(subject: Subject) -> ColumnElement[bool]:
    passes = select(Pass.id).where(Pass.reader_id.in_(subject.ids))
    return or_(
        PromotionUse.subscription_id.in_(their_subscriptions(subject)),
        PromotionUse.pass_id.in_(passes),
    )


def their_charges(subject: Subject) -> ColumnElement[bool]:
    passes = select(Pass.id).where(Pass.reader_id.in_(subject.ids))
    return or_(
        ChargeRow.subscription_id.in_(their_subscriptions(subject)),
        ChargeRow.payment_id.in_(passes),
    )


def their_gift_subscriptions(subject: Subject) -> ColumnElement[bool]:
    """What they bought for others, and what they redeemed."""
    bought = select(Pass.id).where(Pass.reader_id.in_(subject.ids))
    return or_(GiftSubscription.pass_id.in_(bought), GiftSubscription.redeemed_by.in_(subject.ids))


def their_seats(subject: Subject) -> ColumnElement[bool]:
    """Those they have taken, and those of their own subscriptions."""
    return or_(
        Seat.reader_id.in_(subject.ids), Seat.subscription_id.in_(their_subscriptions(subject))
    )


def their_charge_ids(subject: Subject) -> Select[str]:
    return select(ChargeRow.id).where(their_charges(subject))


def their_mails(subject: Subject) -> ColumnElement[bool]:
    theirs = Mail.reader_id.in_(subject.ids)
    if subject.address_key is None:
        return theirs
    return or_(theirs, Mail.recipient_key == subject.address_key)


def their_sign_ins(subject: Subject) -> ColumnElement[bool]:
    theirs = SignInRequest.reader_id.in_(subject.ids)
    if subject.address_key is None:
        return theirs
    return or_(theirs, SignInRequest.email_key == subject.address_key)


def their_limits(subject: Subject) -> ColumnElement[bool]:
    claims = RateLimit.key.in_([f"{CLAIMS}/{each}" for each in subject.ids])
    if subject.address_key is None:
        return claims
    counted = [f"{name}/{subject.address_key}" for name in (MAILS, MAILS_FROM_ALL, CODES.name)]
    return or_(
        claims,
        RateLimit.key.in_(counted),
        *(RateLimit.key.startswith(f"{each}/", autoescape=True) for each in counted),
    )


def their_webhooks(subject: Subject) -> ColumnElement[bool]:
    events = select(DomainEvent.id).where(DomainEvent.reader_id.in_(subject.ids))
    return WebhookDelivery.event_id.in_(events)


def their_holders(subject: Subject) -> list[str]:
    return [
        *(reader_holder(each) for each in subject.ids),
        *(known_device_holder(each) for each in subject.devices),
    ]


def their_meters(subject: Subject) -> list[str]:
    mailbox = mailbox_of(subject.address_key)
    shared = [readers_meter("", mailbox)] if mailbox is not None else []
    keys = [*their_holders(subject), *shared]
    return [named_meter(key, name) for key in keys for name in (None, *subject.meters)]
