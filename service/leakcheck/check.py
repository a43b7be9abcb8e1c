"""The check itself: plant, ask everything, follow what the answers name, and take away."""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from urllib.parse import urljoin

import httpx

from service.leakcheck.asking import (
    Asked,
    Headers,
    Site,
    of_article,
    of_metered,
    of_site,
    of_stopped,
)
from service.leakcheck.browser import new_reader, rendered
from service.leakcheck.canary import SOURCE, Canary, canaries
from service.leakcheck.finding import find, unread
from service.leakcheck.publishing import CannotCheck, Publisher

__all__ = ["CannotCheck", "Check", "Leak", "Result", "Row"]
_AT_ONCE = 8
_PATIENCE_SECONDS = 20.0
_MOST_REDIRECTS = 5
_MOST_FILLERS = 30
_MOST_FOLLOWED = 200
_MUST_ANSWER = ("teaser", "access", "unlock", "list", "search", "API")
_MAY_BE_MISSING = ("embed", "feed", "sitemap")
_OF_ANY_ADDRESS = ("OPTIONS", "odd address")
"""Audiences whose answers don't show that the surface is there."""
_READ_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate", "br")
_READERS = ("registered", "gift")
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
    """A surface and an audience: how often it was asked, and answered by something to read or by a wall."""

    asked: int = 0
    answered: int = 0
    leaks: int = 0


@dataclass
class Result:
    """`rows` by surface and audience. `skipped` are sentences on what wasn't asked, and why."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    leaks: list[Leak] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Requests without an answer, or with one that says nothing: 429, 5xx, or compressed in an unknown way."""
    skipped: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    """Sentences on surfaces that never gave anything to look at, so that nothing is known of them."""

    @property
    def shows_tightness(self) -> bool:
        """Whether everything was looked at, and nothing got out."""
        return not (self.leaks or self.failed or self.unanswered)


@dataclass(frozen=True)
class _Stopped:
    """A device whose meter is used up: its headers, the articles that it read until then, and the paid word of
    the last, which it was refused.
    """

    headers: Headers
    slugs: tuple[str, ...]
    refused: str


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
        metered = next(each for each in planted if each.kind == "metered")
        self._progress("using up a meter")
        stopped = await self._stopped(publisher, metered)
        headers = stopped.headers if stopped is not None else None
        opening = await self._opening(metered, stopped)
        for canary in planted:
            self._progress(f"asking for the article of kind {canary.kind}")
            if canary.kind == "metered":
                await self._ask(of_metered(self._site, canary, headers, opening))
            else:
                await self._ask(of_article(self._site, canary))
        if headers is not None:
            await self._ask(of_stopped(self._site, metered, headers))
        self._progress("asking lists, feeds, sitemaps and searches")
        await self._ask(of_site(self._site, planted))
        self._progress("following links")
        secret = tuple(word for each in planted for word in each.secret)
        # A page that opens by just coming would open to somebody new.
        whose = (headers or {}) if opening else {}
        followed = [
            Asked("link", "anonymous", "GET", url, secret, whose)
            for url in list(self._links)[:_MOST_FOLLOWED]
        ]
        await self._ask(followed)
        await self._with_javascript(planted, stopped)
        self._say_what_is_missing()

    async def _opening(self, metered: Canary, stopped: _Stopped | None) -> set[str]:
        """The pages that show a metered article whole to a new device that just comes."""
        opening = set()
        for page in self._site.pages:
            url = page.replace("{slug}", metered.slug)
            answer = await self._client.get(url, follow_redirects=True)
            if not _is_answer(answer.status_code):
                self.result.unanswered.append(
                    f"The page {url} was answered {answer.status_code}. Is the address after --page right?"
                )
            elif find(metered.secret, answer.content, {}) is not None:
                opening.add(url)
                if stopped is None:
                    self.result.skipped.append(
                        f"{url}: it shows metered articles whole, and no reader could be made whom the meter stops."
                    )
        return opening

    def _say_what_is_missing(self) -> None:
        rows = self.result.rows
        answered = {
            surface
            for (surface, audience), row in rows.items()
            if row.answered and audience not in _OF_ANY_ADDRESS
        }
        self.result.unanswered += [
            f"The surface {surface} never gave an answer of 2xx or 402."
            for surface in _MUST_ANSWER
            if surface not in answered
        ]
        self.result.skipped += [
            f"The surface {surface}: none was found at the usual addresses."
            for surface in _MAY_BE_MISSING
            if surface not in answered
        ]
        self.result.skipped += [
            f"A reader of the kind {name}: name one by --reader '{name}=HEADER: VALUE'."
            for name in _READERS
            if name not in self._site.readers
        ]

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
                row.answered += _is_answer(answer.status_code)
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
        # 501: the server doesn't know the method.
        is_failure = httpx.codes.is_server_error(status) and status != httpx.codes.NOT_IMPLEMENTED
        if is_failure or status == httpx.codes.TOO_MANY_REQUESTS:
            self.result.failed.append(f"{asked.method} {asked.url}: {status}")
        packed = _unread_encodings(headers) or unread(body)
        if body and packed:
            self.result.failed.append(f"{asked.method} {asked.url}: can't read {packed}")
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

    async def _with_javascript(self, planted: tuple[Canary, ...], stopped: _Stopped | None) -> None:
        if not self._browser:
            self.result.skipped.append("Pages with JavaScript: name a Chromium by --browser.")
            return
        self._progress("looking at pages in the browser")
        for canary in planted:
            for page in self._site.pages:
                with new_reader() as profile:
                    if canary.kind == "metered" and not await self._stop(page, profile, stopped):
                        continue
                    await self._render(page, canary, profile)

    async def _render(self, page: str, canary: Canary, profile: Path) -> None:
        url = page.replace("{slug}", canary.slug)
        asked = Asked("page", "with JavaScript", "GET", url, canary.secret)
        row = self.result.rows.setdefault((asked.surface, asked.audience), Row())
        row.asked += 1
        text = await rendered(self._browser, url, profile)
        if text is None:
            self.result.failed.append(f"{self._browser} {url}: no page")
            return
        row.answered += 1
        self._judge(asked, text, {}, httpx.codes.OK, row)

    async def _stop(self, page: str, profile: Path, stopped: _Stopped | None) -> bool:
        """Whether the browser has used up its meter: it then isn't shown what the device was refused."""
        if stopped is None:
            return False
        text: bytes | None = None
        for slug in stopped.slugs:
            text = await rendered(self._browser, page.replace("{slug}", slug), profile)
        if text is not None and find([stopped.refused], text, {}) is None:
            return True
        self.result.skipped.append(
            f"{page} with JavaScript, of a metered article: the browser's meter couldn't be used up."
        )
        return False

    async def _stopped(self, publisher: Publisher, metered: Canary) -> _Stopped | None:
        """A device whose meter is used up by articles planted for that; None: there is no meter."""
        headers: Headers = {}
        slugs: tuple[str, ...] = ()
        for number in range(1, _MOST_FILLERS + 1):
            slugs = (*slugs, f"leakcheck-filler-{number}")
            paid = f"{metered.public}filler{number}"
            body = f"<p>Filler.</p><!--more--><p>{paid}.</p>"
            document = {**metered.document(self._now), "title": "A test", "body": body}
            await publisher.put(slugs[-1], {**document, "source_ids": {SOURCE: "filler"}})
            url = f"{self._site.api}/v1/articles/{slugs[-1]}/unlock"
            answer = await self._client.post(url, headers=headers)
            if answer.status_code == httpx.codes.PAYMENT_REQUIRED:
                return _Stopped(headers, slugs, paid)
            if not answer.is_success or not answer.json().get("meter"):
                break
            if not headers:
                headers = _device(answer)
        self.result.skipped.append(
            "A reader whose free articles are used up, and metered articles by unlock: there is no meter here."
        )
        return None


def _is_answer(status: int) -> bool:
    """Whether there is something to look at: an answer, or a wall."""
    return httpx.codes.is_success(status) or status == httpx.codes.PAYMENT_REQUIRED


def _unread_encodings(headers: Mapping[str, str]) -> str:
    """Those of the answer's content encodings that weren't undone, so that nothing could be found in it."""
    named = headers.get("content-encoding", "").split(",")
    return ", ".join(each.strip() for each in named if each.strip().lower() not in _READ_ENCODINGS)


def _no_cookies() -> CookieJar:
    """A jar that takes nothing: each request comes from somebody new."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))


def _device(answer: httpx.Response) -> Headers:
    """The headers by which the device that got this answer is known again."""
    given = [each.partition(";")[0] for each in answer.headers.get_list("Set-Cookie")]
    if given:
        return {"Cookie": "; ".join(given)}
    token = answer.json().get("device_token")
    return {"Paywall-Device": token} if token else {}
