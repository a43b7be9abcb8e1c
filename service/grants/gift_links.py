"""Gift links and the devices that opened them.

Openings are exact under any concurrency: a device's row goes in once, and the link's number of readers grows by
one conditional update, or the row goes again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime, new_id
from service.db.keyset import Keyset
from service.db.tables import GiftLink, GiftOpening, ReaderDevice
from service.db.upsert import insert_for
from service.grants.gift_terms import GiftState, GiftTerms
from service.grants.grants import GrantFacts, article_scope

NEWEST = Keyset(GiftLink.created_at, GiftLink.id)


@dataclass(frozen=True)
class Given:
    """What a giver has given in a month. `readers` have opened this article by the giver's links."""

    articles: int
    has_this: bool
    readers: int


async def given_in(
    session: AsyncSession, reader_id: str, article_id: str, month: datetime
) -> Given:
    """How many articles the reader has given in the month, and what became of this one."""
    found = await session.execute(
        select(GiftLink.article_id, func.sum(GiftLink.readers))
        .where(GiftLink.reader_id == reader_id, GiftLink.month == month)
        .group_by(GiftLink.article_id)
    )
    readers = {article: int(opened) for article, opened in found}
    return Given(len(readers), article_id in readers, readers.get(article_id, 0))


async def live_link(
    session: AsyncSession, reader_id: str, article_id: str, now: datetime
) -> GiftLink | None:
    """The reader's link of the article that hasn't ended."""
    found: GiftLink | None = await session.scalar(
        select(GiftLink)
        .where(
            GiftLink.reader_id == reader_id, GiftLink.article_id == article_id,
            GiftLink.ended_at.is_(None), GiftLink.ends_at > now,
        )
        .order_by(GiftLink.created_at.desc())
        .limit(1)
    )  # fmt: skip
    return found


async def hold_links(session: AsyncSession, reader_id: str, article_id: str) -> None:
    """Wait until nobody is let in by the reader's links of the article that haven't ended; until the transaction ends
    nobody is.
    """
    await session.execute(
        select(GiftLink.id)
        .where(
            GiftLink.reader_id == reader_id, GiftLink.article_id == article_id,
            GiftLink.ended_at.is_(None),
        )
        .order_by(GiftLink.id)
        .with_for_update(key_share=True)
    )  # fmt: skip


async def make_link(
    session: AsyncSession,
    *,
    reader_id: str,
    article_id: str,
    month: datetime,
    days: int,
    most_readers: int,
    now: datetime,
) -> GiftLink:
    """Make a link and end the giver's older ones of this article. Call it in the reader's turn."""
    await session.execute(
        update(GiftLink)
        .where(
            GiftLink.reader_id == reader_id, GiftLink.article_id == article_id,
            GiftLink.ended_at.is_(None),
        )
        .values(ended_at=now)
    )  # fmt: skip
    link = GiftLink(
        id=new_id("gft"), reader_id=reader_id, article_id=article_id, month=month,
        most_readers=most_readers, readers=0, created_at=now, ends_at=now + timedelta(days=days),
        ended_at=None,
    )  # fmt: skip
    session.add(link)
    await session.flush()
    return link


async def open_link(
    session: AsyncSession, link_id: str, device: str, now: datetime
) -> GiftOpening | None:
    """Give the device the link's grant, unless it has it already. None: the link opens nothing to it."""
    opened = insert_for(session, GiftOpening).values(
        link_id=link_id, device_id=device, opened_at=now
    )
    new = await session.scalar(opened.on_conflict_do_nothing().returning(GiftOpening.link_id))
    is_live = and_(GiftLink.id == link_id, GiftLink.ended_at.is_(None), GiftLink.ends_at > now)
    if new is None:
        return await session.scalar(
            select(GiftOpening)
            .join(GiftLink, GiftLink.id == GiftOpening.link_id)
            .where(is_live, GiftOpening.device_id == device)
        )
    grown = await session.scalar(
        update(GiftLink)
        .where(is_live, GiftLink.readers < GiftLink.most_readers)
        .values(readers=GiftLink.readers + 1)
        .returning(GiftLink.id)
    )
    this = and_(GiftOpening.link_id == link_id, GiftOpening.device_id == device)
    if grown is None:
        await session.execute(delete(GiftOpening).where(this))
        return None
    return await session.scalar(select(GiftOpening).where(this))


async def find_link(session: AsyncSession, link_id: str) -> GiftLink | None:
    found: GiftLink | None = await session.scalar(select(GiftLink).where(GiftLink.id == link_id))
    return found


def state_of(link: GiftLink, now: datetime) -> GiftState:
    """What it is for a device that hasn't opened it yet."""
    return GiftTerms(link.readers, link.most_readers, link.ends_at, link.ended_at).state(now)


async def held_by_device(
    session: AsyncSession, device: str, article_id: str, now: datetime
) -> GrantFacts | None:
    """What a gift link that the device has opened gives it of this article; the one that lasts longest."""
    return await _held(session, device, article_id, now, GiftLink.ended_at.is_(None))


async def held_by_device_at(
    session: AsyncSession, device: str, article_id: str, at: datetime
) -> GrantFacts | None:
    """The same as it was at a past instant."""
    ran = or_(GiftLink.ended_at.is_(None), GiftLink.ended_at > at)
    return await _held(session, device, article_id, at, GiftOpening.opened_at <= at, ran)


async def _held(
    session: AsyncSession, device: str, article_id: str, at: datetime, *also: ColumnElement[bool]
) -> GrantFacts | None:
    found = (
        await session.execute(
            select(GiftLink, GiftOpening.opened_at)
            .join(GiftOpening, GiftOpening.link_id == GiftLink.id)
            .where(
                GiftOpening.device_id == device, GiftLink.article_id == article_id,
                GiftLink.ends_at > at, *also,
            )
            .order_by(GiftLink.ends_at.desc())
            .limit(1)
        )
    ).one_or_none()  # fmt: skip
    return grant_of(found[0], found[1]) if found is not None else None


async def open_on_a_device_of(
    session: AsyncSession, reader_id: str, article_id: str, at: datetime
) -> datetime | None:
    """Until when a gift link opens the article on some device of the reader's, as it was at this instant."""
    ends = func.coalesce(GiftLink.ended_at, GiftLink.ends_at)
    found: datetime | None = await session.scalar(
        select(func.max(GiftLink.ends_at, type_=UtcDateTime()))
        .join(GiftOpening, GiftOpening.link_id == GiftLink.id)
        .join(ReaderDevice, ReaderDevice.device_id == GiftOpening.device_id)
        .where(
            ReaderDevice.reader_id == reader_id, GiftLink.article_id == article_id,
            GiftOpening.opened_at <= at, ends > at,
        )
    )  # fmt: skip
    return found


async def has_opened_one(session: AsyncSession, device: str) -> bool:
    """Whether the device (its pseudonym) ever came by a gift link."""
    found = select(GiftOpening.link_id).where(GiftOpening.device_id == device).limit(1)
    return await session.scalar(found) is not None


def grant_of(link: GiftLink, opened_at: datetime) -> GrantFacts:
    """The grant that a device holds since it opened the link."""
    return GrantFacts(
        link.id, "gift", link.id, article_scope(link.article_id), opened_at, link.ends_at
    )


async def opened_articles(
    session: AsyncSession, now: datetime, *, after: str, most: int
) -> list[str]:
    """Ids of articles of which some device holds the grant of a link: the next ones after this id."""
    found = await session.scalars(
        select(GiftLink.article_id)
        # As the index says it: a bound 0 wouldn't be found in it.
        .where(GiftLink.ended_at.is_(None), GiftLink.readers > literal_column("0"))
        .where(GiftLink.ends_at > now, GiftLink.article_id > after)
        .distinct()
        .order_by(GiftLink.article_id)
        .limit(most)
    )
    return list(found)


async def articles_opened_since(session: AsyncSession, since: datetime) -> frozenset[str]:
    """Ids of articles that devices have opened by links since then."""
    found = await session.scalars(
        select(GiftLink.article_id)
        .join(GiftOpening, GiftOpening.link_id == GiftLink.id)
        .where(GiftOpening.opened_at >= since)
        .distinct()
    )
    return frozenset(found)
