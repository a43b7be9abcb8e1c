"""Ctrl-C at a clean place, for commands that may take long."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SENTENCES = {
    False: "\nInterrupted. What was imported is kept; run it again and it goes on.",
    True: "\nInterrupted. Nothing was changed; run it again.",
}


class Interrupted(Exception):
    """Ctrl-C was pressed, and this is a clean place to stop."""

    def sentence(self, *, dry_run: bool) -> str:
        return _SENTENCES[dry_run]


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Note Ctrl-C, and obey it where the yielded function is called: never amid a transaction."""
    asked = False

    def note(*_: object) -> None:
        nonlocal asked
        asked = True

    def check() -> None:
        if asked:
            raise Interrupted

    former = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, former)
