"""robots.txt by the rules (RFC 9309), with the licence of RSL 1.0. Pure."""

from collections.abc import Iterable

from service.crawlers.known import Crawler
from service.rules.crawlers import CrawlerPolicy, CrawlerRules

LICENSE_PATH = "/license.xml"
SITEMAP_PATH = "/sitemap.xml"
CLOSED = ("/admin", "/account", "/v1/admin")
"""Nothing for any crawler: each would meet a sign-in."""


def robots_text(public_url: str, rules: CrawlerRules, crawlers: Iterable[Crawler]) -> str:
    """The file for the site at this address."""
    lines = ["# Made from the rules of the publication."]
    refused = [
        agent
        for each in crawlers
        if _is_closed_to(each, rules.policy(each.category))
        for agent in each.agents
    ]
    if refused:
        lines += [*(f"User-agent: {agent}" for agent in sorted(set(refused))), "Disallow: /", ""]
    lines += ["User-agent: *", *(f"Disallow: {path}" for path in CLOSED), "Allow: /", ""]
    if rules.license is not None:
        # Outside any group: it holds for all (RSL 1.0, 4.4).
        lines += [f"License: {public_url}{LICENSE_PATH}", ""]
    return "\n".join([*lines, f"Sitemap: {public_url}{SITEMAP_PATH}", ""])


def _is_closed_to(crawler: Crawler, policy: CrawlerPolicy) -> bool:
    """One that never comes is never sent the terms of a licence: robots.txt alone keeps it away."""
    return policy == "refuse" or (policy == "license" and crawler.is_robots_only)


def license_link(public_url: str, rules: CrawlerRules, slug: str) -> str:
    """The header `Link` that names the terms of an article (RSL 1.0, 4.5): its own where sections are named,
    since an article's address doesn't say which section it is in.
    """
    own = f"?article={slug}" if rules.licensed_sections else ""
    return f'<{public_url}{LICENSE_PATH}{own}>; rel="license"; type="application/rsl+xml"'
