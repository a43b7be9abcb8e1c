"""What becomes of gift subscriptions by itself: mailed on their day, and moved behind subscriptions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

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
from service.jobs.queue import ClaimedJob, ask, replay, try_given_up
from service.jobs.worker import Kind, work
from service.outbox.mails import put_mail
from service.problems import Problem

SEND, ARRANGE = "gift-send", "gift-arrange"
_PAUSES = (
    timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2),
)  # fmt: skip
"""After a failure. Then it is given up, and somebody has to look at it. Arranging is still tried after
each last pause: while it fails, a reader may be refused what was paid for.
"""


async def gift_round(context: Context) -> None:
    """Mail the gifts whose day has come, and arrange those of readers who have subscribed or left.

    Each is a job of its own: what fails for one keeps no other one waiting.
    """
    now, wall, rounds = context.clocks.business(), context.clocks.wall(), _Rounds(context)
    async with context.database.reading() as session:
        due = [(SEND, gift_id) for gift_id in await _due(session, now)]
        due += [(ARRANGE, reader_id) for reader_id in await readers_to_arrange(session, now)]
    if due:
        async with context.database.transaction() as session:
            for kind, key in sorted(due):  # two processes in one order
                await ask(session, kind=kind, key=key, now=wall)
                if kind == ARRANGE:
                    await try_given_up(session, kind=kind, key=key, pause=_PAUSES[-1], now=wall)
    kinds = {SEND: Kind(rounds.send, _PAUSES), ARRANGE: Kind(rounds.arrange, _PAUSES)}
    await work(context.database, kinds, context.clocks)


@dataclass(frozen=True)
class _Rounds:
    """What the jobs need. Each answers its result in words."""

    context: Context

    async def send(self, job: ClaimedJob) -> str:
        async with self.context.database.transaction() as session:
            return await _send(session, self.context, job.key)

    async def arrange(self, job: ClaimedJob) -> str:
        async with self.context.database.transaction() as session:
            await arrange_gifts(session, job.key, self.context.clocks.business())
        return "arranged"


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


async def _send(session: AsyncSession, context: Context, gift_id: str) -> str:
    bought, now = await find_gift(session, gift_id, lock=True), context.clocks.business()
    gift = bought.gift
    if gift.sent_at is not None or bought.facts.state(now) != "unredeemed":
        return "sent already, or there is nothing to be had by it any more"
    await _mail(session, context, gift, bought.offer.name)
    return "sent"


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
    await replay(
        session, kind=SEND, key=gift.id, now=context.clocks.wall()
    )  # it was given up, perhaps
    await record(session, actor=actor, action="gift.send", target=gift.id, now=now)
