"""`paywall demo` as a process, the way a newcomer starts it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from tests.forked import command
from tests.patience import wait_until
from tests.ports import free_port
from tests.processes import wait_until_ready


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


@contextmanager
def running_demo(data: Path, port: int | None = None, scale: int = 0) -> Iterator[Demo]:
    """Start it, wait until it is ready, and end it by SIGTERM, which has to do.

    `scale`: about how many subscribers its history has; 0: it has none.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    options = ("--port", str(port), "--data", str(data), "--scale", str(scale))
    with command("demo", *options) as process:

        def greets() -> bool:
            assert process.poll() is None, process.err
            return "Stop it with Ctrl-C." in process.out

        wait_until(greets, "the demo greets")
        wait_until_ready(url, process)
        try:
            yield Demo(url, port, data, process.out)
        finally:
            process.send_signal(SIGTERM)
            assert process.wait() == -SIGTERM, "it didn't stop gracefully"
