"""What each crawler gets by the rules in force, in words. Pure."""

from collections.abc import Mapping

from service.crawlers.known import Crawler
from service.rules.crawlers import CrawlerPolicy, CrawlerRules

_PROVED: Mapping[CrawlerPolicy, str] = {
    "preview": "The preview",
    "full_verified": "The whole text",
    "refuse": "Nothing (403, and robots.txt)",
    "license": "The terms of the licence (402)",
}


def outcome(crawler: Crawler, rules: CrawlerRules) -> str:
    """What it gets. A choice does nothing to a crawler that can't prove who it is."""
    policy = rules.policy(crawler.category)
    if crawler.is_robots_only:
        closed = policy != "preview"
        return f"{'Nothing' if closed else 'Allowed'}, by robots.txt alone: it never comes itself"
    if policy == "preview" or crawler.has_proof:
        return _PROVED[policy]
    if policy == "refuse":
        return "No proof stored: robots.txt keeps it away; if it comes, it gets the preview"
    return "No proof stored: it gets the preview"
