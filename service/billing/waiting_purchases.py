"""Telling an account's reader of a purchase that somebody made with their address (identity.md).

It stays the buyer's until the buyer's own browser verifies the address, or the account's reader takes it
over by choice; nothing of the account changes before.
"""

from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.mailing import MAILED_WITHIN
from service.billing.notices import mail_reader, purchase_waiting, purchase_waits
from service.db.context import Context
from service.db.tables import Checkout, Mail, Offer, Reader
from service.identity.readers import find_reader

BOUGHT = ("completed", "processing")
"""Checkouts that somebody has paid, or is about to."""


async def mail_account(session: AsyncSession, context: Context, checkout: Checkout) -> None:
    """Mail the reader whose verified address was typed, once a purchase; nobody where there is none."""
    is_news = checkout.created_at > context.clocks.business() - MAILED_WITHIN
    if checkout.status not in BOUGHT or not is_news:
        return
    buyer = await find_reader(session, checkout.reader_id) if checkout.reader_id else None
    if buyer is None or buyer.verified_key is not None or buyer.email_key is None:
        return
    account_id = await session.scalar(
        select(Reader.id).where(Reader.verified_key == buyer.email_key)
    )
    if account_id is None:
        return
    offer = await session.get_one(Offer, checkout.offer_id)
    notice = purchase_waiting(checkout.id, offer.name, bought_on=checkout.created_at)
    await mail_reader(session, context, account_id, notice)


async def forget_mails(session: AsyncSession, checkout_ids: Collection[str]) -> None:
    """These purchases wait no longer: what hasn't been sent of them isn't sent."""
    about = [purchase_waits(each) for each in checkout_ids]
    await session.execute(delete(Mail).where(Mail.once.in_(about), Mail.status == "waiting"))
