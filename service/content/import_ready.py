"""Making the articles of an import ready to be stored: checked like those of publishers."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.import_summary import Entry
from service.content.importers.article import Imported, ImportedArticle, Mended, Skipped
from service.content.importers.fields import fitted
from service.content.importers.notes import Note
from service.content.level import said_level
from service.content.publish import (
    Prepared,
    prepare,
)
from service.content.schemas import ArticleIn
from service.problems import Problem
from service.rules.in_force import InForce
from service.rules.known import unsold_plans
from service.wrong_values import said_of

Ready = tuple[ImportedArticle, Prepared] | Entry | Skipped


def all_ready(batch: Sequence[Imported], in_force: InForce) -> list[Ready]:
    """Each item with its article made ready, or why it is left out."""
    return [_ready(item, in_force) for item in batch]


def _ready(item: Imported, in_force: InForce) -> Ready:
    """The item, its article made ready if it is one."""
    if isinstance(item, Mended):
        return Entry("mended", title=item.file, kind=item.kind, reason=item.reason)
    if isinstance(item, Skipped):
        return item
    item = fitted(item)
    try:
        prepared = prepare(item.slug, as_sent(item), in_force)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {said_of(e)}" for e in error.errors()]
        return refused(item, "invalid", f"It can't be stored: {'; '.join(faults)}.")
    except Problem as problem:
        return refused(item, "invalid", problem.detail)
    if item.level is None and prepared.rendered.wall_level is not None:
        level = (
            said_level(prepared.level_facts, in_force.rules.levels)
            or "that of the section or publication"
        )
        item = replace(item, notes=(*item.notes, Note("html-wall", level)))
    return item, prepared


def as_sent(item: ImportedArticle) -> ArticleIn:
    """The article as a publisher would send it. Raises ValidationError."""
    image = None
    if item.image_url is not None:
        image = {"url": item.image_url, "alt": item.image_alt or ""}
    return ArticleIn.model_validate(
        {
            "title": item.title,
            "standfirst": item.standfirst,
            "body": item.body,
            "body_format": item.body_format,
            "authors": [{"name": name} for name in item.authors],
            "section": item.section,
            "tags": list(item.tags),
            "canonical_url": item.canonical_url,
            "image": image,
            "language": item.language,
            "published_at": item.published_at,
            "updated_at": item.updated_at,
            "access": {"level": item.level, "plans": list(item.plans)},
            "source_ids": item.source_ids,
        }
    )


async def with_unsold(session: AsyncSession, ready: Sequence[Ready]) -> list[Ready]:
    """The same, with a note on each plan that opens an article and that no offer sells."""
    named = {plan for each in ready if isinstance(each, tuple) for plan in each[0].plans}
    unsold = await unsold_plans(session, named)
    return [_noted(each, unsold) if isinstance(each, tuple) else each for each in ready]


def _noted(each: tuple[ImportedArticle, Prepared], unsold: Sequence[str]) -> Ready:
    item, prepared = each
    notes = tuple(Note("unsold-plan", plan) for plan in item.plans if plan in unsold)
    return replace(item, notes=(*item.notes, *notes)), prepared


def refused(item: ImportedArticle, kind: str, reason: str) -> Entry:
    """That the article isn't stored, and why."""
    source_id = item.source_ids.get("wordpress", item.slug)
    return Entry("skipped", item.title, source_id, kind=kind, reason=reason, notes=item.notes)
