"""What the bench prints. Not in `__main__`, which other processes of its can't import."""

from collections.abc import Callable

Say = Callable[[str], None]


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 it is what the command is for
