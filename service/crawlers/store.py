"""Crawlers that the newsroom has named or changed: queries."""

from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.crawlers.known import Crawler, with_stored
from service.db.tables import StoredCrawler
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


def crawler_of(row: StoredCrawler) -> Crawler:
    category: CrawlerCategory = row.category  # type: ignore[assignment]  # only this module writes it
    return Crawler(
        row.name, category, tuple(row.agents), tuple(row.hosts), tuple(row.networks),
        tuple(dict(each) for each in row.keys),
    )  # fmt: skip


def facts_of(crawler: Crawler) -> dict[str, object]:
    """All that is known of it but its name."""
    return {name: value for name, value in asdict(crawler).items() if name != "name"}
