"""What becomes of gift subscriptions by itself: mailed on their day, and moved behind subscriptions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.gift_subscriptions import (
    arrange_gifts,
    find_gift,
    gift_address,
    readers_to_arrange,
)
from service.db.context import Context
from service.db.tables import GiftSubscription, Pass
from service.identity.audit import record
from service.identity.email import checked_address
from service.outbox.mails import put_mail
from service.problems import Problem

log = structlog.get_logger()


async def gift_round(context: Context) -> None:
    """Mail the gifts whose day has come, and arrange those of readers who have subscribed or left."""
    await send_due_gifts(context)
    now = context.clocks.business()
    async with context.database.reading() as session:
        readers = await readers_to_arrange(session, now)
    for reader_id in readers:
        async with _alone(reader_id), context.database.transaction() as session:
            await arrange_gifts(session, reader_id, now)


@asynccontextmanager
async def _alone(about: str) -> AsyncIterator[None]:
    """What fails for one gift or reader keeps no other one waiting; without a database nothing goes on."""
    try:
        yield
    except Problem as problem:
        if problem.type.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        log.warning("gifts.refused", about=about, problem=problem.slug)
    except Exception:
        log.exception("gifts.failed", about=about)


async def send_due_gifts(context: Context) -> int:
    """Mail each paid gift to its receiver once its day has come; how many those were."""
    async with context.database.reading() as session:
        due = await _due(session, context.clocks.business())
    sent = 0
    for gift_id in due:
        # One lock at a time: nobody waits for one gift while holding another.
        async with _alone(gift_id), context.database.transaction() as session:
            sent += await _send(session, context, gift_id)
    return sent


async def _due(session: AsyncSession, now: datetime) -> list[str]:
    """Those that can be redeemed; what was paid back or taken back stays where it is."""
    found = await session.scalars(
        select(GiftSubscription.id)
        .outerjoin(Pass, Pass.id == GiftSubscription.pass_id)
        .where(
            GiftSubscription.sent_at.is_(None), GiftSubscription.receiver_email.is_not(None),
            GiftSubscription.send_at <= now, GiftSubscription.paid_at.is_not(None),
            GiftSubscription.revoked_at.is_(None), GiftSubscription.redeemed_at.is_(None),
            Pass.access_stopped_at.is_(None),
        )
        .order_by(GiftSubscription.send_at, GiftSubscription.id)
    )  # fmt: skip
    return list(found)


async def _send(session: AsyncSession, context: Context, gift_id: str) -> bool:
    """False: it was sent meanwhile, or there is nothing to be had by it any more."""
    bought, now = await find_gift(session, gift_id, lock=True), context.clocks.business()
    gift = bought.gift
    if gift.sent_at is not None or bought.facts.state(now) != "unredeemed":
        return False
    await _mail(session, context, gift, bought.offer.name)
    return True


async def _mail(session: AsyncSession, context: Context, gift: GiftSubscription, name: str) -> None:
    address = checked_address(gift.receiver_email or "")
    gift.sent_at = context.clocks.business()
    await put_mail(
        session, kind="gift", to=address.text, to_key=address.key, reader_id=None,
        settings=context.settings, now=context.clocks.wall(), name=name,
        link=gift_address(gift.id, context.settings),
    )  # fmt: skip


async def send_again(
    session: AsyncSession, context: Context, gift_id: str, *, email: str | None, actor: str
) -> None:
    """Mail a gift now, to this address or to the one that its buyer named.

    Problems `not-found`, `invalid-email`, and `gift-closed` where it is redeemed or over.
    """
    bought, now = await find_gift(session, gift_id, lock=True), context.clocks.business()
    gift = bought.gift
    if bought.facts.state(now) != "unredeemed":
        raise Problem("gift-closed", "It is redeemed, over or not paid: there is nothing to send.")
    to = email or gift.receiver_email
    if to is None:
        raise Problem("invalid-email", "The buyer named no address. Say where it is to be sent.")
    gift.receiver_email = checked_address(to).text
    await _mail(session, context, gift, bought.offer.name)
    await record(session, actor=actor, action="gift.send", target=gift.id, now=now)
