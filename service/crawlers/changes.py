"""Changing what is known of crawlers, and the lists that prove who they are."""

from dataclasses import asdict, replace

from sqlalchemy.ext.asyncio import AsyncSession

from service.crawlers.known import KNOWN, Crawler
from service.crawlers.store import crawler_of, facts_of, find_crawler
from service.db.context import Context
from service.db.tables import StoredCrawler
from service.identity.audit import record
from service.identity.meanwhile import Facts, check_unchanged


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


async def _check_unchanged(
    session: AsyncSession, facts: Facts | None, seen: str | None, name: str
) -> None:
    actions = ("crawler.put", "crawler.forget")
    await check_unchanged(session, facts, seen, actions=actions, target=name)


def _shown(crawler: Crawler) -> dict[str, object]:
    """For the audit log: of a long list its length."""
    return {**asdict(crawler), "networks": len(crawler.networks), "keys": len(crawler.keys)}
