"""Answers that are given whole, with header lines that were encoded before.

Most answers have the same headers. A server checks and encodes each of them anew, which takes longer than finding the
answer; ours (listening.py) takes them as they are, and asks for them before it makes what an ASGI application needs.
Any other server gets them as ASGI has it.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from math import inf
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

from starlette.types import Scope, Send

Named = Sequence[tuple[bytes, bytes]]
_MOST_KNOWN, _LONGEST_KNOWN, _KNOWN_SECONDS = 2_000, 4_096, 10.0
"""Requests that a process knows by their bytes, of what length at most, and how long together."""


class Head(NamedTuple):
    """Headers of an answer, also as HTTP/1.1 has them."""

    named: Named
    lines: bytes

    @classmethod
    def of(cls, named: Named) -> Self:
        """Names in lower case. ValueError: a line's end in one of them would begin another header."""
        lines = b"".join([b"%b: %b\r\n" % pair for pair in named])
        if lines.count(b"\n") != len(named) or lines.count(b"\r") != len(named):
            raise ValueError("There is a line's end in a header.")
        return cls(named, lines)


class Whole(NamedTuple):
    """An answer: one of the heads has the body's length. `again` answers the next request of the same bytes, `alike`
    begins one that differs in its own value alone (`KnownRequests`).
    """

    status: int
    heads: tuple[Head, ...]
    body: bytes
    again: "Again | None" = None
    alike: "Alike | None" = None


Again = Callable[[], Whole | None]
"""The answer as of now. None: read the request, nothing has been done."""
Reply = Callable[[Whole | None], None]
"""Takes the answer to one request, once. None: ask as ASGI has it, nothing has been done."""
Alike = Callable[[Scope, bytes, Reply], bool]
"""Replies to the request of this scope, in which this is its own value. False: read it, nothing has been done."""
Work = Coroutine[Any, Any, None]


class KnownRequests:
    """How to answer requests by their bytes, of one application: equal ones needn't be read twice.

    Nor need those which differ only in the first text of the shape `own`: that has no character that ends anything.
    `time` tells seconds. They are forgotten after some: what answers them may hold on to much.
    """

    def __init__(self, time: Callable[[], float], own: re.Pattern[bytes]) -> None:
        self._time, self._own = time, own
        self._again: dict[bytes, Again] = {}
        self._alike: dict[tuple[bytes, bytes], _Known] = {}
        self._until = -inf

    def keep(self, request: bytes, scope: Scope, body: bytes, answer: Whole) -> None:
        """Answer requests of these bytes, and those which are alike, as the answer has it."""
        if (answer.again is None and answer.alike is None) or len(request) > _LONGEST_KNOWN:
            return
        now = self._time()
        if now > self._until or len(self._again) + len(self._alike) >= _MOST_KNOWN:
            self._again, self._alike, self._until = {}, {}, now + _KNOWN_SECONDS
        if answer.again is not None:
            self._again[request] = answer.again
        own = self._own.search(request)
        if answer.alike is not None and own is not None and request.count(own[0]) == 1:
            around = request[: own.start()], request[own.end() :]
            known = _Known.of(scope, body, own[0], answer.alike)
            if known is not None:
                self._alike[around] = known

    def answer(self, request: bytes) -> Whole | None:
        """None: it has to be read, nothing has been done."""
        again = self._again.get(request)
        if again is None:
            return None
        answer = again()
        if answer is None:
            self._again.pop(request, None)
        return answer

    def find_alike(self, request: bytes) -> "tuple[_Known, bytes] | None":
        """What is known of such requests, and the own value of this one."""
        own = self._own.search(request) if self._alike else None
        if own is None:
            return None
        known = self._alike.get((request[: own.start()], request[own.end() :]))
        return (known, own[0]) if known is not None else None


class _Known(NamedTuple):
    """What was read of a request whose own value is in a header: the scope but for its headers, all of them but that
    one, and what is around the value in it.
    """

    scope: Scope
    body: bytes
    begin: Alike
    headers: tuple[tuple[bytes, bytes], ...]
    name: bytes
    around: tuple[bytes, bytes]

    @classmethod
    def of(cls, scope: Scope, body: bytes, own: bytes, begin: Alike) -> Self | None:
        """None: the value is in none of the headers."""
        for n, (name, value) in enumerate(scope["headers"]):
            before, found, after = value.partition(own)
            if found:
                others = (*scope["headers"][:n], *scope["headers"][n + 1 :])
                kept = {each: scope[each] for each in _OF_ALL if each in scope}
                return cls(kept, body, begin, others, name, (before, after))
        return None

    def scope_of(self, own: bytes, client: tuple[str, int] | None) -> Scope:
        """As if it had been read."""
        (before, after), scope = self.around, dict(self.scope)
        scope["client"], scope["state"] = client, dict(self.scope["state"])
        scope["headers"] = [*self.headers, (self.name, before + own + after)]
        return scope


_OF_ALL = (
    "type", "asgi", "http_version", "server", "scheme", "root_path", "method", "path", "raw_path", "query_string", "state", "app",
)  # fmt: skip


@runtime_checkable
class AnswersWhole(Protocol):
    """An ASGI application that has whole answers to some requests below a path."""

    whole_below: bytes
    known: KnownRequests

    def whole(self, scope: Scope, body: bytes, reply: Reply) -> Work | None:
        """Reply to the request of `scope`, which came with this body: at once, or later with others.

        What is returned is still to be done, and replies; it begins outside of a task (eager.py).
        """


async def replied(ask: Callable[[Reply], Work | None]) -> Whole | None:
    """What is replied to who asks, for those who have to wait for it."""
    answer: asyncio.Future[Whole | None] = asyncio.get_running_loop().create_future()

    def reply(given: Whole | None) -> None:
        if not answer.done():  # else the caller has gone
            answer.set_result(given)

    work = ask(reply)
    if work is not None:
        await work
    return await answer


async def send_whole(send: Send, answer: Whole) -> None:
    """Answer as ASGI has it."""
    named = [pair for head in answer.heads for pair in head.named]
    await send({"type": "http.response.start", "status": answer.status, "headers": named})
    await send({"type": "http.response.body", "body": answer.body})
