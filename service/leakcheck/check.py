"""The check itself: plant, ask everything, follow what the answers name, and take away."""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin

import httpx

from service.leakcheck.asking import Asked, Site, of_article, of_site, of_stopped
from service.leakcheck.browser import rendered
from service.leakcheck.canary import SOURCE, Canary, canaries, find
from service.leakcheck.publishing import CannotCheck, Publisher

__all__ = ["CannotCheck", "Check", "Leak", "Result", "Row"]
_AT_ONCE = 8
_PATIENCE_SECONDS = 20.0
_MOST_REDIRECTS = 5
_MOST_FILLERS = 30
_MOST_FOLLOWED = 200
_LINKS = re.compile(rb"""(?:href|src|data-url|content)=["']([^"'\s]+)["']""", re.IGNORECASE)
_BUILD = re.compile(rb'"buildId":"([\w-]+)"')
_FOLLOWED = (
    "amphtml",
    "alternate",
    "oembed",
    "feed",
    "rss",
    "atom",
    "sitemap",
    ".json",
    ".xml",
    ".js",
)


@dataclass(frozen=True)
class Leak:
    """A request whose answer has what it may not have, and where in it."""

    asked: Asked
    place: str


@dataclass
class Row:
    """A surface and an audience: how often it was asked, and answered by something other than an error."""

    asked: int = 0
    answered: int = 0
    leaks: int = 0


@dataclass
class Result:
    """`rows` by surface and audience. `skipped` are sentences on what wasn't asked, and why."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    leaks: list[Leak] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Requests without an answer, or with one that says nothing: 429 or 5xx."""
    skipped: list[str] = field(default_factory=list)


class Check:
    """One run against a site. `browser` is a Chromium's path, for pages with JavaScript; empty: none."""

    def __init__(
        self, site: Site, key: str, *, now: datetime, browser: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._site, self._key, self._now, self._browser = site, key, now, browser
        self._client = httpx.AsyncClient(
            timeout=_PATIENCE_SECONDS, transport=transport, trust_env=False, cookies=_no_cookies()
        )
        self._progress = progress
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._links: dict[str, None] = {}
        self.result = Result()

    async def run(self) -> Result:
        """Raises CannotCheck; what was planted is taken away whatever happens."""
        async with self._client:
            publisher = Publisher(self._client, self._site.api, self._key)
            planted = canaries(f"leak{secrets.token_hex(6)}")
            self._progress("planting test articles")
            async with publisher.planted(planted, self._now):
                await self._ask_all(publisher, planted)
            self._progress("cleaned up")
        return self.result

    async def _ask_all(self, publisher: Publisher, planted: tuple[Canary, ...]) -> None:
        for canary in planted:
            if canary.kind != "metered":
                self._progress(f"asking for the article of kind {canary.kind}")
                await self._ask(of_article(self._site, canary))
        self._progress("asking lists, feeds, sitemaps and searches")
        await self._ask(of_site(self._site, planted))
        secret = tuple(word for each in planted if each.kind != "metered" for word in each.secret)
        self._progress("following links")
        followed = [
            Asked("link", "anonymous", "GET", url, secret)
            for url in list(self._links)[:_MOST_FOLLOWED]
        ]
        await self._ask(followed)
        await self._with_javascript(planted)
        metered = next(each for each in planted if each.kind == "metered")
        self._progress("using up a meter")
        stopped = await self._stopped(publisher, metered)
        if stopped is not None:
            await self._ask(of_stopped(self._site, metered, stopped))

    async def _ask(self, requests: Iterable[Asked]) -> None:
        # Lists of the like of a site's: a task each would do no harm, but many connections at once would.
        await asyncio.gather(*(self._ask_one(each) for each in requests))

    async def _ask_one(self, asked: Asked) -> None:
        async with self._room:
            row = self.result.rows.setdefault((asked.surface, asked.audience), Row())
            row.asked += 1
            try:
                await self._follow(asked, row)
            except httpx.HTTPError as error:
                self.result.failed.append(f"{asked.method} {asked.url}: {type(error).__name__}")

    async def _follow(self, asked: Asked, row: Row) -> None:
        """The answer and those that it redirects to, as far as they are the site's."""
        if asked.control:
            control = await self._client.get(asked.control)
            if find(asked.forbidden, control.content, {}) is not None:
                return
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await self._client.request(
                asked.method, asked.url, headers=asked.headers, content=asked.body or None
            )
            self._judge(asked, answer.content, dict(answer.headers), answer.status_code, row)
            if not answer.has_redirect_location:
                return
            target = urljoin(asked.url, answer.headers["Location"])
            if not self._is_ours(target):
                return
            asked = replace(asked, url=target)

    def _judge(
        self, asked: Asked, body: bytes, headers: dict[str, str], status: int, row: Row
    ) -> None:
        # The answer may repeat the address that was asked for; a header with it is no leak.
        headers = {name: value for name, value in headers.items() if name.lower() != "location"}
        place = find(asked.forbidden, body, headers)
        if place is not None:
            row.leaks += 1
            self.result.leaks.append(Leak(asked, place))
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            self.result.failed.append(f"{asked.method} {asked.url}: {status}")
        elif status < httpx.codes.BAD_REQUEST or status == httpx.codes.PAYMENT_REQUIRED:
            row.answered += 1
        if asked.surface in {"page", "list", "sitemap"} and asked.audience == "anonymous":
            self._note_links(asked, body)

    def _note_links(self, asked: Asked, body: bytes) -> None:
        """What the page names: other shapes of the article, feeds, and what its script fetches."""
        for found in _LINKS.findall(body):
            url = urljoin(asked.url, found.decode("utf-8", "replace"))
            if self._is_ours(url) and (SOURCE in url or any(each in url for each in _FOLLOWED)):
                self._links[url.partition("#")[0]] = None
        for build in _BUILD.findall(body):
            path = httpx.URL(asked.url).path
            self._links[urljoin(asked.url, f"/_next/data/{build.decode()}{path}.json")] = None

    def _is_ours(self, url: str) -> bool:
        return any(url == each or url.startswith(f"{each}/") for each in self._site.origins)

    async def _with_javascript(self, planted: tuple[Canary, ...]) -> None:
        if not self._browser:
            self.result.skipped.append("Pages with JavaScript: name a Chromium by --browser.")
            return
        for canary in planted:
            if canary.kind == "metered":
                continue
            for page in self._site.pages:
                asked = Asked(
                    "page",
                    "with JavaScript",
                    "GET",
                    page.replace("{slug}", canary.slug),
                    canary.secret,
                )
                row = self.result.rows.setdefault((asked.surface, asked.audience), Row())
                row.asked += 1
                text = await rendered(self._browser, asked.url)
                if text is None:
                    self.result.failed.append(f"{self._browser} {asked.url}: no page")
                    continue
                self._judge(asked, text, {}, httpx.codes.OK, row)

    async def _stopped(self, publisher: Publisher, metered: Canary) -> dict[str, str] | None:
        """What a device sends whose meter is used up by articles planted for that; None: there is no meter."""
        headers: dict[str, str] = {}
        for number in range(_MOST_FILLERS):
            slug = f"leakcheck-filler-{number + 1}"
            document = metered.document(self._now)
            body = f"<p>Filler.</p><!--more--><p>Filler {number}.</p>"
            await publisher.put(
                slug,
                {**document, "title": "A test", "body": body, "source_ids": {SOURCE: "filler"}},
            )
            answer = await self._client.post(
                f"{self._site.api}/v1/articles/{slug}/unlock", headers=headers
            )
            if answer.status_code == httpx.codes.PAYMENT_REQUIRED:
                return headers
            if not answer.is_success or not answer.json().get("meter"):
                break
            if not headers:
                headers = _device(answer)
        self.result.skipped.append(
            "A reader whose free articles are used up: there is no meter here."
        )
        return None


def _no_cookies() -> CookieJar:
    """A jar that takes nothing: each request comes from somebody new."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))


def _device(answer: httpx.Response) -> dict[str, str]:
    """The headers by which the device that got this answer is known again."""
    given = [each.partition(";")[0] for each in answer.headers.get_list("Set-Cookie")]
    if given:
        return {"Cookie": "; ".join(given)}
    token = answer.json().get("device_token")
    return {"Paywall-Device": token} if token else {}
