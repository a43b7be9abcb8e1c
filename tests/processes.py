"""The service in processes of its own, as in production: several on one PostgreSQL, one on SQLite."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from service.clock import Clocks
from service.settings import Settings
from tests.forked import Command, command, without_settings
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port


@dataclass(frozen=True)
class Process:
    """One serving process and its address."""

    url: str
    handle: Command


def environment(settings: Settings) -> dict[str, str]:
    """What a serving process finds in its environment, with none of this process's settings."""
    return {
        **without_settings(),
        "PAYWALL_DATABASE_URL": settings.database_url,
        "PAYWALL_SECRET_KEY": settings.secret_key.get_secret_value(),
        "PAYWALL_PUBLIC_URL": settings.public_url,
        "PAYWALL_INSECURE_COOKIES": "true",
        "PAYWALL_PUBLICATION": settings.publication,
        "PAYWALL_TIME_ZONE": _where_it_is_noon(),
        "PAYWALL_LOG_LEVEL": "warning",
    }


def _where_it_is_noon() -> str:
    """A zone where no day, week or month ends soon: these processes have real clocks."""
    return f"Etc/GMT{Clocks().wall().hour - 12:+d}"


@dataclass(frozen=True)
class Workers:
    """One `paywall serve` with several workers."""

    url: str
    handle: Command

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of this event so far."""
        lines = [json.loads(line) for line in self.handle.err.splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    def pids(self) -> set[int]:
        """The workers' processes; one that has just ended may be among them."""
        pid = self.handle.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(each) for each in children if _lives(each)}

    def has_read_all(self) -> bool:
        """Whether every connection is taken and all that was sent is read: else the system holds some of it."""
        port = f":{int(self.url.rpartition(':')[2]):04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, here, there, _, queues, *_ = line.split()
            unsent, unread = (int(each, 16) for each in queues.split(":"))
            if (unread and here.endswith(port)) or (unsent and there.endswith(port)):
                return False
        return True


def _lives(pid: str) -> bool:
    """Whether it runs: the dead wait for their supervisor as zombies, or are gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@contextlib.contextmanager
def serving_workers(settings: Settings, count: int, **variables: str) -> Iterator[Workers]:
    """`paywall serve --workers` that all run and answer /readyz, on a database that is migrated."""
    port = free_port()
    told = {**environment(settings), **variables}
    arguments = ("serve", "--port", str(port), "--workers", str(count))
    with command(*arguments, environment=told) as handle:
        made = Workers(f"http://127.0.0.1:{port}", handle)
        wait_until_ready(made.url, handle)
        wait_until(lambda: len(made.pids()) == count, "every worker runs")
        yield made


@contextlib.contextmanager
def serving_processes(settings: Settings, count: int) -> Iterator[list[Process]]:
    """`count` processes of `paywall serve` that answer /readyz, on a database that is migrated."""
    with contextlib.ExitStack() as running:
        made = []
        for _ in range(count):
            port = free_port()
            served = command("serve", "--port", str(port), environment=environment(settings))
            made.append(Process(f"http://127.0.0.1:{port}", running.enter_context(served)))
        for process in made:
            wait_until_ready(process.url, process.handle)
        yield made


def wait_until_ready(url: str, handle: Command) -> None:
    """Wait for /readyz. Raises RuntimeError where the process ends before."""

    def ready() -> bool:
        if handle.poll() is not None:
            raise RuntimeError("the process ended; its log is below")
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(f"{url}/readyz", timeout=PATIENCE).status_code == 200
        return False

    wait_until(ready, f"{url} is ready")
