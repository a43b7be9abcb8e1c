"""What readers ask about gift subscriptions: those they bought, and the one whose link they hold."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.gift_subscriptions import NEWEST, Bought, bought_gifts, find_gift
from service.db.keyset import Page
from service.db.tables import Pass
from service.grants.link_tokens import link_key
from service.html.list_query import ListQuery
from service.problems import Problem
from service.settings import Settings


def gift_id_of(token: str, settings: Settings) -> str:
    """The id that a gift's link names. Problem `not-found` where it was changed."""
    found = link_key(settings).read(token)
    if found is None:
        raise Problem("not-found", "This gift link is incomplete. Open it exactly as it was sent.")
    return found


async def gift_of_link(session: AsyncSession, token: str, settings: Settings) -> Bought:
    return await find_gift(session, gift_id_of(token, settings))


async def gifts_of_buyer(session: AsyncSession, reader_id: str, asked: ListQuery) -> Page[Bought]:
    """What the reader has bought for others, the newest first."""
    theirs = bought_gifts().where(Pass.reader_id == reader_id)
    page = await NEWEST.rows(session, theirs, cursor=asked.cursor, limit=asked.limit)
    return page.map(lambda row: Bought(row[0], row[1], row[2]))
