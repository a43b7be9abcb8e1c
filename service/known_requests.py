"""Requests that a process knows by their bytes: equal ones needn't be read twice."""

import asyncio

from service.encoded import Again, Whole

_MOST, _LONGEST, _SECONDS = 2_000, 4_096, 10.0


class KnownRequests:
    """How to answer requests by their bytes, of one application, in its loop.

    They are forgotten together, `seconds` after the first of them, also where nobody asks for anything: what answers
    them holds on to copies of articles.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._known: dict[bytes, Again] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._known)

    def keep(self, request: bytes, again: Again) -> None:
        """Answer requests of these bytes so, until that has no answer or fails."""
        if len(request) > _LONGEST:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[request] = again
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._forget)

    def answer(self, request: bytes) -> Whole | None:
        """None: it has to be read, nothing has been done."""
        again = self._known.get(request) if len(request) <= _LONGEST else None
        if again is None:
            return None
        answer = None
        try:
            answer = again()
        finally:
            if answer is None:
                self._known.pop(request, None)
        return answer

    def _forget(self) -> None:
        self._known.clear()
        self._timer = None
