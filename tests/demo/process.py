"""`paywall demo` as a process, the way a newcomer starts it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from tests.patience import PATIENCE
from tests.processes import wait_until_ready
from tests.served import free_port

PAYWALL = str(Path(sys.executable).with_name("paywall"))


@dataclass(frozen=True)
class Demo:
    """A running demo. `greeting` is what it printed; the password is in the first one only."""

    url: str
    port: int
    data: Path
    greeting: str

    @property
    def password(self) -> str:
        found = re.search(r"Password +(\S+)\n", self.greeting)
        assert found, self.greeting
        return found[1]

    @property
    def environment(self) -> dict[str, str]:
        """The settings that it keeps in its folder."""
        lines = (self.data / "paywall.env").read_text().splitlines()
        pairs = (line.partition("=") for line in lines if not line.startswith("#"))
        return {name: value.strip("'") for name, _, value in pairs}


def start(data: Path, port: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [PAYWALL, "demo", "--port", str(port), "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def running_demo(data: Path, port: int | None = None) -> Iterator[Demo]:
    """Start it, wait until it is ready, and end it by SIGTERM, which has to do."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    with start(data, port) as process:
        assert process.stdout is not None
        greeting = ""
        while "Stop it with Ctrl-C." not in greeting:
            line = process.stdout.readline()
            assert line, f"the demo ended: {greeting}"
            greeting += line
        wait_until_ready(url, process)
        try:
            yield Demo(url, port, data, greeting)
        finally:
            process.send_signal(SIGTERM)
            rest, _ = process.communicate(timeout=PATIENCE)
            print(rest)  # noqa: T201 pytest shows it where a test fails
    assert process.returncode == -SIGTERM, "it didn't stop gracefully"
