"""What a request opens by who it comes from: a crawler that has proved who it is."""

from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from service.clock import AppClocks
from service.content.cache import StoredArticle, WantedArticle
from service.crawlers.known import Crawler
from service.crawlers.robots import license_link
from service.crawlers.signatures import SignedRequest
from service.crawlers.verifiers import Verifiers, Visit
from service.grants.grants import EVERYTHING, GrantFacts
from service.limits.addresses import client_address
from service.problems import Problem
from service.rules.crawlers import CrawlerRules
from service.rules.in_force import RuleBook
from service.running import running_of
from service.settings import AppSettings, Settings

_WITHOUT_SIGNATURE = (b"host", b"user-agent")
"""Headers that prove something where nothing is signed; a signature may cover any."""
_AGENT = b"signature-agent"


def visit_of(request: Request, settings: Settings) -> Visit:
    """What of the request may prove who it comes from. Other headers that are sent twice aren't read."""
    names = [name for name, _ in request.headers.raw]
    looked_at = names if b"signature-input" in names else _WITHOUT_SIGNATURE
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in request.headers.raw
        if name in looked_at and names.count(name) == 1
    }
    if looked_at is names and names.count(_AGENT) > 1:
        # One value, as RFC 9421 (2.1) has it: sent twice, it has to be covered as well.
        headers[_AGENT.decode()] = ", ".join(request.headers.getlist(_AGENT.decode()))
    host, scope = headers.get("host", "").lower(), request.scope
    schemes = _schemes(settings.origins)
    signed = SignedRequest(
        request.method, host if host in schemes else "", scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"), headers, schemes.get(host, ""),
    )  # fmt: skip
    return Visit(client_address(request, settings), headers.get("user-agent", "").lower(), signed)


@lru_cache(maxsize=8)
def _schemes(origins: tuple[str, ...]) -> dict[str, str]:
    """By our hosts."""
    parts = map(urlsplit, sorted(origins))  # https, where a host has both, comes last
    return {each.netloc.lower(): each.scheme for each in parts}


def checked(crawler: Crawler, article: StoredArticle, rules: CrawlerRules, public_url: str) -> bool:
    """Whether the crawler gets the whole text. Problems `crawler-refused` and `license-required`."""
    policy = rules.policy(crawler.category)
    if policy == "refuse":
        raise Problem("crawler-refused")
    if policy == "license" and rules.needs_license(article.section):
        raise Problem(
            "license-required", headers={"Link": license_link(public_url, rules, article.slug)}
        )
    return policy == "full_verified"


async def grants_of_crawler(
    request: Request,
    article: WantedArticle,
    settings: AppSettings,
    clocks: AppClocks,
) -> tuple[GrantFacts, ...]:
    """What a crawler that has proved who it is may read. Problems `crawler-refused` and `license-required`."""
    running = running_of(request)
    rules = running.get(RuleBook).in_force.rules.crawlers
    # Whose token it is has been found out: an agent gets what its reader gets.
    if rules.treat_all_alike or "Authorization" in request.headers:
        return ()
    crawler = await running.get(Verifiers).verify(visit_of(request, settings))
    if crawler is None or not checked(crawler, article, rules, settings.public_url):
        return ()
    whole = GrantFacts("", "crawler", crawler.name, EVERYTHING, clocks.business(), None)
    return (whole,)


GrantsOfCrawler = Annotated[tuple[GrantFacts, ...], Depends(grants_of_crawler)]
