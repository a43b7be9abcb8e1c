"""Storing the articles of an import: checked like those of publishers, and safe to repeat."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.importers.wordpress import ImportedArticle, Skipped
from service.content.publish import Prepared, Published, prepare, store_prepared
from service.content.schemas import ArticleIn
from service.content.store import get_row
from service.db.session import Database
from service.db.tables import ArticleRevision
from service.problems import Problem
from service.settings import Settings

ACTOR = "import:wordpress"
BATCH = 50
_TAKEN = "Another article has this address ({slug}). Rename the post in WordPress and export again."
_CHANGED_HERE = (
    "It was changed or withdrawn here after it was imported, so it is left as it is. Publish the "
    "new text over the API if it shall replace the change."
)


@dataclass
class ImportSummary:
    """What has become of the items so far; in a trial run, what would become of them."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.created + self.updated + self.unchanged + len(self.skipped)


async def import_articles(
    database: Database,
    items: Iterable[ImportedArticle | Skipped],
    *,
    settings: Settings,
    now: datetime,
    dry_run: bool,
    report: Callable[[ImportSummary], None],
) -> ImportSummary:
    """Create or update the articles, BATCH items a transaction; `report` is told after each.

    Repeating changes nothing, and goes on where an interrupted import stopped. Skipped, with the
    reason, is what a publisher's PUT would refuse, what was changed here since its import, and
    what has the slug of another article. With `dry_run` nothing is written.
    """
    summary = ImportSummary()
    for batch in _batches(items):
        # In a thread: parsing must not hold up a process that serves readers.
        prepared = await asyncio.to_thread(_prepare_batch, batch, settings, summary.skipped)
        async with database.transaction() as session:
            for item, article in prepared:
                outcome = await _store(session, item, article, now)
                _count(summary, outcome)
            if dry_run:
                await session.rollback()
        report(summary)
    return summary


def _batches(
    items: Iterable[ImportedArticle | Skipped],
) -> Iterator[list[ImportedArticle | Skipped]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _prepare_batch(
    batch: list[ImportedArticle | Skipped], settings: Settings, skipped: list[Skipped]
) -> list[tuple[ImportedArticle, Prepared]]:
    prepared: list[tuple[ImportedArticle, Prepared]] = []
    for item in batch:
        if isinstance(item, Skipped):
            skipped.append(item)
            continue
        try:
            prepared.append((item, prepare(item.slug, _as_sent(item), settings)))
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            skipped.append(_skipped(item, "invalid", f"It can't be stored: {'; '.join(faults)}."))
        except Problem as problem:
            skipped.append(_skipped(item, "invalid", problem.detail))
    return prepared


def _as_sent(item: ImportedArticle) -> ArticleIn:
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
            "source_ids": item.source_ids,
        }
    )


async def _store(
    session: AsyncSession, item: ImportedArticle, article: Prepared, now: datetime
) -> Published | Skipped:
    current = await get_row(session, item.slug)
    if current is not None:
        if not _same_post(current.source_ids, item.source_ids):
            return _skipped(item, "taken", _TAKEN.format(slug=item.slug))
        last_actor = await session.scalar(
            select(ArticleRevision.actor).where(
                ArticleRevision.article_id == current.id,
                ArticleRevision.version == current.version,
            )
        )
        if last_actor != ACTOR:
            return _skipped(item, "changed-here", _CHANGED_HERE)
    return await store_prepared(session, article, if_match=None, actor=ACTOR, now=now)


def _same_post(known: Mapping[str, str], sent: Mapping[str, str]) -> bool:
    # Post ids are unique in one WordPress only; its GUIDs are unique among all.
    for name in ("wordpress_guid", "wordpress"):
        if name in known and name in sent:
            return known[name] == sent[name]
    return False


def _count(summary: ImportSummary, outcome: Published | Skipped) -> None:
    if isinstance(outcome, Skipped):
        summary.skipped.append(outcome)
    elif outcome.created:
        summary.created += 1
    elif outcome.changed:
        summary.updated += 1
    else:
        summary.unchanged += 1


def _skipped(item: ImportedArticle, kind: str, reason: str) -> Skipped:
    source_id = item.source_ids.get("wordpress", item.slug)
    return Skipped(title=item.title, source_id=source_id, reason=reason, kind=kind)
