"""Gift subscriptions: bought by one reader, redeemed by another.

The payment is a pass's (passes.py), with its refunds and disputes; what it gives is the receiver's, from when they
redeem it. Whatever changes a gift takes the turn of who has redeemed it first, and locks the gift second.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, case, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.billing import notices
from service.billing.gift_periods import GiftFacts, Redeemed, placed
from service.billing.notices import mail_reader
from service.db.base import new_id
from service.db.context import Context
from service.db.keyset import Keyset
from service.db.tables import Checkout, GiftSubscription, Grant, Offer, Pass
from service.grants.grants import EVERYTHING, plan_scope
from service.grants.link_tokens import link_key
from service.grants.store import find_grant, put_grant
from service.identity.audit import record
from service.identity.readers import settled_reader, take_turn
from service.offers.pricing import end_of_pass
from service.offers.store import price_of
from service.outbox.domain_events import emit
from service.problems import Problem
from service.settings import Settings

NEWEST = Keyset(GiftSubscription.created_at, GiftSubscription.id)
LATEST_SENDING = timedelta(days=731)
"""Two years: what is to be sent later is a typing error, and nobody would remember it."""
_CLOSED = {
    "unpaid": "The payment for this gift hasn’t arrived yet. Try again later.",
    "refunded": "The payment for this gift was given back, so it opens nothing any more. Ask the person who gave it to you.",
    "disputed": "The payment for this gift is disputed. It opens nothing until the bank has decided. Ask the person who gave it to you.",
    "revoked": "This gift was taken back. Ask the newsroom, or the person who gave it to you.",
    "over": "This gift is over.",
    "running": "Another reader has redeemed this gift.",
    "waiting": "Another reader has redeemed this gift.",
}


@dataclass(frozen=True)
class GiftWanted:
    """What a buyer says of a gift. `send_at` is business time; without an address nothing is mailed."""

    receiver_email: str | None
    send_at: datetime | None


@dataclass(frozen=True)
class Bought:
    """A gift with what was paid for it; `payment` None: nothing yet."""

    gift: GiftSubscription
    offer: Offer
    payment: Pass | None

    @property
    def facts(self) -> GiftFacts:
        row, paid = self.gift, self.payment
        return GiftFacts(
            row.paid_at, row.revoked_at, paid.access_stopped_at if paid is not None else None,
            row.redeemed_at, row.starts_at, row.ends_at,
            paid.access_stop if paid is not None else "",
        )  # fmt: skip


def gift_address(gift_id: str, settings: Settings) -> str:
    """Where a gift is redeemed. Who has this link can redeem it."""
    return f"{settings.public_url}/gift/{link_key(settings).sign(gift_id)}"


async def draft_gift(
    session: AsyncSession, checkout_id: str, wanted: GiftWanted, now: datetime
) -> None:
    """Keep with an open checkout what its buyer says of the gift; the last click counts."""
    if wanted.send_at is not None and wanted.send_at > now + LATEST_SENDING:
        told = "We mail a gift within two years. Choose an earlier day."
        errors = [{"field": "body.gift.send_at", "message": "is more than two years from now"}]
        raise Problem("invalid-request", told, errors=errors)
    gift = await _of_checkout(session, checkout_id)
    if gift is None:
        gift = _new(checkout_id, now)
        session.add(gift)
    gift.receiver_email = wanted.receiver_email
    gift.send_at = _sent_at(wanted, now)
    await session.flush()


def _sent_at(wanted: GiftWanted, now: datetime) -> datetime:
    return max(now, wanted.send_at or now)


async def is_drafted(
    session: AsyncSession, checkout_id: str, wanted: GiftWanted, now: datetime
) -> bool:
    """Whether the checkout is for this gift: to the same receiver, on the same day."""
    gift = await _of_checkout(session, checkout_id)
    if gift is None:
        return wanted == GiftWanted(None, None)
    sending = max(now, gift.send_at)
    return (gift.receiver_email, sending) == (wanted.receiver_email, _sent_at(wanted, now))


def _new(checkout_id: str, now: datetime) -> GiftSubscription:
    return GiftSubscription(
        id=new_id("gsb"), checkout_id=checkout_id, pass_id=None, receiver_email=None, send_at=now,
        sent_at=None, created_at=now, paid_at=None, revoked_at=None, redeemed_at=None,
        redeemed_by=None, starts_at=None, ends_at=None,
    )  # fmt: skip


async def _of_checkout(session: AsyncSession, checkout_id: str) -> GiftSubscription | None:
    found: GiftSubscription | None = await session.scalar(
        select(GiftSubscription)
        .where(GiftSubscription.checkout_id == checkout_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found


async def store_payment(
    session: AsyncSession, context: Context, payment: Pass, checkout: Checkout, offer: Offer
) -> None:
    """Its payment was stored: the gift can be redeemed, or what gave the money back ends it. Repeatable."""
    now = context.clocks.business()
    gift_id = await session.scalar(
        select(GiftSubscription.id).where(GiftSubscription.checkout_id == checkout.id)
    )
    if gift_id is not None:
        gift = (await _hold(session, gift_id)).gift
    else:
        gift = _new(checkout.id, now)
        session.add(gift)
    is_new = gift.paid_at is None
    gift.pass_id, gift.paid_at = payment.id, payment.paid_at
    await session.flush()
    if gift.redeemed_by is not None:
        await arrange_gifts(session, gift.redeemed_by, now)
    if is_new:
        await _tell_buyer(session, context, gift, payment, offer)


async def _tell_buyer(
    session: AsyncSession, context: Context, gift: GiftSubscription, payment: Pass, offer: Offer
) -> None:
    paid = notices.Amount(payment.amount, payment.currency)
    notice = notices.bought_gift(
        gift.id, offer.name, paid, redeem=gift_address(gift.id, context.settings),
        sent_on=gift.send_at if gift.receiver_email is not None else None,
    )  # fmt: skip
    await mail_reader(session, context, payment.reader_id, notice)
    await emit(
        session, type_="gift.bought", reader_id=payment.reader_id, subject_id=gift.id,
        once=f"gift.bought:{gift.id}", occurred_at=payment.paid_at, before=None,
        after=gift_payload(gift, offer), now=context.clocks.wall(),
    )  # fmt: skip


def gift_payload(gift: GiftSubscription, offer: Offer) -> dict[str, object]:
    """What its events say of it."""
    return {
        "offer": offer.id,
        "plan": offer.plan,
        "starts_at": gift.starts_at.isoformat() if gift.starts_at else None,
        "ends_at": gift.ends_at.isoformat() if gift.ends_at else None,
    }


async def _hold(session: AsyncSession, gift_id: str) -> Bought:
    """The gift, locked in the turn of who has redeemed it. Problem `not-found`."""
    while True:
        reader_id = await session.scalar(
            select(GiftSubscription.redeemed_by).where(GiftSubscription.id == gift_id)
        )
        if reader_id is not None:
            await take_turn(session, reader_id)
        async with session.begin_nested() as attempt:
            found = await find_gift(session, gift_id, lock=True)
            if found.gift.redeemed_by == reader_id:
                return found
            # Somebody redeemed it at this moment: its lock is given back, and their turn comes first.
            await attempt.rollback()


async def find_gift(session: AsyncSession, gift_id: str, *, lock: bool = False) -> Bought:
    """Problem `not-found`: there is none."""
    statement = bought_gifts().where(GiftSubscription.id == gift_id)
    if lock:
        statement = statement.with_for_update(of=GiftSubscription)
    found = (await session.execute(statement.execution_options(populate_existing=True))).first()
    if found is None:
        raise Problem("not-found", "Gift not found. Open the link exactly as it was sent.")
    return Bought(found[0], found[1], found[2])


def bought_gifts() -> Select[GiftSubscription, Offer, Pass]:
    """Gifts with offer and payment."""
    return (
        select(GiftSubscription, Offer, Pass)
        .join(Checkout, Checkout.id == GiftSubscription.checkout_id)
        .join(Offer, Offer.id == Checkout.offer_id)
        .outerjoin(Pass, Pass.id == GiftSubscription.pass_id)
    )


async def redeem(
    session: AsyncSession, context: Context, gift_id: str, *, reader_id: str
) -> Bought:
    """Give the term to this reader, from now on; repeating it changes nothing.

    Problems `not-found`, and `gift-closed` where it can't be redeemed.
    """
    now = context.clocks.business()
    reader_id = await settled_reader(session, reader_id)
    bought = await find_gift(session, gift_id, lock=True)
    gift = bought.gift
    state = bought.facts.state(now)
    if gift.redeemed_by == reader_id and state not in {"revoked", "refunded", "disputed"}:
        return bought
    if state != "unredeemed":
        raise Problem("gift-closed", _CLOSED[state])
    gift.redeemed_at, gift.redeemed_by, gift.receiver_email = now, reader_id, None
    gift.starts_at, gift.ends_at = now, end_of_pass(price_of(bought.offer), now)
    await session.flush()
    await arrange_gifts(session, reader_id, now)
    await emit(
        session, type_="gift.redeemed", reader_id=reader_id, subject_id=gift.id,
        once=f"gift.redeemed:{gift.id}", occurred_at=now, before=None,
        after=gift_payload(gift, bought.offer), now=context.clocks.wall(),
    )  # fmt: skip
    return bought


async def revoke_gift(
    session: AsyncSession, context: Context, gift_id: str, *, actor: str
) -> Bought:
    """Take a gift back, redeemed or not; the money stays where it is. Repeating it changes nothing."""
    now = context.clocks.business()
    bought = await _hold(session, gift_id)
    gift = bought.gift
    if gift.revoked_at is not None:
        return bought
    gift.revoked_at = now
    await session.flush()
    if gift.redeemed_by is not None:
        await arrange_gifts(session, gift.redeemed_by, now)
    await record(
        session, actor=actor, action="gift.revoke", target=gift.id,
        after={"revoked_at": now.isoformat()}, now=now,
    )  # fmt: skip
    return bought


async def arrange_gifts(session: AsyncSession, reader_id: str, now: datetime) -> None:
    """Put what is left of the reader's gifts behind their own subscription and one after the other."""
    await take_turn(session, reader_id)
    statement = bought_gifts().where(GiftSubscription.redeemed_by == reader_id)
    ordered = statement.order_by(GiftSubscription.redeemed_at, GiftSubscription.id)
    rows = await session.execute(ordered.execution_options(populate_existing=True))
    gifts = [Bought(gift, offer, payment) for gift, offer, payment in rows]
    subscribed = await _subscribed_until(
        session, reader_id, {each.offer.plan for each in gifts}, now
    )
    running = [
        Redeemed(each.gift.id, each.offer.plan, each.gift.starts_at, each.gift.ends_at)
        for each in gifts
        if each.gift.starts_at is not None
        and each.gift.ends_at is not None
        and _closed(each) is None
    ]
    found = placed(running, subscribed, now)
    for each in gifts:
        place = found.get(each.gift.id)
        if place is not None:
            each.gift.starts_at, each.gift.ends_at = place.starts_at, place.ends_at
        await _put_grant(session, each, reader_id, now)
    await session.flush()


async def _subscribed_until(
    session: AsyncSession, reader_id: str, plans: Collection[str], now: datetime
) -> dict[str, datetime | None]:
    """By plan: the end of what those of the reader's own subscriptions give that open it."""
    rows = await session.execute(
        select(Grant.scope, Grant.ends_at).where(
            Grant.reader_id == reader_id, Grant.source == "subscription",
            Grant.starts_at <= now, Grant.ends_at > now,
        )
    )  # fmt: skip
    held = [(scope, ends_at) for scope, ends_at in rows if ends_at is not None]
    return {
        plan: max(
            (at for scope, at in held if scope in (EVERYTHING, plan_scope(plan))), default=None
        )
        for plan in plans
    }


def _closed(bought: Bought) -> datetime | None:
    """When a refund, a dispute or the newsroom ended it."""
    stopped = bought.payment.access_stopped_at if bought.payment is not None else None
    ends = [each for each in (stopped, bought.gift.revoked_at) if each is not None]
    return min(ends, default=None)


async def _put_grant(session: AsyncSession, bought: Bought, reader_id: str, now: datetime) -> None:
    gift, closed = bought.gift, _closed(bought)
    if gift.starts_at is None or gift.ends_at is None:
        return
    ends = gift.ends_at if closed is None else max(gift.starts_at, min(gift.ends_at, closed))
    before = await find_grant(session, "gift", gift.id)
    if before is not None and (before.starts_at, before.ends_at) == (gift.starts_at, ends):
        return
    await put_grant(
        session, source="gift", reference=gift.id, reader_id=reader_id,
        scope=plan_scope(bought.offer.plan), starts_at=gift.starts_at, ends_at=ends, now=now,
    )  # fmt: skip


async def end_gifts_of(session: AsyncSession, reader_ids: Collection[str], now: datetime) -> None:
    """End what these readers have redeemed; what they bought for others stays. Call it in their turn."""
    await session.execute(
        update(GiftSubscription)
        .where(GiftSubscription.redeemed_by.in_(reader_ids), GiftSubscription.ends_at > now)
        .values(
            ends_at=now,
            starts_at=case(
                (GiftSubscription.starts_at > now, now), else_=GiftSubscription.starts_at
            ),
        )
    )


def _open_gifts(
    gift: type[GiftSubscription], offer: type[Offer], now: datetime
) -> Select[str | None]:
    """Whose the gifts are that aren't over and that nothing has ended; by these names of the tables."""
    checkout, payment = aliased(Checkout), aliased(Pass)
    return (
        select(gift.redeemed_by)
        .join(checkout, checkout.id == gift.checkout_id)
        .join(offer, offer.id == checkout.offer_id)
        .outerjoin(payment, payment.id == gift.pass_id)
        .where(gift.ends_at > now, gift.revoked_at.is_(None), payment.access_stopped_at.is_(None))
    )


async def readers_to_arrange(session: AsyncSession, now: datetime) -> list[str]:
    """Readers whose gift runs beside their own subscription to its plan, or waits for one that is over.

    Of several gifts of a plan the first one in line decides: the others follow it.
    """
    gift, earlier, plan, earlier_plan = (
        aliased(GiftSubscription), aliased(GiftSubscription), aliased(Offer), aliased(Offer),
    )  # fmt: skip
    subscribed_until = (
        select(func.max(Grant.ends_at))
        .where(
            Grant.reader_id == gift.redeemed_by, Grant.source == "subscription",
            Grant.starts_at <= now, Grant.ends_at > now,
            Grant.scope.in_((EVERYTHING, literal(plan_scope("")) + plan.plan)),
        )
        .scalar_subquery()
    )  # fmt: skip
    ahead = _open_gifts(earlier, earlier_plan, now).where(
        earlier.redeemed_by == gift.redeemed_by, earlier_plan.plan == plan.plan,
        or_(
            earlier.redeemed_at < gift.redeemed_at,
            and_(earlier.redeemed_at == gift.redeemed_at, earlier.id < gift.id),
        ),
    )  # fmt: skip
    found = await session.scalars(
        _open_gifts(gift, plan, now)
        .where(
            gift.redeemed_by.is_not(None), ~ahead.exists(),
            or_(
                subscribed_until != gift.starts_at,
                and_(gift.starts_at > now, subscribed_until.is_(None)),
            ),
        )
        .distinct()
    )  # fmt: skip
    return [each for each in found if each is not None]
