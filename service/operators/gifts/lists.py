"""Gift links as the newsroom sees them: how many came by each, and how many of them bought since."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Page
from service.db.tables import Article, Checkout, GiftLink, GiftOpening
from service.grants.gift_links import NEWEST
from service.html.list_query import EMPTY_IS_NONE, ListQuery


class GiftLinkQuery(ListQuery):
    """`live` links open their article; `over` are those that have ended or expired."""

    state: Annotated[Literal["live", "over"] | None, EMPTY_IS_NONE] = None


AnyGiftLinks = Annotated[GiftLinkQuery, Query()]


@dataclass(frozen=True)
class ListedGift:
    """`bought` are devices that opened the link and paid for something afterwards."""

    link: GiftLink
    slug: str
    title: str
    bought: int


async def list_gift_links(
    session: AsyncSession, asked: GiftLinkQuery, now: datetime
) -> Page[ListedGift]:
    """The newest first."""
    statement = select(GiftLink, Article.slug, Article.title).join(
        Article, Article.id == GiftLink.article_id
    )
    is_live = and_(GiftLink.ended_at.is_(None), GiftLink.ends_at > now)
    if asked.state == "live":
        statement = statement.where(is_live)
    elif asked.state == "over":
        statement = statement.where(or_(GiftLink.ended_at.is_not(None), GiftLink.ends_at <= now))
    found = await NEWEST.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    buyers = await _buyers(session, [row[0].id for row in found.items])
    return found.map(lambda row: ListedGift(row[0], row[1], row[2], buyers.get(row[0].id, 0)))


async def _buyers(session: AsyncSession, link_ids: list[str]) -> dict[str, int]:
    """By link, how many of its devices have bought since they opened it."""
    found = await session.execute(
        select(GiftOpening.link_id, func.count(GiftOpening.device_id.distinct()))
        .join(Checkout, Checkout.device_id == GiftOpening.device_id)
        .where(
            GiftOpening.link_id.in_(link_ids),
            Checkout.completed_at.is_not(None),
            Checkout.created_at >= GiftOpening.opened_at,
        )
        .group_by(GiftOpening.link_id)
    )
    return {row[0]: row[1] for row in found}
