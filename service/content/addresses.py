"""Which article a former slug or a source's id leads to: rows of `article_terms`, kept beside it."""

from collections import Counter
from collections.abc import Collection, Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Article, ArticleTerm
from service.db.upsert import insert_for

FORMER_SLUG, SOURCE = "former_slug", "source"
_LONGEST_KEY = 500


def source_keys(source_ids: Mapping[str, str]) -> list[str]:
    """What a WordPress post is found by, the surest first: its GUID, its id on its site.

    Ids are unique on one site alone; GUIDs are unique among all.
    """
    keys: list[str] = []
    if "wordpress_guid" in source_ids:
        keys.append(f"wordpress_guid={source_ids['wordpress_guid']}")
    if "wordpress" in source_ids and "wordpress_site" in source_ids:
        keys.append(f"wordpress={source_ids['wordpress_site']}#{source_ids['wordpress']}")
    return [key for key in keys if len(key) <= _LONGEST_KEY]


def is_same_post(known: Mapping[str, str], sent: Mapping[str, str]) -> bool:
    """Whether two articles' source ids name one WordPress post.

    Where neither has an id, which converters leave out, all that can tell is their site.
    """
    names = ("wordpress_guid", "wordpress")
    for name in names:
        if name in known and name in sent:
            return known[name] == sent[name]
    has_id = any(name in each for each in (known, sent) for name in names)
    return not has_id and "wordpress_site" in sent and dict(known) == dict(sent)


async def articles_by_source(session: AsyncSession, keys: Collection[str]) -> dict[str, Article]:
    """The articles that have one of these keys, by it."""
    found = await session.execute(
        select(ArticleTerm.term, Article)
        .join(Article, Article.id == ArticleTerm.article_id)
        .where(ArticleTerm.kind == SOURCE, ArticleTerm.term.in_(keys))
    )
    return {row.term: row.Article for row in found}


async def present_slug(session: AsyncSession, slug: str) -> str | None:
    """The slug of the article that was once called `slug`; None for one never used or still so."""
    found: str | None = await session.scalar(
        select(Article.slug)
        .join(ArticleTerm, ArticleTerm.article_id == Article.id)
        .where(ArticleTerm.kind == FORMER_SLUG, ArticleTerm.term == slug, Article.slug != slug)
        .order_by(Article.updated_at.desc())
        .limit(1)
    )
    return found


async def remember(session: AsyncSession, article: Article, former_slug: str | None) -> None:
    """Keep what leads to the article. What led to it before stays, unless its source is another."""
    terms = [(SOURCE, key) for key in source_keys(article.source_ids)]
    if terms and article.version > 1:
        await session.execute(
            delete(ArticleTerm).where(
                ArticleTerm.article_id == article.id, ArticleTerm.kind == SOURCE
            )
        )
    if former_slug is not None:
        terms.append((FORMER_SLUG, former_slug))
    rows = [{"kind": kind, "term": term, "article_id": article.id} for kind, term in terms]
    if rows:
        await session.execute(insert_for(session, ArticleTerm).on_conflict_do_nothing(), rows)


async def make_room(session: AsyncSession, wanted: Mapping[str, str]) -> set[str]:
    """Free the addresses that the articles leave; the present slugs of those that can move.

    `wanted` leads from present slugs to new ones. An article stays where another wants the same
    address, or one that stays has it. Those that can move have an impossible slug in the database
    from now on, and are the same objects in the session: each has to be stored with its new slug
    in this transaction.
    """
    asked = Counter(wanted.values())
    moving = {slug: new for slug, new in wanted.items() if asked[new] == 1}
    found = await session.scalars(select(Article.slug).where(Article.slug.in_(moving.values())))
    held = set(found)
    while staying := [slug for slug, new in moving.items() if new in held - moving.keys()]:
        for slug in staying:
            del moving[slug]
    # No slug has an underscore, as ids do. The session's objects keep the slugs that they leave.
    await session.execute(
        update(Article).where(Article.slug.in_(moving)).values(slug=Article.id),
        execution_options={"synchronize_session": False},
    )
    return set(moving)
