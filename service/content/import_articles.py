"""Storing the articles of an import: checked like those of publishers, and safe to repeat."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from service.content.addresses import (
    articles_by_source,
    is_same_post,
    make_room,
    source_keys,
)
from service.content.import_ready import Ready, all_ready, refused, with_unsold
from service.content.import_summary import Entry, ImportSummary
from service.content.imported import ACTOR, Since, public_of_sites, since_import
from service.content.importers.article import Imported, ImportedArticle, Skipped
from service.content.importers.notes import Note
from service.content.importers.slugs import shorten
from service.content.level import said_level
from service.content.publish import (
    Prepared,
    Published,
    store_prepared,
    with_access,
    withdraw_article,
)
from service.content.store import get_row
from service.content.visibility import RELEASED
from service.content.written import locked_state
from service.db.session import Database
from service.db.tables import Article
from service.rules.in_force import InForce
from service.texts import SLUG_LENGTH

BATCH = 50
_TAKEN = "Another article has this address ({slug}). Rename the post in WordPress and export again."
_CHANGED_HERE = (
    "It was changed or withdrawn here after it was imported, so it is left as it is. Publish the "
    "new text over the API if it shall replace the change."
)
_NOT_IN_FILES = "It came from this site, and none of the files has it any more."


@dataclass(frozen=True)
class ImportRun:
    """How an import runs.

    `dry_run`: nothing is written. `withdraw_missing`: what the source no longer shows is withdrawn,
    unless it was changed here. `record` gets every entry, `report` the summary after each batch.
    """

    in_force: InForce
    now: datetime
    dry_run: bool
    withdraw_missing: bool
    record: Callable[[Entry], None]
    report: Callable[[ImportSummary], None]


async def import_articles(
    database: Database, items: Iterable[Imported], run: ImportRun
) -> ImportSummary:
    """Create or update the articles, BATCH items a transaction.

    Repeating changes nothing, and goes on where an interrupted import stopped. Skipped, with the
    reason, is what a publisher's PUT would refuse, what was changed here since its import, and
    what has the slug of an article of another origin. A level that was set here stays.
    """
    importing = _Import(run)
    for batch in _batches(items):
        # In a thread: parsing must not hold up a process that serves readers.
        ready = await asyncio.to_thread(all_ready, batch, run.in_force)
        async with database.transaction() as session:
            entries = await importing.store(session, ready)
            if run.dry_run:
                await session.rollback()
        importing.tell(entries)
    async with database.transaction() as session:
        entries = await importing.store_waiting(session)
        entries += await importing.missing(session)
        if run.dry_run:
            await session.rollback()
    importing.tell(entries)
    return importing.summary


def _batches(items: Iterable[Imported]) -> Iterator[list[Imported]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch


class _Import:
    """The run's state: which articles the source still has, and the counts."""

    def __init__(self, run: ImportRun) -> None:
        self.summary = ImportSummary()
        self._run = run
        self._seen: set[str] = set()
        self._sites: set[str] = set()
        self._waiting: list[tuple[ImportedArticle, Prepared]] = []

    def tell(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.summary.add(entry)
            self._run.record(entry)
        self._run.report(self.summary)

    async def store(self, session: AsyncSession, ready: list[Ready]) -> list[Entry]:
        """Write a batch; the entries are true once the transaction is committed.

        Who wants an address that another article has waits: that one may leave it in this run.
        """
        known, changes = await self._known(session, ready)
        entries: list[Entry] = []
        for each in await with_unsold(session, ready):
            found = _found(_source_ids(each), known)
            if isinstance(each, Entry):
                entries.append(each)
            elif isinstance(each, Skipped):
                entries.append(await self._skip(session, each, found, changes))
            elif await _is_taken(session, each[0], found):
                self._waiting.append(each)
            else:
                entries.append(await self._store_one(session, *each, found, changes))
        return entries

    async def store_waiting(self, session: AsyncSession) -> list[Entry]:
        """Write those who waited for an address. Two articles may swap theirs."""
        known, changes = await self._known(session, self._waiting)
        found = [(each, _found(_source_ids(each), known)) for each in self._waiting]
        moving = await make_room(
            session,
            {
                article.slug: each[0].slug
                for each, article in found
                if article
                and _is_renamed(each[0], article)
                and not changes[article.id].changed_here
            },
        )
        found.sort(key=lambda one: one[1] is None or one[1].slug not in moving)
        return [await self._store_one(session, *each, article, changes) for each, article in found]

    async def _known(
        self, session: AsyncSession, ready: Sequence[Ready]
    ) -> tuple[dict[str, Article], dict[str, Since]]:
        """The articles that these came to in an earlier import, and what changed since."""
        await locked_state(session)
        sources = [_source_ids(each) for each in ready]
        known = await articles_by_source(
            session, {k for each in sources for k in source_keys(each)}
        )
        for source in sources:
            if (found := _found(source, known)) is not None:
                self._seen.add(found.id)
            self._sites |= {source["wordpress_site"]} if "wordpress_site" in source else set()
        return known, await since_import(session, known.values())

    async def missing(self, session: AsyncSession) -> list[Entry]:
        """What came from the run's sites in an earlier import and is in none of the files.

        Where that is more than the files have, they are hardly the whole: nothing is withdrawn.
        """
        found = await public_of_sites(session, self._sites, self._seen)
        is_partial = len(found) > len(self._seen)
        changes = await since_import(session, found) if self._run.withdraw_missing else {}
        entries: list[Entry] = []
        for article in found:
            source_id = article.source_ids.get("wordpress", "")
            entry = Entry(
                "missing", article.title, source_id, article.slug, "missing", _NOT_IN_FILES
            )
            if is_partial and self._run.withdraw_missing:
                entries.append(replace(entry, notes=(Note("partial-export", article.slug),)))
            else:
                entries.append(await self._gone(session, entry, article, changes))
        return entries

    async def _skip(
        self,
        session: AsyncSession,
        item: Skipped,
        found: Article | None,
        changes: dict[str, Since],
    ) -> Entry:
        entry = Entry("skipped", item.title, item.source_id, kind=item.kind, reason=item.reason)
        if found is None or not item.unpublished or found.status not in RELEASED:
            return entry
        return await self._gone(session, replace(entry, slug=found.slug), found, changes)

    async def _gone(
        self, session: AsyncSession, entry: Entry, article: Article, changes: dict[str, Since]
    ) -> Entry:
        """The entry of an article that the source no longer shows, and that is public here."""
        if not self._run.withdraw_missing or changes[article.id].changed_here:
            return replace(entry, notes=(Note("still-public", article.slug),))
        await withdraw_article(session, article.slug, if_match=None, actor=ACTOR, now=self._run.now)
        return replace(entry, outcome="withdrawn")

    async def _store_one(
        self,
        session: AsyncSession,
        item: ImportedArticle,
        prepared: Prepared,
        found: Article | None,
        changes: dict[str, Since],
    ) -> Entry:
        if found is None:
            found = await get_row(session, item.slug)
            if found is not None and not is_same_post(found.source_ids, item.source_ids):
                return await self._store_elsewhere(session, item, prepared, found)
            if found is not None:
                self._seen.add(found.id)
                changes |= await since_import(session, [found])
        if found is None:
            return await self._write(session, item, prepared, None)
        if changes[found.id].changed_here:
            return refused(item, "changed-here", _CHANGED_HERE)
        item, prepared = self._with_level(item, prepared, changes[found.id])
        item, prepared = await _with_address(session, item, prepared, found)
        return await self._write(session, item, prepared, found)

    async def _store_elsewhere(
        self, session: AsyncSession, item: ImportedArticle, prepared: Prepared, other: Article
    ) -> Entry:
        """Another article has the slug; another post's article leaves room beside it."""
        number = item.source_ids.get("wordpress", "")
        slug = f"{shorten(item.slug, SLUG_LENGTH - len(number) - 1)}-{number}"
        is_post = "wordpress" in other.source_ids or "wordpress_guid" in other.source_ids
        if not is_post or not number.isdecimal() or await get_row(session, slug) is not None:
            return refused(item, "taken", _TAKEN.format(slug=item.slug))
        named = {"wordpress_slug": item.slug, **item.source_ids}
        item = replace(item, notes=(*item.notes, Note("other-address", slug)))
        return await self._write(session, item, _moved(prepared, slug, named), None)

    def _with_level(
        self, item: ImportedArticle, prepared: Prepared, since: Since
    ) -> tuple[ImportedArticle, Prepared]:
        """What was set here goes before what the source says."""
        if since.access is None or since.access == prepared.body.access:
            return item, prepared
        level = since.access.level
        kept = Note("level-kept", level or "that of the section or publication")
        made = replace(
            item, level=level, plans=tuple(since.access.plans), notes=(*item.notes, kept)
        )
        return made, with_access(prepared, since.access)

    async def _write(
        self,
        session: AsyncSession,
        item: ImportedArticle,
        prepared: Prepared,
        known: Article | None,
    ) -> Entry:
        if known is None and item.updated_at is None:
            # An old text wasn't changed by its import.
            body = prepared.body.model_copy(update={"updated_at": item.published_at})
            prepared = replace(prepared, body=body)
        published = await store_prepared(
            session, prepared, if_match=None, actor=ACTOR, now=self._run.now, known=known
        )
        self._seen.add(published.article.id)
        return Entry(
            _outcome(published),
            item.title,
            item.source_ids.get("wordpress", ""),
            prepared.slug,
            level=said_level(prepared.level_facts, self._run.in_force.rules.levels),
            plans=item.plans,
            notes=item.notes,
        )


async def _with_address(
    session: AsyncSession, item: ImportedArticle, prepared: Prepared, known: Article
) -> tuple[ImportedArticle, Prepared]:
    """Where the post was renamed at its source, the article moves; else it stays where it is."""
    was, name = _names(item, known)
    if was == name:
        named = {**item.source_ids, **({"wordpress_slug": name} if name != known.slug else {})}
        return item, _moved(prepared, known.slug, named)
    if item.slug == known.slug:
        return item, prepared
    if await get_row(session, item.slug) is not None:
        note = Note("other-address", known.slug)
        made = _moved(prepared, known.slug, item.source_ids)
    else:
        note = Note("renamed", known.slug)
        made = prepared
    return replace(item, notes=(*item.notes, note)), made


def _names(item: ImportedArticle, known: Article) -> tuple[str, str]:
    """The post's name at its source, as it was and as it is."""
    was = known.source_ids.get("wordpress_slug", known.slug)
    return was, item.source_ids.get("wordpress_slug", item.slug)


def _is_renamed(item: ImportedArticle, known: Article) -> bool:
    was, name = _names(item, known)
    return was != name and item.slug != known.slug


async def _is_taken(session: AsyncSession, item: ImportedArticle, known: Article | None) -> bool:
    """Whether another article has the address that the item would get."""
    if known is not None and not _is_renamed(item, known):
        return False
    holder = await get_row(session, item.slug)
    return holder is not None and not is_same_post(holder.source_ids, item.source_ids)


def _moved(prepared: Prepared, slug: str, source_ids: dict[str, str]) -> Prepared:
    body = prepared.body.model_copy(update={"source_ids": source_ids})
    return replace(prepared, slug=slug, body=body)


def _source_ids(each: Ready) -> dict[str, str]:
    if isinstance(each, Entry):
        return {}
    return dict(each.source_ids if isinstance(each, Skipped) else each[0].source_ids)


def _found(source: dict[str, str], known: dict[str, Article]) -> Article | None:
    for key in source_keys(source):
        article = known.get(key)
        if article is not None and is_same_post(article.source_ids, source):
            return article
    return None


def _outcome(published: Published) -> Literal["created", "updated", "unchanged"]:
    if published.created:
        return "created"
    return "updated" if published.changed else "unchanged"
