"""What all who write articles need, publishing or not: their lock, and what the audit trail keeps.

It imports no parser: what runs in the background of every process needs none.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.store import STATE_ID
from service.db.tables import Article, ContentState
from service.db.upsert import insert_for


async def locked_state(session: AsyncSession) -> ContentState:
    """The content's state, locked: publications follow one another, so their versions do too.

    Other processes compare the version to drop stale copies; were two publications to run side by
    side, the later number could become visible first, and the earlier change be missed.
    """
    await session.execute(
        insert_for(session, ContentState).values(id=STATE_ID, version=0).on_conflict_do_nothing()
    )
    locked = await session.scalars(
        select(ContentState)
        .where(ContentState.id == STATE_ID)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return locked.one()


def traced(article: Article) -> dict[str, Any]:
    """What the audit trail keeps of an article; the texts themselves are in its revisions."""
    return {
        "version": article.version,
        "title": article.title,
        "status": article.status,
        "published_at": article.published_at.isoformat() if article.published_at else None,
        "level": article.level,
        "plans": article.plans,
        "schedule": article.access_schedule,
    }
