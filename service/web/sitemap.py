"""The addresses of all visible articles for search engines (sitemaps.org, protocol 0.9). Pure."""

from collections.abc import Iterable
from datetime import datetime
from xml.sax.saxutils import escape

from service.crawlers.robots import SITEMAP_PATH

MEDIA_TYPE = "application/xml"
MOST_ADDRESSES = 50_000
"""In one file, by the protocol."""
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def pages_of(articles: int, at_once: int) -> int:
    """How many files the addresses fill; there is always one."""
    return max(1, -(-articles // at_once))


def sitemap(articles: Iterable[tuple[str, datetime]], public_url: str) -> str:
    """Of slugs and when their texts were last changed: nothing of the texts themselves."""
    places = (
        f"<url><loc>{escape(f'{public_url}/articles/{slug}')}</loc><lastmod>{_written(at)}</lastmod></url>"
        for slug, at in articles
    )
    return _document("urlset", places)


def sitemap_index(pages: int, public_url: str) -> str:
    """Where the files are, of more addresses than one may hold."""
    places = (
        f"<sitemap><loc>{escape(f'{public_url}{SITEMAP_PATH}?page={page}')}</loc></sitemap>"
        for page in range(1, pages + 1)
    )
    return _document("sitemapindex", places)


def _document(name: str, places: Iterable[str]) -> str:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return "\n".join([head, f'<{name} xmlns="{_NAMESPACE}">', *places, f"</{name}>", ""])


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
