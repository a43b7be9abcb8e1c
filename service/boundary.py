"""What every request passes first: the size and shape of its body, and the answer to what nobody foresaw."""

import asyncio
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

import structlog
from fastapi import HTTPException, Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import Problem, answer_about, answer_before_routes, prefers_html

log = structlog.get_logger()

SMALL_BODY = 64 * 1024
MOST_MEMBERS = 2000
DEEPEST = 20
_MOST_FIELDS = 200
_OPERATORS, _MOST_OF_OPERATORS = "/admin/", 1000
"""Forms with a row for each section, tag, prompt or offer. The framework's parser takes no more fields than these."""
_LARGE = re.compile(
    r"/v1/admin/articles/|(/v1)?/admin/(entitlements/([^/]+/)?|institutions/)import$"
)
"""Articles, and the lists of rights from elsewhere and of institutions."""
_SIGNED = "/v1/webhooks/"
"""What Stripe has signed has any shape, and the route that reads it notes what was refused: its size alone
is limited here. Nothing is built from it before the signature is checked.
"""
_REFUSED = "refused"
_NOT_ALLOWED = 405
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Possessive: it never tries another way, however long the text."""
_OTHER_THAN_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Boundary:
    """ASGI: reads the body, whose size and shape are checked before anything is built from it.

    Articles, lists of rights or institutions, and webhooks may have `max_body_bytes`, others 64 KiB. What nobody foresaw becomes a
    problem here: the framework's own catch-all is outside of what adds headers and the request's id.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            try:
                await self._pass_on(scope, receive, send_noted)
                return
            except Problem as problem:
                if started:
                    raise
                refused = problem
            await self._refuse(refused, scope, receive, send_noted)
        except Exception:
            log.exception("request.failed", path=scope["path"])
            if started:
                raise
            await _failure(scope)(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(_SIGNED):
            receive = self._limited(receive)
        elif scope["method"] not in _BODILESS:
            body = await self._body(scope, receive)
            if body is None:
                return  # the caller has gone
            receive = answering(body, receive)
        await self.app(scope, receive, send)

    async def _refuse(self, refused: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        if not prefers_html(Headers(scope=scope).get("accept", "")):
            await refused.response()(scope, receive, send)
            return
        # Only the routes know how a browser is told, and some are made when they are first asked for.
        scope.setdefault("state", {})[_REFUSED] = refused
        await self.app(scope, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        is_large = _LARGE.match(scope["path"]) is not None
        most = self.max_body_bytes if is_large else min(self.max_body_bytes, SMALL_BODY)
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > most:
                raise Problem("body-too-large", _most(most))
            more = message.get("more_body", False)
        kind = Headers(scope=scope).get("content-type", "")
        # The parser of forms with files counts their fields as it reads.
        if not kind.startswith("multipart/form-data"):
            many = _MOST_OF_OPERATORS if scope["path"].startswith(_OPERATORS) else _MOST_FIELDS
            fault = fault_of(bytes(body), most_fields=many)
            if fault is not None:
                raise Problem("malformed-request", fault)
        return bytes(body)

    def _limited(self, receive: Receive) -> Receive:
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                # FastAPI lets its own kind alone pass; of Starlette's it would make a 400.
                raise HTTPException(413, _most(self.max_body_bytes))
            return message

        return receive_limited


class BeforeRoutes:
    """ASGI, where all routes are known: tells a browser what was refused, as the route would that it asked.

    A HEAD that its route doesn't know is answered as a GET without the body (RFC 9110, 9.3.2). So a GET that
    changes or counts something has a HEAD of its own, which doesn't.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = scope.get("state", {}).get(_REFUSED)
        if refused is not None:
            await answer_before_routes(Request(scope), refused)(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal: list[Message] = []

        async def send_unless_refused(message: Message) -> None:
            is_start = message["type"] == "http.response.start"
            if refusal or (is_start and message["status"] == _NOT_ALLOWED):
                refusal.append(message)
            else:
                await send(message)

        # What a route adds to the scope is of the first answer.
        await self.app(dict(scope), receive, send_unless_refused)
        if refusal:
            await self._get(scope, send, refusal)

    async def _get(self, scope: Scope, send: Send, refusal: list[Message]) -> None:
        """The head of what GET is answered; the `refusal` where that isn't allowed either."""
        ended = asyncio.Event()

        async def receive_the_end() -> Message:
            """What streams a long answer stops as for a caller who has gone."""
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send_the_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            if message["status"] == _NOT_ALLOWED:
                for each in refusal:
                    await send(each)
                return
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            ended.set()

        await self.app({**scope, "method": "GET"}, receive_the_end, send_the_head)


def _failure(scope: Scope) -> Response:
    problem = Problem("internal-error")
    try:
        return answer_about(Request(scope), problem)
    except Exception:
        log.exception("page.failed", path=scope["path"])  # it may be the page itself that fails
        return problem.response()


def _most(size: int) -> str:
    return f"At most {size // 1024} KiB are accepted."


def fault_of(body: bytes, *, most_fields: int = _MOST_FIELDS) -> str | None:
    """Why a body isn't read: JSON with too many members or levels or not in UTF-8, or a form with too many fields.

    Each byte is looked at once; objects built from them, and each refused by its name, would cost a
    hundred times as much.
    """
    # Parsers of JSON read UTF-16 and UTF-32 as well, in which nothing here would be found.
    if body.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) or 0 in body[:4]:
        return "The body isn't in UTF-8. Send it in UTF-8."
    body = body.removeprefix(BOM_UTF8)
    if body.lstrip()[:1] not in {b"{", b"["}:
        many = body.count(b"&") > most_fields
        return f"The form has more than {most_fields} fields. Send less." if many else None
    bare = _STRING.sub(b"", body)
    if bare.count(b",") + bare.count(b":") > MOST_MEMBERS:
        return f"The body has more than {MOST_MEMBERS} members. Send less."
    brackets = bare.translate(None, _OTHER_THAN_BRACKETS)
    if len(brackets) > 2 * MOST_MEMBERS or _depth(brackets) > DEEPEST:
        return f"The body has more than {DEEPEST} levels. Send less."
    return None


def _depth(brackets: bytes) -> int:
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def answering(body: bytes, receive: Receive) -> Receive:
    """The body once, then what the server says: that the caller has gone."""
    is_read = False

    async def receive_next() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_next
