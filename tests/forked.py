"""The product's commands as processes of their own, forked from one that has imported the product.

To import it takes seconds, to fork takes milliseconds, and the process is as much one of its own: its
number, its environment, its streams, signals and the kill. `tests/demo/test_run.py` starts the
console script itself too, and so does `.ci/first-start`.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from service.cli.app import PARTS
from tests.patience import PATIENCE

processes = pytest.mark.xdist_group("processes")
"""One worker has them all, so that the product is imported once more, not once a worker."""


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    parts = [f"service.cli.{part.module}" for part in PARTS.values()]
    context.set_forkserver_preload(
        [*parts, "service.cli.failures", "tests.forked", "tests.forked_routes"]
    )
    return context


def _run(arguments: Sequence[str], environment: Mapping[str, str], out: str, err: str) -> None:
    """What the forked process does: what a shell does, and then the console script."""
    from service.__main__ import main

    for path, stream in ((out, 1), (err, 2)):
        # Both may be one file: each write goes to its end.
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, stream)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["paywall", *arguments]
    main()


class Command:
    """`paywall …`, running or ended, as `subprocess.Popen` shows one; its streams are files."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: str
    ) -> None:
        self._out, self._err = Path(folder, "out"), Path(folder, "err")
        for stream in (self._out, self._err):
            stream.touch()
        self._process = _server().Process(
            target=_run, args=(arguments, environment, str(self._out), str(self._err)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def poll(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float = PATIENCE) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("paywall", timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """To one that has ended already, nothing."""
        if self.poll() is None and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def command(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Command]:
    """Start `paywall` with these arguments; killed at the end if it still runs.

    `environment` None: as in a shell without any of the product's settings.
    """
    variables = without_settings() if environment is None else environment
    with tempfile.TemporaryDirectory() as folder:
        started = Command(arguments, variables, folder)
        try:
            yield started
        finally:
            started.kill()
            started.wait()
            # pytest shows them where a test fails.
            sys.stdout.write(started.out)
            sys.stderr.write(started.err)


def without_settings() -> dict[str, str]:
    """This process's environment less the product's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PAYWALL_")}
