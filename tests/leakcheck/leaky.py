"""A site that uses the API and pages of its own, and leaks in whatever ways it is told to."""

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.leakcheck.check import Leak

LIMIT = 2
Here = Callable[[Leak], bool]


def _asked(surface: str, *parts: str) -> Here:
    """A leak of this surface whose address and headers have these parts."""
    return lambda leak: (
        leak.asked.surface == surface
        and all(
            each in f"{leak.asked.url} {leak.asked.headers} {leak.asked.method} {leak.asked.body}"
            for each in parts
        )
    )


LEAKS: dict[str, Here] = {
    "comment": _asked("page", "leakcheck-registered"),
    "crawler": _asked("page", "Googlebot/2.1"),
    "referrer": _asked("page", "https://t.co/a"),
    "address": _asked("page", "'X-Forwarded-For': '127.0.0.1'"),
    "cookie": _asked("page", "subscriber=1"),
    "prefetch": _asked("page", "prefetch;prerender"),
    "json-ld": _asked("page", "application/ld+json"),
    "head": _asked("page", "HEAD"),
    "range": _asked("page", "bytes=-400"),
    "conditional": _asked("page", "If-Modified-Since"),
    "encoding": _asked("page", "utf-16"),
    "amp": _asked("page", "amp=1"),
    "print": _asked("page", "/print"),
    "json page": _asked("page", ".json"),
    "upper case": _asked("page", "LEAKCHECK-"),
    "base64": _asked("page", "noscript=1"),
    "linked data": _asked("link", "/hydrate/leakcheck-"),
    "feed": _asked("feed", "/feed.xml"),
    "sitemap": _asked("sitemap", "/sitemap.xml.gz"),
    "sitemap in plain sight": _asked("sitemap", "/sitemap.xml"),
    "API's list": _asked("list", "/v1/articles"),
    "search": _asked("search", "/search?q="),
    "drafts in the list": _asked("list", "/archive"),
    "oembed": _asked("embed", "/oembed"),
    "teaser": _asked("teaser", "text/plain"),
    "API's search": _asked("search", "/v1/articles?q="),
    "unlock": _asked("unlock", "GPTBot"),
    "forged gift": _asked("unlock", "POST", "gft_0.AAAA"),
    "forged token": _asked("full", "Bearer ey"),
    "admin": _asked("admin", "/v1/admin/articles/leakcheck-draft"),
    "OpenAPI": _asked("API", "/openapi.json"),
    "stopped": lambda leak: leak.asked.audience == "stopped",
    "scheduled": _asked("teaser", "leakcheck-scheduled"),
}
"""Each kind of leak, and how its finding is known."""


@dataclass
class LeakySite:
    """`leaks` are the kinds that are open, of all articles or of those of one kind; `articles` as they were sent.

    With `opens_pages` a page opens a metered article by just coming, as long as the device's meter has room.
    """

    leaks: Collection[str] = ()
    of_kind: str = ""
    opens_pages: bool = False
    away: str = ""
    """An ending of addresses that are answered by 404."""
    encoded: str = ""
    """What the API's answers say that they are compressed by."""
    articles: dict[str, dict[str, Any]] = field(default_factory=dict)
    read: dict[str, set[str]] = field(default_factory=dict)
    key: str = "Bearer pwk_site"
    planted: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        methods = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS"]
        return Starlette(routes=[Route("/{path:path}", self.answer, methods=methods)])

    def has(self, leak: str, slug: str = "") -> bool:
        """Whether this leak is open, for the article of this slug."""
        return leak in self.leaks and (not slug or slug.lower().endswith(self.of_kind))

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        if request.method == "OPTIONS":
            return Response("Not implemented", 501)
        if self.away and path.endswith(self.away):
            return Response("Not found", 404)
        api = re.fullmatch(r"/v1/(admin/)?(?:articles|canaries)/([a-z0-9-]+)(/\w+)?", path)
        if api is not None:
            return await self._of_api(request, api[2], admin=bool(api[1]), action=api[3] or "")
        page = re.fullmatch(r"/story/([a-zA-Z0-9-]+)(/print|\.json)?", path)
        if page is not None:
            return self._page(request, page[1], page[2] or "")
        return self._elsewhere(request, path)

    async def _of_api(self, request: Request, slug: str, *, admin: bool, action: str) -> Response:
        if admin:
            return await self._admin(request, slug)
        article = self.articles.get(slug)
        if article is None or not (article["status"] == "published" or self.has("scheduled")):
            return JSONResponse({}, 404)
        if action == "/unlock" and request.method == "POST":
            return self._unlock(request, slug, await request.body())
        if action == "/full":
            is_open = self.has("forged token", slug) and "ey" in request.headers.get(
                "Authorization", ""
            )
            return JSONResponse(article if is_open else {}, 200 if is_open else 401)
        whole = self.has("teaser", slug) and request.headers.get("Accept") == "text/plain"
        shown = {"title": article["title"], "body": article["body"] if whole else ""}
        if self.encoded:
            packed = gzip.compress(json.dumps(shown).encode())
            return Response(packed, headers={"Content-Encoding": self.encoded})
        return JSONResponse(shown)

    async def _admin(self, request: Request, slug: str) -> Response:
        if request.headers.get("Authorization") != self.key:
            known = self.articles.get(slug, {}) if self.has("admin") else {}
            return JSONResponse(known, 401)
        if request.method == "PUT":
            self.articles[slug] = await request.json()
            self.planted.set()
        if request.method == "DELETE":
            return Response(status_code=204 if self.articles.pop(slug, None) else 404)
        known_here = slug in self.articles
        return JSONResponse(self.articles.get(slug, {}), 200 if known_here else 404)

    def _unlock(self, request: Request, slug: str, body: bytes) -> Response:
        article = self.articles[slug]
        seen = self._counted(request, slug)
        if seen is None and self.has("stopped") and "metered" in slug:
            seen = {slug}
        if seen is not None:
            said = {"meter": {"used": len(seen)}, "device_token": self._device(request)}
            return JSONResponse({**said, "article": article})
        is_open = self.has("unlock", slug) and "GPTBot" in request.headers.get("User-Agent", "")
        is_open |= self.has("forged gift", slug) and b"gft_0.AAAA" in body
        return JSONResponse({"article": article if is_open else None}, 402)

    def _device(self, request: Request) -> str:
        return request.headers.get("Paywall-Device") or f"device{len(self.read)}"

    def _counted(self, request: Request, slug: str) -> set[str] | None:
        """The articles that the device has read, with this one; None: its meter doesn't open it."""
        seen = self.read.get(device := self._device(request), set())
        metered = self.articles[slug]["access"]["level"] == "metered"
        if not metered or (len(seen) >= LIMIT and slug not in seen):
            return None
        self.read[device] = seen | {slug}
        return self.read[device]

    def _page(self, request: Request, slug: str, ending: str) -> Response:
        article = self.articles.get(slug.lower())
        if article is None or article["status"] != "published":
            return Response("Not found", 404)
        preview, _, paid = article["body"].partition("<!--more-->")
        asked, headers = request.url.query, request.headers
        opens = {
            "comment": "registered" in slug,
            "crawler": "Googlebot/2.1" in headers.get("User-Agent", ""),
            "referrer": "t.co" in headers.get("Referer", ""),
            "address": headers.get("X-Forwarded-For") == "127.0.0.1",
            "cookie": "subscriber=1" in headers.get("Cookie", ""),
            "prefetch": headers.get("Sec-Purpose", "") != "",
            "json-ld": headers.get("Accept") == "application/ld+json",
            "range": headers.get("Range") == "bytes=-400",
            "conditional": "If-Modified-Since" in headers,
            "amp": "amp=1" in asked,
            "print": ending == "/print",
            "json page": ending == ".json",
            "upper case": slug.isupper(),
        }
        shown = any(self.has(kind, slug) and holds for kind, holds in opens.items())
        if self.opens_pages and not shown:
            shown = self._counted(request, slug.lower()) is not None
        text = f"<html><p>{preview}</p>{f'<!-- {paid} -->' if shown else ''}"
        if self.has("linked data"):
            text += f'<script src="/hydrate/{slug}.js"></script>'
        if self.has("base64", slug) and "noscript=1" in asked:
            text += f'<i data-body="{base64.b64encode(paid.encode()).decode()}">'
        more = (
            {"X-Body": re.sub(r"<.*?>", "", paid)}
            if self.has("head", slug) and request.method == "HEAD"
            else {}
        )
        if self.has("encoding", slug) and headers.get("Accept-Charset") == "utf-16":
            return Response((text + paid).encode("utf-16"), media_type="text/html; charset=utf-16")
        return Response(text, media_type="text/html", headers=more)

    def _elsewhere(self, request: Request, path: str) -> Response:
        bodies = "".join(
            each["body"]
            for slug, each in self.articles.items()
            if each["status"] == "published" and slug.endswith(self.of_kind)
        )
        word = request.query_params.get("q", "")
        found = [
            slug
            for slug, each in self.articles.items()
            if word and word in each["body"] and slug.endswith(self.of_kind)
        ]
        leaking = {
            "API's list": (path == "/v1/articles" and word == "", bodies.encode()),
            "sitemap in plain sight": (path == "/sitemap.xml", bodies.encode()),
            "feed": (path == "/feed.xml", bodies.encode()),
            "sitemap": (path == "/sitemap.xml.gz", gzip.compress(bodies.encode())),
            "search": (path == "/search", f"For {word}: {found}".encode()),
            "API's search": (path == "/v1/articles" and word != "", json.dumps(found).encode()),
            "drafts in the list": (
                path == "/archive", json.dumps([e["title"] for e in self.articles.values()]).encode()
            ),
            "oembed": (path == "/oembed", bodies.encode()),
            "OpenAPI": (path == "/openapi.json", json.dumps({"example": bodies}).encode()),
            "linked data": (path.startswith("/hydrate/"), bodies.encode()),
        }  # fmt: skip
        for kind, (holds, body) in leaking.items():
            if holds and self.has(kind):
                return Response(body)
        if path == "/v1/offers":
            return JSONResponse({"items": []})
        if path in {"/search", "/v1/articles"}:
            return Response(f"Nothing found for {word}.")
        listed = [s for s, each in self.articles.items() if each["status"] == "published"]
        return Response(json.dumps(listed)) if path == "/" else Response("Not found", 404)
