"""The service in processes of its own, as in production: several on one PostgreSQL, one on SQLite."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

from service.settings import Settings
from tests.served import free_port

GIVE_UP = 30.0
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
            _wait_until_ready(process)
        yield made
    finally:
        for process in made:
            process.handle.terminate()
        for process in made:
            try:
                process.handle.wait(GIVE_UP)
            except subprocess.TimeoutExpired:
                process.handle.kill()
                process.handle.wait()


def _wait_until_ready(process: Process) -> None:
    deadline = time.monotonic() + GIVE_UP
    while time.monotonic() < deadline:
        if process.handle.poll() is not None:
            raise RuntimeError("the process ended; its log is above")
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{process.url}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{process.url} isn't ready")
