"""Answers that are sent whole, with header lines that were encoded before.

What is read most is answered with the same headers again and again. A server checks and encodes each of them anew,
which takes longer than finding the answer; ours (listening.py) takes them as they are. Any other gets them as ASGI
has it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Self

from starlette.types import Scope, Send

WHOLE = "paywall.whole"
"""The name of the server's extension of ASGI (`scope["extensions"]`)."""
SendWhole = Callable[[int, bytes, bytes], Awaitable[None]]
"""Status, header lines without the last empty one, and the body, whose length they tell."""
Named = Sequence[tuple[bytes, bytes]]
_NO_EXTENSIONS: dict[str, SendWhole] = {}


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


async def send_whole(
    scope: Scope, send: Send, status: int, heads: Sequence[Head], body: bytes
) -> None:
    """Answer the request of `scope` with the headers of all `heads`; one of them has the body's length."""
    at_once = scope.get("extensions", _NO_EXTENSIONS).get(WHOLE)
    if at_once is not None:
        await at_once(status, b"".join([head.lines for head in heads]), body)
        return
    named = [pair for head in heads for pair in head.named]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})
