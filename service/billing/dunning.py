"""Mails about a payment that stays open: some days before reading ends, and when it has ended.

The first mail comes with the failed payment itself (mailing.py), the last one with Stripe's end of the
subscription.
"""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import notices
from service.billing.mailing import MAILED_WITHIN
from service.billing.notices import About, mail_reader
from service.db.context import Context
from service.db.tables import Grant, Offer, Subscription

REMINDED_BEFORE = timedelta(days=3)
_SETTLES_IN = timedelta(hours=1)
"""Stripe may end the subscription at the same time, which has a mail of its own."""
_AFTER_THE_FIRST = timedelta(days=1)
_OWING = ("past_due", "unpaid")


async def remind_of_open_payments(context: Context) -> None:
    """Store what is due, each mail once."""
    now = context.clocks.business()
    async with context.database.serialised("open-payments") as session:
        for row, offer_name, until in await _ending(session, now):
            if row.past_due_since is not None and row.past_due_since <= now - _AFTER_THE_FIRST:
                notice = notices.reading_ends(About(row, row.id, offer_name, until))
                await mail_reader(session, context, row.reader_id, notice)
        for row, offer_name, until in await _ended(session, now):
            notice = notices.reading_ended(About(row, row.id, offer_name, until))
            await mail_reader(session, context, row.reader_id, notice)


_Owing = tuple[Subscription, str, datetime]


async def _ending(session: AsyncSession, now: datetime) -> list[_Owing]:
    return await _owing(session, since=now, until=now + REMINDED_BEFORE)


async def _ended(session: AsyncSession, now: datetime) -> list[_Owing]:
    return await _owing(session, since=now - MAILED_WITHIN, until=now - _SETTLES_IN)


async def _owing(session: AsyncSession, *, since: datetime, until: datetime) -> list[_Owing]:
    """Subscriptions whose access ends between the two instants because a payment is open, and which the
    reader can do something about: no debit is under way, and the end isn't that of the subscription.
    """
    # Who owed before they were imported hears of it by whatever told them until then.
    is_news = or_(
        Subscription.imported_at.is_(None), Subscription.past_due_since > Subscription.imported_at
    )
    goes_on = or_(Subscription.cancel_at.is_(None), Subscription.cancel_at > Grant.ends_at)
    theirs = and_(Grant.source == "subscription", Grant.reference == Subscription.id)
    found = await session.execute(
        select(Subscription, Offer.name, Grant.ends_at)
        .join(Offer, Offer.id == Subscription.offer_id)
        .join(Grant, theirs)
        .where(
            Subscription.status.in_(_OWING),
            Subscription.access_stop == "",
            Subscription.payment_problem != "bank",
            Subscription.outside != "price",
            goes_on,
            is_news,
            Grant.ends_at > since,
            Grant.ends_at <= until,
        )
        .order_by(Subscription.id)
    )
    return [(row, name, ends_at) for row, name, ends_at in found if ends_at is not None]
