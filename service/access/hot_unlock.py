"""Unlocking an article in memory without the router, by what the router would call.

What a frontend sends for each reader is read here in one look; whatever else is in a request goes to the
router. Its answers and refusals have the same status, headers and members.
"""

import time
from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache

import structlog
from pydantic import ValidationError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.answers import Answered, UnlockAnswers
from service.access.cookieless import network_of_caller
from service.access.reader_memory import KnownReader, ReaderMemory
from service.access.schemas import UnlockIn
from service.access.unlock import ReadRequest
from service.boundary import answering
from service.content.article import StoredArticle
from service.content.cache import ArticleCache
from service.db.context import context_in
from service.grants.store import live_grants_of
from service.identity.callers import Caller, article_reader
from service.identity.cookies import read_cookie
from service.identity.devices import HEADER, DeviceKey
from service.identity.handover import remember_device
from service.identity.origins import AnswerHeaders
from service.logs import log_request, request_id_of
from service.problems import Problem
from service.running import Running
from service.tokens.signing import bearer_token
from service.tokens.verifier import TokenVerifier

PREFIX = "/v1/articles/"
Headers = dict[bytes, bytes]
_UNLOCK = "/unlock"
_LONGEST_BODY = 16_384
_REMEMBERED_BODY = 64
_JSON = b"application/json"
_CROSS_SITE = b"cross-site"
_DEVICE = HEADER.lower().encode()

log = structlog.get_logger()


class HotUnlock:
    """Unlocking in front of the router of one application."""

    def __init__(self, running: Running) -> None:
        self._context = context_in(running)
        self._articles = running.get(ArticleCache)
        self._answers = running.get(UnlockAnswers)
        self._devices = running.get(DeviceKey)
        self._readers = running.get(ReaderMemory)
        self._tokens = running.get(TokenVerifier)
        self._common = AnswerHeaders.of(self._context.settings)
        self._completed: dict[bytes | None, list[tuple[bytes, bytes]]] = {}

    def is_asked(self, scope: Scope, headers: Headers) -> bool:
        """Whether it is a request to unlock an article and has nothing unusual about it."""
        length = headers.get(b"content-length", b"")
        return (
            scope["method"] == "POST"
            and scope["path"].endswith(_UNLOCK)
            and length.isdigit()
            and int(length) <= _LONGEST_BODY
            and headers.get(b"content-type", _JSON) == _JSON
            and b"sec-purpose" not in headers
            # Without an origin, which the caller has looked at, the browser says it this way.
            and (b"origin" in headers or headers.get(b"sec-fetch-site") != _CROSS_SITE)
        )

    async def __call__(
        self, router: ASGIApp, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        started = time.perf_counter()
        body = await _body(receive)
        if body is None:
            return  # the caller has gone
        wanted = _wanted(body)
        slug = scope["path"][len(PREFIX) : -len(_UNLOCK)]
        entry = self._articles.peek(slug, self._context.clocks.business())
        if wanted is None or entry is None:
            await router(scope, answering(body, receive), send)
            return
        try:
            read = await self._read(scope, headers, entry.article)
            referrer = headers.get(b"referer")
            answered = await self._answers.answer(
                read, wanted, referrer.decode("latin-1") if referrer is not None else None
            )
            status, sent, named = (
                answered.status,
                answered.body,
                self._named(scope, answered, read),
            )
        except Problem as problem:
            status, sent, named = _plainly(problem.response())
        except Exception:
            log.exception("request.failed", path=scope["path"])
            status, sent, named = _plainly(Problem("internal-error").response())
        request_id = request_id_of(headers.get(b"x-request-id", b""))
        named += self._rest(headers.get(b"origin"))
        named.append((b"x-request-id", request_id.encode()))
        await send({"type": "http.response.start", "status": status, "headers": named})
        await send({"type": "http.response.body", "body": sent})
        log_request(scope, status, started, request_id)

    async def _read(self, scope: Scope, headers: Headers, article: StoredArticle) -> ReadRequest:
        settings, clocks = self._context.settings, self._context.clocks
        request, network = Request(scope), None
        if settings.cookieless_unlocks_per_day:
            network = await network_of_caller(request, settings, clocks)
        if b"cookie" not in headers and b"authorization" not in headers:
            device = self._devices.read(headers.get(_DEVICE, b"").decode("latin-1"))
            return ReadRequest(article, Caller(device_id=device), network)
        key = self._key_of(request)
        if key is None:
            return ReadRequest(article, await article_reader(request, self._context), network)

        async def again() -> ReadRequest:
            return await self._fresh(request, key, article, network)

        known = self._readers.find(key)
        if known is None:
            return await again()
        cookie = read_cookie(request, "device", settings)
        by_cookie = self._devices.read(cookie)
        device = by_cookie or self._devices.read(request.headers.get(HEADER))
        caller = replace(known.caller, device_id=device, holds_cookie=by_cookie is not None)
        return ReadRequest(article, caller, network, known.held, again)

    def _key_of(self, request: Request) -> Hashable | None:
        """By what a signed-in reader is known; None: by nothing. Raises Problem `invalid-token`."""
        token = bearer_token(request)
        if token is not None:
            return self._tokens.verify(token, self._context.clocks.wall())
        return read_cookie(request, "session", self._context.settings) or None

    async def _fresh(
        self, request: Request, key: Hashable, article: StoredArticle, network: str | None
    ) -> ReadRequest:
        generation, now = self._readers.generation, self._context.clocks.wall()
        caller = await article_reader(request, self._context)
        if caller.reader_id is None:
            return ReadRequest(article, caller, network)
        async with self._context.database.reading() as session:
            held = await live_grants_of(session, caller.reader_id, self._context.clocks.business())
        self._readers.put(key, KnownReader(caller, tuple(held), now), generation)
        return ReadRequest(article, caller, network, held)

    def _named(
        self, scope: Scope, answered: Answered, read: ReadRequest
    ) -> list[tuple[bytes, bytes]]:
        named = [
            (b"content-length", str(len(answered.body)).encode()),
            (b"content-type", answered.media_type.encode()),
        ]
        if read.caller.device_id is None:
            cookie = Response()
            remember_device(Request(scope), cookie, read.caller, answered.device)
            named += [pair for pair in cookie.raw_headers if pair[0] == b"set-cookie"]
        return named

    def _rest(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """What each answer to this origin, a listed one, carries."""
        if origin not in self._completed:
            headers = MutableHeaders()
            self._common.complete(headers, origin.decode("latin-1") if origin is not None else None)
            self._completed[origin] = headers.raw
        return self._completed[origin]


async def _body(receive: Receive) -> bytes | None:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body if message["type"] == "http.request" else None


def _wanted(body: bytes) -> UnlockIn | None:
    """What the body asks for; None where the router has to say what is wrong with it."""
    try:
        return _read_body(body) if len(body) <= _REMEMBERED_BODY else _read_anew(body)
    except ValidationError:
        return None


def _read_anew(body: bytes) -> UnlockIn:
    return UnlockIn.model_validate_json(body) if body else UnlockIn()


_read_body = lru_cache(maxsize=1_000)(_read_anew)


def _plainly(response: Response) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    return response.status_code, bytes(response.body), list(response.raw_headers)
