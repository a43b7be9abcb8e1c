"""The service in processes of its own, as in production: several on one PostgreSQL, one on SQLite."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

from service.settings import Settings
from tests.forked import Command, command, without_settings
from tests.patience import PATIENCE, wait_until
from tests.served import free_port


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
        "PAYWALL_TIME_ZONE": settings.time_zone,
        "PAYWALL_LOG_LEVEL": "warning",
    }


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
