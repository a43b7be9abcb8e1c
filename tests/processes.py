"""The service in processes of its own, as in production: several on one PostgreSQL, one on SQLite."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from service.settings import Settings
from tests.patience import PATIENCE, wait_until
from tests.served import free_port

SERVER = """
import sys
import uvicorn
from service.app import create_app
from service.clock import Clocks
from service.settings import Settings

app = create_app(Settings(_env_file=None), gateway=None, clocks=Clocks())
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


@dataclass(frozen=True)
class Process:
    """One serving process and its address."""

    url: str
    handle: subprocess.Popen[bytes]


def environment(settings: Settings) -> dict[str, str]:
    """What a serving process finds in its environment, with none of this process's settings."""
    inherited = {name: value for name, value in os.environ.items() if "PAYWALL_" not in name}
    return {
        **inherited,
        "PAYWALL_DATABASE_URL": settings.database_url,
        "PAYWALL_SECRET_KEY": settings.secret_key.get_secret_value(),
        "PAYWALL_PUBLIC_URL": settings.public_url,
        "PAYWALL_INSECURE_COOKIES": "true",
        "PAYWALL_PUBLICATION": settings.publication,
        "PAYWALL_TIME_ZONE": settings.time_zone,
    }


@contextlib.contextmanager
def serving_processes(settings: Settings, count: int) -> Iterator[list[Process]]:
    """`count` processes that answer /readyz, on a database that is migrated already."""
    made: list[Process] = []
    try:
        for _ in range(count):
            port = free_port()
            command = [sys.executable, "-c", SERVER, str(port)]
            handle = subprocess.Popen(command, env=environment(settings))
            made.append(Process(f"http://127.0.0.1:{port}", handle))
        for process in made:
            wait_until_ready(process.url, process.handle)
        yield made
    finally:
        for process in made:
            process.handle.terminate()
        for process in made:
            try:
                process.handle.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.handle.kill()
                process.handle.wait()


def wait_until_ready(url: str, handle: "subprocess.Popen[Any]") -> None:
    """Wait for /readyz. Raises RuntimeError where the process ends before."""

    def ready() -> bool:
        if handle.poll() is not None:
            raise RuntimeError("the process ended; its log is above")
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(f"{url}/readyz", timeout=PATIENCE).status_code == 200
        return False

    wait_until(ready, f"{url} is ready")
