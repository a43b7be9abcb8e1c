"""The quick way to what is read most: teasers and tokens' reads from memory, and unlocking.

The router answers first. Its answer is kept with the article's copy in memory, and given again byte
for byte as long as that copy holds. Who may read is decided anew each time, by the functions that the
router asks. Whatever isn't plainly such a repetition goes to the router: so each route is described
once, and there is one place that refuses.
"""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.answers import unlock_answer
from service.access.cookieless import network_of_caller
from service.access.full import read_by_token
from service.access.revocations import Revocations
from service.access.schemas import UnlockIn
from service.access.unlock import ReadRequest
from service.boundary import answering
from service.content.cache import ArticleCache, CachedArticle, Kept
from service.content.visibility import is_visible
from service.db.context import context_in
from service.html.public_answer import MAX_AGE, coding_for
from service.identity.callers import article_reader
from service.logs import log_request, request_id_of
from service.metering.ledger import Ledger
from service.problems import Problem
from service.running import Running, running_of
from service.settings import Settings
from service.tokens.claims import AccessClaims, Claims
from service.tokens.verifier import TokenVerifier

_PREFIX, _FULL, _UNLOCK = "/v1/articles/", "/full", "/unlock"
_LONGEST_BODY = 16_384
_BEARER = b"Bearer "
_REQUEST_ID = b"x-request-id"
_OK = 200
_DAY = timedelta(days=1)
_MOST_READERS = 10_000
"""Tokens remembered with one copy."""
_STEADY = timedelta(seconds=MAX_AGE)
"""A copy that holds for less tells caches so: its answer differs from second to second."""


@dataclass(frozen=True)
class _Asked:
    """What can be answered from memory: of which copy, by what the answer depends on, for which token."""

    entry: CachedArticle
    variant: Hashable
    token: bytes | None


async def answer(
    running: Running, router: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer a request from memory where that can be done, else by the `router`."""
    started = time.perf_counter()
    headers = dict(scope["headers"]) if scope["type"] == "http" else {}
    asked = _asked(running, scope, headers)
    if asked is None:
        await router(scope, receive, send)
        return
    kept = asked.entry.answers.get(asked.variant)
    if kept is None:
        await router(scope, receive, _keeping(running, asked, send))
    elif not _may_read(running, asked):
        await router(scope, receive, send)
    else:
        request_id = request_id_of(headers.get(_REQUEST_ID, b""))
        named = [*kept.headers, (_REQUEST_ID, request_id.encode())]
        await send({"type": "http.response.start", "status": kept.status, "headers": named})
        await send({"type": "http.response.body", "body": kept.body})
        log_request(scope, kept.status, started, request_id)


def _asked(running: Running, scope: Scope, headers: dict[bytes, bytes]) -> _Asked | None:
    """None where the answer isn't one of a copy in memory, or depends on more than `variant`."""
    if not headers or scope["method"] != "GET" or not scope["path"].startswith(_PREFIX):
        return None
    if len(headers) < len(scope["headers"]) or b"if-none-match" in headers:
        return None
    origin = headers.get(b"origin")
    if origin is not None and origin.decode("latin-1") not in running.get(Settings).origins:
        return None
    slug = scope["path"][len(_PREFIX) :]
    is_full = slug.endswith(_FULL)
    token = headers.get(b"authorization", b"") if is_full else None
    if token is not None and not token.startswith(_BEARER):
        return None
    context = context_in(running)
    now = context.clocks.business()
    entry = running.get(ArticleCache).peek(slug.removesuffix(_FULL), now + _STEADY)
    if entry is None or not is_visible(entry.article, now):
        return None
    coding = _coding_for(headers.get(b"accept-encoding", b""))
    return _Asked(entry, (is_full, coding, origin), token)


_coding_for = lru_cache(maxsize=256)(lambda header: coding_for(header.decode("latin-1")))


def _may_read(running: Running, asked: _Asked) -> bool:
    """Decide for the token, and note the read; the router says why where it may not."""
    if asked.token is None:
        return True
    context, revocations = context_in(running), running.get(Revocations)
    now = context.clocks.business()
    day = now.astimezone(context.settings.zone).date()
    article, opened_to = asked.entry.article, asked.entry.opened_to
    try:
        token = asked.token.removeprefix(_BEARER)
        claims = running.get(TokenVerifier).verify(token, context.clocks.wall())
        known = opened_to.get(claims)
        if known is not None and known[0] == day and now < known[1]:
            return not revocations.refuse(claims)
        read_by_token(
            article, article.slug, claims, revocations=revocations,
            ledger=running.get(Ledger), context=context,
        )  # fmt: skip
    except Problem:
        return False
    if len(opened_to) >= _MOST_READERS:
        opened_to.clear()
    opened_to[claims] = day, _changes_at(claims, now)
    return True


def _changes_at(claims: Claims, now: datetime) -> datetime:
    """Until when the claims say the same of a copy that doesn't change."""
    ends = (
        [item.until for item in claims.ent if item.until]
        if isinstance(claims, AccessClaims)
        else []
    )
    return min([now + _DAY, *(datetime.fromtimestamp(end, UTC) for end in ends)])


def _keeping(running: Running, asked: _Asked, send: Send) -> Send:
    """`send`, which keeps a whole answer if the article's copy has been the same throughout."""
    started: list[Message] = []

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.append(message)
        elif message.get("more_body"):
            started.clear()  # it comes in pieces
        elif started and started[0]["status"] == _OK:
            named = [pair for pair in started[0]["headers"] if pair[0] != _REQUEST_ID]
            now = context_in(running).clocks.business()
            if running.get(ArticleCache).peek(asked.entry.article.slug, now) is asked.entry:
                kept = Kept(_OK, named, message.get("body", b""))
                asked.entry.answers.setdefault(asked.variant, kept)
        await send(message)

    return keep


class QuickUnlock:
    """ASGI, around the router: an article in memory is unlocked without it, by what it would call."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _unlocking(scope, receive)
        if request is None:
            await self.app(scope, receive, send)
            return
        body = await request.body()
        wanted = _wanted(body)
        try:
            read = await _read(request) if wanted is not None else None
            answer = await unlock_answer(request, read, wanted) if read and wanted else None
        except Problem as problem:
            answer = problem.response()
        if answer is None:
            await self.app(scope, answering(body, receive), send)
        else:
            await answer(scope, receive, send)


def _unlocking(scope: Scope, receive: Receive) -> Request | None:
    """The request, if it is one to unlock an article and has nothing unusual about it."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"]
    if not (path.startswith(_PREFIX) and path.endswith(_UNLOCK)):
        return None
    request = Request(scope, receive)
    length = request.headers.get("Content-Length", "")
    kind = request.headers.get("Content-Type", "application/json")
    is_usual = length.isdecimal() and int(length) <= _LONGEST_BODY and kind == "application/json"
    return request if is_usual and "Sec-Purpose" not in request.headers else None


async def _read(request: Request) -> ReadRequest | None:
    context = context_in(running_of(request))
    slug = request.scope["path"][len(_PREFIX) : -len(_UNLOCK)]
    entry = running_of(request).get(ArticleCache).peek(slug, context.clocks.business())
    if entry is None:
        return None
    caller = await article_reader(request, context)
    network = await network_of_caller(request, context.settings, context.clocks)
    return ReadRequest(entry.article, caller, network)


def _wanted(body: bytes) -> UnlockIn | None:
    try:
        return UnlockIn.model_validate_json(body) if body else UnlockIn()
    except ValidationError:
        return None
