"""What a serving process weighs, and how long commands and the service take to be there."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx2

from tests.bench.load import Request, load
from tests.bench.reads import (
    QUIET,
    UNLOCK,
    Given,
    Readers,
    port_of,
    serving,
    settings_of,
    started,
)
from tests.forked import without_settings
from tests.patience import PATIENCE
from tests.processes import environment
from tests.served import free_port

READERS = 100_000
BARE = "import fastapi, sqlalchemy, alembic"
ROUNDS = 5


def resident(leader: int) -> str:
    """MiB of each process in this leader's session, the largest first, and of all together.

    Workers share pages: they count in each, and once in the sum.
    """
    found, together = [], 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        if int(fields[3]) == leader:
            found.append(int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 2**20)
            together += _proportional(stat.parent)
    each = ", ".join(map(str, sorted(found, reverse=True)))
    return each if len(found) == 1 else f"{each}; together {together // 1024}"


def _proportional(process: Path) -> int:
    """KiB, of which shared pages count in parts."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def memory(make: Callable[[str], str], given: Given, say: Callable[[str], None]) -> None:
    """Resident after the start, with the back office, and once very many different readers were counted."""
    say(
        "\n| resident memory, MiB a process | after the start | target | with the back office "
        "| after 100,000 different readers |"
    )
    say("|---|---|---|---|---|")
    for name, workers in (("SQLite", 1), ("PostgreSQL", 1), ("PostgreSQL", 2)):
        with serving(make(name), workers=workers) as (settings, leader):
            before = resident(leader)
            httpx2.get(f"{settings.public_url}/admin", timeout=PATIENCE)
            whole = resident(leader)
            readers = Readers(settings)
            sent = 0
            while sent < READERS:
                some = [Request("POST", UNLOCK, (readers.device(),), QUIET) for _ in range(READERS)]
                figures = load(
                    port_of(settings), leader, some, seconds=given.seconds,
                    connections=given.connections,
                )  # fmt: skip
                sent += int(figures.rate * given.seconds)
            after = resident(leader)
            say(f"| {name}, serving processes: {workers} | {before} | 110 | {whole} | {after} |")


def start(make: Callable[[str], str], say: Callable[[str], None]) -> None:
    """Seconds, of runs that take turns; ratios to importing the frameworks alone."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = settings_of(f"sqlite:///{folder}/start.db", port)
        variables = {**without_settings(), **environment(settings)}

        def run(*arguments: str) -> float:
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, *arguments], env=variables, check=True, stdout=subprocess.DEVNULL
            )
            return time.perf_counter() - began

        def serve() -> tuple[float, float]:
            began = time.perf_counter()
            with started("service", "serve", "--port", str(port), port=port, **variables):
                ready = time.perf_counter()
                httpx2.get(f"{settings.public_url}/admin", timeout=PATIENCE)
                return ready - began, time.perf_counter() - ready

        paywall = ("-m", "service")
        run(*paywall, "migrate")
        measured: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            ready, office = serve()
            for name, seconds in (
                ("bare", run("-c", BARE)),
                ("help", run(*paywall, "--help")),
                ("command", run(*paywall, "offers", "list")),
                ("serve", ready),
                ("back office", office),
            ):
                measured.setdefault(name, []).append(seconds)
    bare, helped, command, served, opened = (median(each) for each in measured.values())
    say(f"\n| start | seconds | ÷ `{BARE}` | target |")
    say("|---|---|---|---|")
    say(f"| `{BARE}` | {bare:.2f} | 1 | |")
    say(f"| `paywall --help` | {helped:.2f} | {helped / bare:.2f} | 0.5 s |")
    say(f"| `paywall offers list` | {command:.2f} | {command / bare:.2f} | 1.5 |")
    say(f"| `paywall serve`, until /readyz answers | {served:.2f} | {served / bare:.2f} | 1.3 |")
    say(f"| the first request to its back office | {opened:.2f} | {opened / bare:.2f} | 2 s |")


def bench(make: Callable[[str], str], given: Given, say: Callable[[str], None]) -> None:
    """Start-up first: it is over in seconds."""
    start(make, say)
    memory(make, given, say)
