"""Publishing as the API does it, without HTTP."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.content.publish import Published, prepare, store_prepared
from service.content.schemas import ArticleIn
from service.rules.in_force import InForce
from service.settings import Settings


async def put_article(
    session: AsyncSession,
    slug: str,
    body: ArticleIn,
    *,
    if_match: str | None,
    actor: str,
    settings: Settings,
    now: datetime,
) -> Published:
    prepared = prepare(slug, body, InForce.by_default(settings))
    return await store_prepared(session, prepared, if_match=if_match, actor=actor, now=now)
