"""Watches whether this process opens connections: what a hostile token would make it fetch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WATCHED = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}
_watching: list[list[str]] = []
"""The lists that are filled at the moment."""
_hooked: list[bool] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in _WATCHED:
        for seen in _watching:
            seen.append(f"{event} {arguments[-1] if event == 'socket.connect' else arguments[0]}")


@contextmanager
def connections() -> Iterator[list[str]]:
    """A list that fills with whatever is connected to or looked up meanwhile, in any thread."""
    if not _hooked:
        sys.addaudithook(_note)  # there is no way to take a hook away again: so one for all
        _hooked.append(True)
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
