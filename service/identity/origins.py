"""Who may see an answer and who may act: CORS, the origin check, and the default cache rule.

Public answers say so themselves. Whatever carries no Cache-Control is private: a forgotten header
can't put a reader's text into a shared cache. One ASGI wrapper does all, since each framework
middleware costs more than the routes themselves.
"""

from typing import Self

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import Problem
from service.settings import Settings

log = structlog.get_logger()
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PRIVATE_VARY = "Authorization, Cookie, Origin"
_ALLOWED_HEADERS = (
    "Authorization, Content-Type, Paywall-Consent, Paywall-Device, If-None-Match, If-Match"
)
_ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_EXPOSED_HEADERS = "ETag, Retry-After, X-Request-Id"
_PREFLIGHT_SECONDS = "600"
_MOST_NAMED = 100
_LONGEST_NAMED = 200


_NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The policy of whatever isn't a page."""
_ON_ALL = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"browsing-topics=(), camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class AnswerHeaders:
    """What answers carry besides their own; `origins` are those whose pages may act for a reader.

    `only_https`: browsers shall come by https alone for a year from then on.
    """

    def __init__(self, origins: tuple[str, ...], *, only_https: bool = False) -> None:
        self.origins = frozenset(origins)
        self._on_all = [*_ON_ALL, _HSTS] if only_https else _ON_ALL
        self._named: set[str] = set()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.origins, only_https=settings.environment == "production")

    def complete(self, headers: MutableHeaders, origin: str | None) -> None:
        """Add them to an answer's own, for a request from this origin."""
        headers.raw.extend(self._on_all)
        headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        headers.setdefault("Content-Security-Policy", _NOTHING)
        anywhere = headers.get("access-control-allow-origin") == "*"
        headers["Cross-Origin-Resource-Policy"] = "cross-origin" if anywhere else "same-origin"
        if headers.get("cache-control", "").startswith("public"):
            return
        headers["Cache-Control"] = "private, no-store"
        headers["Vary"] = PRIVATE_VARY
        if origin in self.origins:
            headers["Access-Control-Allow-Origin"] = str(origin)
            headers["Access-Control-Allow-Credentials"] = "true"
            headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        elif origin is not None:
            self._name(origin)  # whose browser withholds the answer, or sees a refusal

    def _name(self, origin: str) -> None:
        """Log a refused origin once, and no more than some: strangers must not fill the log."""
        named = origin[:_LONGEST_NAMED]
        if named not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(named)
            log.warning("origin.refused", origin=named, remedy="list it in PAYWALL_ALLOWED_ORIGINS")


class OriginPolicy:
    """Wraps the application: only pages of these origins act for a reader, and see what is private."""

    def __init__(self, app: ASGIApp, headers: AnswerHeaders) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        send = self._finishing(send, origin)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._answer_preflight(send, origin)
        elif scope["method"] not in SAFE_METHODS and self._is_foreign(headers, origin):
            refusal = Problem(
                "foreign-origin", f"{origin or 'Another site'} isn't a listed origin."
            )
            await refusal.response()(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _is_foreign(self, headers: Headers, origin: str | None) -> bool:
        # Browsers send Origin with every cross-site POST; curl and servers send none.
        if origin is not None:
            return origin not in self.headers.origins
        return headers.get("sec-fetch-site") == "cross-site"

    async def _answer_preflight(self, send: Send, origin: str | None) -> None:
        headers = MutableHeaders()
        if origin in self.headers.origins:
            headers["Access-Control-Allow-Methods"] = _ALLOWED_METHODS
            headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
            headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
        await send({"type": "http.response.start", "status": 204, "headers": headers.raw})
        await send({"type": "http.response.body", "body": b""})

    def _finishing(self, send: Send, origin: str | None) -> Send:
        async def finish(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                self.headers.complete(headers, origin)
                message = {**message, "headers": headers.raw}
            await send(message)

        return finish
