"""What has become of imported articles since: by their revisions, who changed what of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.schemas import AccessIn, ArticleIn
from service.content.visibility import RELEASED
from service.db.tables import Article, ArticleRevision

ACTOR = "import:wordpress"
_PAGE = 1000


@dataclass(frozen=True)
class Since:
    """`changed_here`: somebody changed or withdrew it. `access`: what somebody set, None for nobody.

    A level that was set here is no change of the text: the source's next text comes with it.
    """

    changed_here: bool = False
    access: AccessIn | None = None


def since(revisions: Sequence[tuple[str, Mapping[str, Any]]]) -> Since:
    """What the revisions (actor and document, oldest first) say."""
    access: AccessIn | None = None
    before: ArticleIn | None = None
    imported: ArticleIn | None = None
    for actor, document in revisions:
        sent = _sent(document)
        if sent is None:
            continue
        if actor == ACTOR:
            imported = sent
        elif before is not None and sent.access != before.access:
            access = sent.access
        before = sent
    last_actor, last = revisions[-1]
    sent = _sent(last)
    is_text_as_imported = (
        sent is not None and imported is not None and _text(sent) == _text(imported)
    )
    return Since(last_actor != ACTOR and not is_text_as_imported, access)


async def since_import(session: AsyncSession, articles: Collection[Article]) -> dict[str, Since]:
    """What has become of the articles, by their ids."""
    ids = [article.id for article in articles]
    of_others = set(
        await session.scalars(
            select(ArticleRevision.article_id).where(
                ArticleRevision.article_id.in_(ids), ArticleRevision.actor != ACTOR
            )
        )
    )
    found = {each: Since() for each in ids}
    for each in of_others:
        rows = await session.execute(
            select(ArticleRevision.actor, ArticleRevision.document)
            .where(ArticleRevision.article_id == each)
            .order_by(ArticleRevision.version)
        )
        found[each] = since([(row.actor, row.document) for row in rows])
    return found


async def public_of_sites(
    session: AsyncSession, sites: Collection[str], seen: Collection[str]
) -> list[Article]:
    """The released articles that came from these sites, without those whose ids were `seen`."""
    missing: list[str] = []
    last = ""
    query = select(Article.id, Article.source_ids).where(Article.status.in_(RELEASED))
    while page := (
        await session.execute(query.where(Article.id > last).order_by(Article.id).limit(_PAGE))
    ).all():
        last = page[-1].id
        missing += [
            row.id
            for row in page
            if row.source_ids.get("wordpress_site") in sites and row.id not in seen
        ]
    found: list[Article] = []
    for some in _pages(missing):
        found += await session.scalars(select(Article).where(Article.id.in_(some)))
    return found


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE))


def _sent(document: Mapping[str, Any]) -> ArticleIn | None:
    """The article as it was sent; None for a withdrawal."""
    try:
        return ArticleIn.model_validate(dict(document))
    except ValidationError:
        return None


def _text(sent: ArticleIn) -> ArticleIn:
    return sent.model_copy(update={"access": AccessIn(), "updated_at": None})
