"""The quick way to what is read most, in front of the router: teasers, tokens' reads, and unlocking.

Teasers and full texts: the router answers first. Its answer is kept with the article's copy in memory,
and given again byte for byte as long as that copy holds; who may read is decided anew each time.
Unlocking (hot_unlock.py) calls what the router would call. Whatever isn't plain goes to the router: so
each route is described once, and there is one place that refuses.
"""

import time
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.full import read_by_token
from service.access.heads import named_by
from service.access.hot_unlock import HotUnlock
from service.access.reader_memory import ReaderMemory
from service.access.revocations import Revocations
from service.access.sent import PREFIX, REQUEST_ID, Headers, is_plain, whole_body
from service.boundary import answering
from service.content.cache import ArticleCache, CachedArticle, Kept
from service.content.visibility import is_visible
from service.db.context import context_in
from service.encoded import Head, Reply, Whole, Work, replied, send_whole
from service.html.public_answer import MAX_AGE, coding_for
from service.identity.origins import SAFE_METHODS
from service.logs import log_request, request_id_of
from service.metering.ledger import Ledger
from service.offers.on_sale import OnSale
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.running import RunningApp
from service.tokens.claims import AccessClaims, Claims
from service.tokens.verifier import TokenVerifier

_FULL = "/full"
_BEARER = b"Bearer "
_OK = 200
_DAY = timedelta(days=1)
_MOST_READERS = 1_000
"""Tokens remembered with one copy."""
_STEADY = timedelta(seconds=MAX_AGE)
"""A copy that holds for less tells caches so: its answer differs from second to second."""


class _Asked(NamedTuple):
    """What can be answered from memory: of which copy, by what the answer depends on, for which token."""

    entry: CachedArticle
    variant: Hashable
    token: bytes | None


class HotRoutes:
    """What stands in front of the router of one application."""

    def __init__(self, app: RunningApp) -> None:
        self._app, running = app, app.running
        self._context = context_in(running)
        self._origins = {origin.encode("latin-1") for origin in self._context.settings.origins}
        self._articles = running.get(ArticleCache)
        self._ledger = running.get(Ledger)
        self._rules = running.get(RuleBook)
        self._revocations = running.get(Revocations)
        self._tokens = running.get(TokenVerifier)
        self._readers = running.get(ReaderMemory)
        self._on_sale = running.get(OnSale)
        self._unlock = HotUnlock(running)

    async def __call__(self, router: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or let the `router`."""
        if scope["type"] != "http":
            await router(scope, receive, send)
            return
        scope["app"] = self._app
        headers = self._plain(scope)
        if headers is not None and scope["method"] == "GET":
            answer = self._read(scope, headers)
            if answer is not None:
                await send_whole(send, answer)
            else:
                await router(scope, receive, self._keeping(scope, headers, send))
            return
        if headers is not None and is_plain(scope, headers):
            body = await whole_body(receive)
            if body is None:
                return  # the caller has gone
            answer = await replied(partial(self._unlock.answer, scope, headers, body))
            if answer is not None:
                await send_whole(send, answer)
            else:
                await router(scope, answering(body, receive), send)
            return
        if scope["method"] in SAFE_METHODS:
            await router(scope, receive, send)
            return

        async def forget_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._forget()
            await send(message)

        try:
            await router(scope, receive, forget_and_send)
        finally:
            self._forget()

    def whole(self, scope: Scope, body: bytes, reply: Reply) -> Work | None:
        """As `encoded.AnswersWhole` has it."""
        headers = self._plain(scope)
        if headers is not None and scope["method"] == "GET":
            reply(self._read(scope, headers))
        elif headers is not None and is_plain(scope, headers):
            scope["app"] = self._app
            return self._unlock.answer(scope, headers, body, reply)
        else:
            reply(None)
        return None

    def _plain(self, scope: Scope) -> Headers | None:
        """The headers of a request for an article; None: the router decides what it is about.

        It decides of what is sent twice what counts, and of a foreign origin what to say.
        """
        if not scope["path"].startswith(PREFIX):
            return None
        headers: Headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            return None
        origin = headers.get(b"origin")
        return headers if origin is None or origin in self._origins else None

    def _forget(self) -> None:
        """What is remembered may have just been changed here."""
        self._readers.forget()
        self._on_sale.forget()

    def _read(self, scope: Scope, headers: Headers) -> Whole | None:
        started = time.perf_counter()
        asked = self._asked(scope, headers)
        kept = asked.entry.answers.get(asked.variant) if asked is not None else None
        if asked is None or kept is None or not self._may_read(asked):
            return None
        request_id = request_id_of(headers.get(REQUEST_ID, b""))
        log_request(scope, kept.status, started, request_id)
        heads = kept.head, named_by(request_id)
        return Whole(kept.status, heads, kept.body, partial(self._read, scope, headers))

    def _asked(self, scope: Scope, headers: Headers) -> _Asked | None:
        """None where the answer isn't one of a copy in memory, or depends on more than `variant`."""
        if b"if-none-match" in headers:
            return None
        slug = scope["path"][len(PREFIX) :]
        is_full = slug.endswith(_FULL)
        token = headers.get(b"authorization", b"") if is_full else None
        if token is not None and not token.startswith(_BEARER):
            return None
        now = self._context.clocks.business()
        entry = self._articles.peek(slug.removesuffix(_FULL), now + _STEADY)
        if entry is None or not is_visible(entry.article, now):
            return None
        coding = _coding_for(headers.get(b"accept-encoding", b""))
        return _Asked(entry, (is_full, coding, headers.get(b"origin")), token)

    def _may_read(self, asked: _Asked) -> bool:
        """Decide for the token, and note the read; the router says why where it may not."""
        if asked.token is None:
            return True
        context = self._context
        now = context.clocks.business()
        day = now.astimezone(context.settings.zone).date()
        article, opened_to = asked.entry.article, asked.entry.opened_to
        try:
            token = asked.token.removeprefix(_BEARER)
            claims = self._tokens.verify(token, context.clocks.wall())
            known = opened_to.get(claims.jti)
            if known is not None and known[0] is claims and known[1] == day and now < known[2]:
                return not self._revocations.refuse(claims)
            read_by_token(
                article, article.slug, claims, revocations=self._revocations,
                ledger=self._ledger, context=context, in_force=self._rules.in_force,
            )  # fmt: skip
        except Problem:
            return False
        if len(opened_to) >= _MOST_READERS:
            opened_to.clear()
        opened_to[claims.jti] = claims, day, _changes_at(claims, now)
        return True

    def _keeping(self, scope: Scope, headers: Headers, send: Send) -> Send:
        """`send`, which keeps a whole answer if the article's copy has been the same throughout."""
        asked = self._asked(scope, headers)
        if asked is None or asked.variant in asked.entry.answers:
            return send
        started: list[Message] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            elif message.get("more_body"):
                started.clear()  # it comes in pieces
            elif started and started[0]["status"] == _OK:
                named = [pair for pair in started[0]["headers"] if pair[0] != REQUEST_ID]
                now = self._context.clocks.business()
                if self._articles.peek(asked.entry.article.slug, now) is asked.entry:
                    kept = Kept(_OK, Head.of(named), message.get("body", b""))
                    asked.entry.answers.setdefault(asked.variant, kept)
            await send(message)

        return keep


_coding_for = lru_cache(maxsize=256)(lambda header: coding_for(header.decode("latin-1")))


def _changes_at(claims: Claims, now: datetime) -> datetime:
    """Until when the claims say the same of a copy that doesn't change."""
    ends = (
        [item.until for item in claims.ent if item.until]
        if isinstance(claims, AccessClaims)
        else []
    )
    return min([now + _DAY, *(datetime.fromtimestamp(end, UTC) for end in ends)])
