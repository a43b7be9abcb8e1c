"""Answers that are given whole, with header lines that were encoded before.

Most answers have the same headers. A server checks and encodes each of them anew, which takes longer than finding the
answer; ours (listening.py) takes them as they are, and asks for them before it makes what an ASGI application needs.
Any other server gets them as ASGI has it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, Self

from starlette.types import Send

Named = Sequence[tuple[bytes, bytes]]


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
    """An answer: one of the heads has the body's length. `again` answers the next request of the same bytes."""

    status: int
    heads: tuple[Head, ...]
    body: bytes
    again: "Again | None" = None


Again = Callable[[], Whole | None]
"""The answer as of now. None: read the request, nothing has been done."""


Reply = Callable[[Whole | None], None]
"""Takes the answer to one request, once. None: ask as ASGI has it, nothing has been done."""
Work = Coroutine[Any, Any, None]


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
