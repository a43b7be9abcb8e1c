"""An article moved to another slug, as an import does with a post that was renamed."""

from service.content.publish import prepare, store_prepared
from service.content.schemas import AccessIn, ArticleIn
from service.content.store import get_row
from service.content.written import locked_state
from service.db.session import Database
from service.rules.in_force import InForce
from service.settings import Settings
from tests.conftest import START


async def move(database: Database, settings: Settings, former: str, slug: str) -> None:
    async with database.transaction() as session:
        await locked_state(session)
        known = await get_row(session, former)
        assert known is not None
        body = ArticleIn(
            title=known.title,
            body=known.body_source,
            published_at=known.published_at,
            access=AccessIn(level=known.level),
        )
        prepared = prepare(slug, body, InForce.by_default(settings))
        await store_prepared(session, prepared, if_match=None, actor="test", now=START, known=known)
