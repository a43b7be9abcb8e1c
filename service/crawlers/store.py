"""Crawlers that the newsroom has named or changed, and the lists that prove who they are."""

from dataclasses import asdict, dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.crawlers.known import KNOWN, Crawler, with_stored
from service.db.context import Context
from service.db.tables import StoredCrawler
from service.identity.audit import record
from service.identity.meanwhile import Facts, check_unchanged
from service.problems import Problem
from service.rules.crawlers import CrawlerCategory


@dataclass(frozen=True)
class ListedCrawler:
    """`is_ours`: the newsroom has named it, or changed what is known of it."""

    crawler: Crawler
    is_ours: bool


async def all_crawlers(session: AsyncSession) -> list[ListedCrawler]:
    """Those that are known to everybody, and the newsroom's, by name."""
    rows = await session.scalars(select(StoredCrawler))
    stored = {row.name: crawler_of(row) for row in rows}
    return [ListedCrawler(each, each.name in stored) for each in with_stored(stored)]


async def find_crawler(session: AsyncSession, name: str) -> Crawler:
    """Raises Problem `not-found`."""
    found = {each.crawler.name: each.crawler for each in await all_crawlers(session)}
    if name not in found:
        raise Problem("not-found", f"There is no crawler {name}. Store it first.")
    return found[name]


async def put_crawler(
    session: AsyncSession,
    context: Context,
    crawler: Crawler,
    *,
    actor: str,
    seen: str | None = None,
) -> Crawler:
    """Name a crawler, or replace what is known of it; repeating changes nothing. Problem `changed-meanwhile`."""
    now = context.clocks.business()
    row = await session.get(
        StoredCrawler, crawler.name, with_for_update=True, populate_existing=True
    )
    before = crawler_of(row) if row is not None else None
    known = before or next((each for each in KNOWN if each.name == crawler.name), None)
    facts = facts_of(known) if known is not None else None
    await _check_unchanged(session, facts, seen, crawler.name)
    if before == crawler:
        return crawler
    if row is None:
        row = StoredCrawler(name=crawler.name, version=0)
        session.add(row)
    row.category, row.agents, row.hosts = (
        crawler.category, list(crawler.agents), list(crawler.hosts),
    )  # fmt: skip
    row.networks, row.keys = list(crawler.networks), [dict(each) for each in crawler.keys]
    row.version, row.updated_at = row.version + 1, now
    await record(
        session, actor=actor, action="crawler.put", target=crawler.name,
        before=_shown(before) if before is not None else None, after=_shown(crawler), now=now,
    )  # fmt: skip
    return crawler


async def load_networks(
    session: AsyncSession,
    context: Context,
    name: str,
    networks: tuple[str, ...],
    *,
    actor: str,
    seen: str | None = None,
) -> Crawler:
    """Replace the address list of a crawler. Raises the problems `not-found` and `changed-meanwhile`.

    `seen` is of the list alone, or of all that is known of the crawler.
    """
    await session.get(StoredCrawler, name, with_for_update=True, populate_existing=True)
    known = await find_crawler(session, name)
    await _check_unchanged(session, {"networks": known.networks}, seen, name)
    return await put_crawler(session, context, replace(known, networks=networks), actor=actor)


async def forget_crawler(
    session: AsyncSession, context: Context, name: str, *, actor: str, seen: str | None = None
) -> None:
    """Take away what the newsroom stored; repeating changes nothing. What everybody knows of it stays.

    Problem `changed-meanwhile`.
    """
    row = await session.get(StoredCrawler, name, with_for_update=True, populate_existing=True)
    if row is None:
        return
    stored = crawler_of(row)
    await _check_unchanged(session, facts_of(stored), seen, name)
    before = _shown(stored)
    await session.delete(row)
    await record(
        session, actor=actor, action="crawler.forget", target=name, before=before,
        now=context.clocks.business(),
    )  # fmt: skip


def crawler_of(row: StoredCrawler) -> Crawler:
    category: CrawlerCategory = row.category  # type: ignore[assignment]  # only this module writes it
    return Crawler(
        row.name, category, tuple(row.agents), tuple(row.hosts), tuple(row.networks),
        tuple(dict(each) for each in row.keys),
    )  # fmt: skip


def facts_of(crawler: Crawler) -> dict[str, object]:
    """All that is known of it but its name."""
    return {name: value for name, value in asdict(crawler).items() if name != "name"}


async def _check_unchanged(
    session: AsyncSession, facts: Facts | None, seen: str | None, name: str
) -> None:
    actions = ("crawler.put", "crawler.forget")
    await check_unchanged(session, facts, seen, actions=actions, target=name)


def _shown(crawler: Crawler) -> dict[str, object]:
    """For the audit log: of a long list its length."""
    return {**asdict(crawler), "networks": len(crawler.networks), "keys": len(crawler.keys)}
