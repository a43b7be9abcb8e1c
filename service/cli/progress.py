"""How far a command has come."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal."""
    hidden = not sys.stderr.isatty()
    with typer.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden) as bar:
        before = 0

        def show(done: int, total: int) -> None:
            nonlocal before
            bar.length = total
            bar.update(done - before)
            before = done

        yield show
