"""What each crawler gets by the rules in force, in words. Pure."""

from collections.abc import Mapping

from service.crawlers.known import Crawler
from service.rules.crawlers import CrawlerPolicy, CrawlerRules

_PROVED: Mapping[CrawlerPolicy, str] = {
    "preview": "Preview",
    "full_verified": "Full text",
    "refuse": "No access (403 and robots.txt)",
    "license": "Licence terms (402)",
}


def outcome(crawler: Crawler, rules: CrawlerRules) -> str:
    """What it gets. A choice does nothing to a crawler that can't prove who it is."""
    policy = rules.policy(crawler.category)
    if crawler.is_robots_only:
        closed = policy != "preview"
        return f"{'No access' if closed else 'Allowed'}, through robots.txt only: it never requests pages itself"
    if policy == "preview" or crawler.has_proof:
        return _PROVED[policy]
    if policy == "refuse":
        return "Can't be verified: excluded in robots.txt, otherwise gets the preview"
    return "Can't be verified: gets the preview"
