"""Crawlers by name: what they crawl for, and what proves who they are. Pure.

The names are those that the operators of the crawlers publish; the newsroom adds and replaces (store.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.rules.crawlers import CrawlerCategory

ROBOTS_ONLY = frozenset({"Google-Extended", "Applebot-Extended"})
"""Names in robots.txt alone: they say what Googlebot's and Applebot's copy may be used for, and fetch nothing."""


@dataclass(frozen=True)
class Crawler:
    """`agents` are its names in robots.txt, which its User-Agent holds too. It is believed if its address has a
    name in `hosts` that leads back to it, is in one of the `networks`, or if one of the `keys` (JSON Web Keys) has
    signed the request. None of them: it is never believed.
    """

    name: str
    category: CrawlerCategory
    agents: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    keys: tuple[Mapping[str, str], ...] = ()

    @property
    def is_robots_only(self) -> bool:
        """Whether it never comes: it obeys robots.txt, and that is all."""
        return ROBOTS_ONLY.issuperset(self.agents)

    @property
    def has_proof(self) -> bool:
        """Whether anything is known that could prove who it is."""
        return bool(self.hosts or self.networks or self.keys)

    def is_claimed_by(self, user_agent: str) -> bool:
        return any(each.lower() in user_agent for each in self.agents)


KNOWN = (
    # Below google.com are also fetchers that anybody can send here, such as Google's proxies.
    Crawler("googlebot", "search", ("Googlebot", "Googlebot-News"), ("googlebot.com",)),
    Crawler("bingbot", "search", ("bingbot",), ("search.msn.com",)),
    Crawler("applebot", "search", ("Applebot",), ("applebot.apple.com",)),
    Crawler("duckduckbot", "search", ("DuckDuckBot",)),
    Crawler("oai-searchbot", "search", ("OAI-SearchBot",)),
    Crawler("chatgpt-user", "agent", ("ChatGPT-User",)),
    Crawler("claude-user", "agent", ("Claude-User",)),
    Crawler("perplexity-user", "agent", ("Perplexity-User",)),
    Crawler("gptbot", "training", ("GPTBot",)),
    Crawler("claudebot", "training", ("ClaudeBot",)),
    Crawler("ccbot", "training", ("CCBot",)),
    Crawler("google-extended", "training", ("Google-Extended",)),
    Crawler("applebot-extended", "training", ("Applebot-Extended",)),
    Crawler("meta-externalagent", "training", ("meta-externalagent",)),
)


def with_stored(stored: Mapping[str, Crawler]) -> tuple[Crawler, ...]:
    """All crawlers by name; what the newsroom has stored replaces what is known under that name."""
    every = {each.name: each for each in KNOWN} | dict(stored)
    return tuple(every[name] for name in sorted(every))
