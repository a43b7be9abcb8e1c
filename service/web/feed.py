"""The latest articles as RSS 2.0, each with its terms for machines where it has any (RSL 1.0, 4.7). Pure."""

import re
from collections.abc import Iterable
from email.utils import format_datetime
from xml.sax.saxutils import escape

from service.content.article import ListedArticle
from service.crawlers.rsl import NAMESPACE, rsl_content
from service.rules.crawlers import CrawlerRules

FEED_PATH = "/feed.xml"
MEDIA_TYPE = "application/rss+xml"
LATEST = 50
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def feed(
    listed: Iterable[ListedArticle], publication: str, public_url: str, rules: CrawlerRules
) -> str:
    """Of teasers alone: nothing of it is behind the wall."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:rsl="{NAMESPACE}">',
        "<channel>",
        _element("title", publication),
        _element("link", f"{public_url}/"),
        _element("description", f"The latest articles of {publication}"),
        f'<atom:link href="{public_url}{FEED_PATH}" rel="self" type="{MEDIA_TYPE}"/>',
    ]
    for article in listed:
        lines += _item(article, public_url, rules)
    return "\n".join([*lines, "</channel>", "</rss>", ""])


def _item(article: ListedArticle, public_url: str, rules: CrawlerRules) -> list[str]:
    # Terms hold for addresses of the feed's own site, so it is never the canonical address.
    address = f"{public_url}/articles/{article.slug}"
    lines = [
        "<item>",
        _element("title", article.title),
        _element("link", address),
        _element("guid", address),
        _element("description", article.standfirst or article.excerpt),
    ]
    if article.published_at is not None:
        lines.append(_element("pubDate", format_datetime(article.published_at, usegmt=True)))
    if article.section is not None:
        lines.append(_element("category", article.section))
    if rules.license is not None and rules.needs_license(article.section):
        lines += rsl_content(rules.license, address, "rsl:")
    return [*lines, "</item>"]


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(_NO_XML.sub('', text))}</{name}>"
