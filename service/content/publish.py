"""Publishing and withdrawing articles: the only place that writes them."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.addresses import remember
from service.content.blocks import BodyRefused
from service.content.cut import Rendered, render
from service.content.folding import folded
from service.content.level import LevelFacts
from service.content.preview_limits import limits_of
from service.content.schemas import AccessIn, ArticleIn
from service.content.store import term_of
from service.content.written import locked_state, traced
from service.db.base import new_id
from service.db.tables import Article, ArticleRevision, ArticleTerm, ContentState
from service.identity import audit
from service.problems import Problem
from service.rules.document import ScheduleIn
from service.rules.in_force import InForce, latest_in_force
from service.texts import SLUG_LENGTH, is_slug

_READ = ("title", "standfirst", "body_source", "body_format", "authors", "image_url", "image_alt")


@dataclass(frozen=True)
class Prepared:
    """A checked article with its cut made: the costly part, done outside any transaction."""

    slug: str
    body: ArticleIn
    rendered: Rendered
    in_force: InForce
    """By whose rules it was cut."""

    @property
    def level_facts(self) -> LevelFacts:
        """What the level of the text as such depends on, whatever its schedule makes of it."""
        return LevelFacts(
            level=self.body.access.level, section=self.body.section, tags=self.body.tags,
            wall_level=self.rendered.wall_level,
        )  # fmt: skip


@dataclass(frozen=True)
class Published:
    """`changed` is False where the article was already as sent: nothing was written then."""

    article: Article
    created: bool
    changed: bool


def etag_of(article: Article) -> str:
    """The validator of an article's admin representation."""
    return f'"v{article.version}"'


def prepare(slug: str, body: ArticleIn, in_force: InForce) -> Prepared:
    """Sanitise and cut. Raises Problem `invalid-request` for the slug or an unreadable body."""
    if not is_slug(slug):
        raise _invalid(
            "path.slug",
            "must be lower-case letters a-z, digits and single hyphens between them, "
            f"at most {SLUG_LENGTH} characters",
        )
    try:
        rendered = render(body.body, body.body_format, limits_of(in_force.settings))
    except BodyRefused as refused:
        raise _invalid("body.body", str(refused)) from refused
    return Prepared(slug, body, rendered, in_force)


def with_access(prepared: Prepared, access: AccessIn) -> Prepared:
    """The same article for other readers."""
    return replace(prepared, body=prepared.body.model_copy(update={"access": access}))


async def store_prepared(
    session: AsyncSession,
    prepared: Prepared,
    *,
    if_match: str | None,
    actor: str,
    now: datetime,
    known: Article | None = None,
) -> Published:
    """Write a prepared article, if it differs from what is there. Raises Problem `invalid-request`, and
    `article-changed` where the article isn't the one named by `if_match`.

    `known`: the article it is, read after `locked_state`, where its slug may be another now: it
    moves, and the former slug leads to it.
    """
    state = await locked_state(session)
    current = known or await session.scalar(select(Article).where(Article.slug == prepared.slug))
    check_match(if_match, current)
    former_slug = current.slug if current and current.slug != prepared.slug else None
    prepared = await _cut_by_latest(session, prepared)
    body = prepared.body
    values = _columns(prepared, _publication_instant(body, current, now))
    values["updated_at"] = _update_instant(body, values, current, now)
    if current is None:
        article = Article(
            id=new_id("art"),
            version=1,
            created_at=now,
            **values,
        )
        session.add(article)
        before = None
    else:
        article = current
        if all(getattr(current, name) == value for name, value in values.items()):
            return Published(current, created=False, changed=False)
        before = traced(current)
        for name, value in values.items():
            setattr(current, name, value)
        current.version += 1
    document = {**body.model_dump(mode="json"), "published_at": _written(article.published_at)}
    await record_change(
        session,
        state,
        article,
        document,
        action=_action(article),
        before=before,
        actor=actor,
        now=now,
    )
    await _replace_terms(session, article)
    await remember(session, article, former_slug)
    return Published(article, created=current is None, changed=True)


async def _cut_by_latest(session: AsyncSession, prepared: Prepared) -> Prepared:
    """Cut anew where the rules for previews have changed since: a run that cuts all articles may be past this one."""
    former = prepared.in_force
    latest = await latest_in_force(session, former)
    if limits_of(latest.settings) == limits_of(former.settings):
        return prepared
    return prepare(prepared.slug, prepared.body, latest)


async def withdraw_article(
    session: AsyncSession, slug: str, *, if_match: str | None, actor: str, now: datetime
) -> None:
    """Take the article away from readers; it stays in the database. Repeating changes nothing.

    Raises Problem `article-not-found` for a slug never used, and `article-changed`.
    """
    if not is_slug(slug):
        raise Problem("article-not-found")
    state = await locked_state(session)
    article = await session.scalar(select(Article).where(Article.slug == slug))
    if article is None:
        raise Problem("article-not-found")
    check_match(if_match, article)
    if article.status == "withdrawn":
        return
    before = traced(article)
    article.status = "withdrawn"
    article.version += 1
    article.updated_at = now
    document = {"status": "withdrawn"}
    await record_change(
        session,
        state,
        article,
        document,
        action=_action(article),
        before=before,
        actor=actor,
        now=now,
    )


def check_match(if_match: str | None, current: Article | None) -> None:
    """Raise Problem `article-changed` where the article isn't the one that was seen; None: any will do."""
    # RFC 9110, 13.1.1: strong comparison, `*` means any that exists.
    if if_match is None:
        return
    wanted = {tag.strip() for tag in if_match.split(",")}
    if current is None or not ("*" in wanted or etag_of(current) in wanted):
        raise Problem("article-changed")


def _publication_instant(
    body: ArticleIn, current: Article | None, now: datetime
) -> datetime | None:
    """When the article appears: as sent, else as it was, else (published) now."""
    if body.published_at is not None or body.status == "draft":
        return body.published_at
    known = None
    if current is not None and current.status != "draft":
        known = current.published_at
    if body.status == "withdrawn":
        return known
    return known if known is not None and known <= now else now


def _update_instant(
    body: ArticleIn, values: dict[str, Any], current: Article | None, now: datetime
) -> datetime:
    """When the text was last changed: as sent, else now, unless what readers read is as it was."""
    if body.updated_at is not None:
        return body.updated_at
    if current is not None and all(getattr(current, name) == values[name] for name in _READ):
        return current.updated_at
    return now


def cut_columns(rendered: Rendered, title: str, standfirst: str) -> dict[str, Any]:
    """The columns of an article that are made of its text."""
    # Search may find what everybody may read, and nothing else.
    public = (title, standfirst, rendered.search_text)
    return {
        "body_html": rendered.body_html,
        "preview_html": rendered.preview_html,
        "preview_text": rendered.preview_text,
        "cut_is_whole": rendered.cut_is_whole,
        "wall_level": rendered.wall_level,
        "search_text": folded(" ".join(public)),
    }


def _columns(prepared: Prepared, published_at: datetime | None) -> dict[str, Any]:
    body = prepared.body
    return {
        "slug": prepared.slug,
        "title": body.title,
        "standfirst": body.standfirst,
        "body_source": body.body,
        "body_format": body.body_format,
        **cut_columns(prepared.rendered, body.title, body.standfirst),
        "authors": [author.name for author in body.authors],
        "section": body.section,
        "tags": body.tags,
        "canonical_url": body.canonical_url,
        "image_url": body.image.url if body.image else None,
        "image_alt": body.image.alt if body.image else None,
        "language": body.language,
        "published_at": published_at,
        "status": body.status,
        "level": body.access.level,
        "plans": body.access.plans,
        "access_schedule": _schedule(body.access.schedule),
        "source_ids": body.source_ids,
    }


async def _replace_terms(session: AsyncSession, article: Article) -> None:
    if article.version > 1:
        replaced = ArticleTerm.kind.in_(("tag", "author"))
        await session.execute(
            delete(ArticleTerm).where(ArticleTerm.article_id == article.id, replaced)
        )
    terms = {("tag", term_of(tag)) for tag in article.tags}
    terms |= {("author", term_of(name)) for name in article.authors}
    session.add_all(
        ArticleTerm(kind=kind, term=term, article_id=article.id) for kind, term in sorted(terms)
    )
    await session.flush()


async def record_change(
    session: AsyncSession,
    state: ContentState,
    article: Article,
    document: dict[str, Any],
    *,
    action: str,
    before: dict[str, Any] | None,
    actor: str,
    now: datetime,
) -> None:
    """The revision, the audit entry, and the signal to every process that content has changed."""
    await session.flush()
    session.add(
        ArticleRevision(
            article_id=article.id, version=article.version, at=now, actor=actor, document=document
        )
    )
    state.version += 1
    await audit.record(
        session,
        actor=actor,
        action=action,
        target=article.slug,
        before=before,
        after=traced(article),
        now=now,
    )


def _action(article: Article) -> str:
    return "article.withdraw" if article.status == "withdrawn" else "article.publish"


def _schedule(sent: ScheduleIn | None) -> dict[str, int] | None:
    """What of it is set; None where nothing is."""
    return (sent.model_dump(exclude_none=True) or None) if sent is not None else None


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _invalid(field: str, message: str) -> Problem:
    return Problem(
        "invalid-request",
        f"Invalid: {field} {message}.",
        errors=[{"field": field, "message": message}],
    )
