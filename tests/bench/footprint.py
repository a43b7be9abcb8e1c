"""What a serving process weighs, and how long commands and the service take to be there."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx2

from tests.bench.load import Request, cpu_seconds, load
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
from tests.ports import free_port
from tests.processes import environment

READERS = 100_000
BARE = "import fastapi, sqlalchemy, alembic"
ROUNDS = 5
_BEGUN_AFTER_SECONDS = 5.0
"""Before it is weighed: what runs in the background from the start is imported a second after it, and counts."""
_UPKEEP_AFTER_SECONDS = 65.0
"""More: then what comes once a minute is there, too."""


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
        "\n| resident memory, MiB a process | after the start | target | after a minute | with the back office "
        "| after 100,000 different readers |"
    )
    say("|---|---|---|---|---|---|")
    for name, workers in (("SQLite", 1), ("PostgreSQL", 1), ("PostgreSQL", 2)):
        with serving(make(name), workers=workers) as (settings, leader):
            time.sleep(_BEGUN_AFTER_SECONDS)
            before = resident(leader)
            time.sleep(_UPKEEP_AFTER_SECONDS)
            upkept = resident(leader)
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
            say(
                f"| {name}, serving processes: {workers} | {before} | 110 | {upkept} | {whole} | {after} |"
            )


class Took(NamedTuple):
    """Seconds, of which by the processor; the latter are nearly the same however busy the machine is."""

    seconds: float
    processor: float


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start(make: Callable[[str], str], say: Callable[[str], None]) -> None:
    """Seconds, of runs that take turns; ratios to importing the frameworks alone."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = settings_of(f"sqlite:///{folder}/start.db", port)
        variables = {**without_settings(), **environment(settings)}

        def run(*arguments: str) -> Took:
            began, used = time.perf_counter(), _of_children()
            subprocess.run(
                [sys.executable, *arguments], env=variables, check=True, stdout=subprocess.DEVNULL
            )
            return Took(time.perf_counter() - began, _of_children() - used)

        def serve() -> tuple[Took, Took]:
            began = time.perf_counter()
            with started("service", "serve", "--port", str(port), port=port, **variables) as leader:
                ready, used = time.perf_counter(), cpu_seconds(leader)
                httpx2.get(f"{settings.public_url}/admin", timeout=PATIENCE)
                return Took(ready - began, used), Took(
                    time.perf_counter() - ready, cpu_seconds(leader) - used
                )

        paywall = ("-m", "service")
        run(*paywall, "migrate")
        measured: dict[str, list[Took]] = {}
        for _ in range(ROUNDS):
            ready, office = serve()
            for name, took in (
                ("bare", run("-c", BARE)),
                ("help", run(*paywall, "--help")),
                ("command", run(*paywall, "offers", "list")),
                ("serve", ready),
                ("back office", office),
            ):
                measured.setdefault(name, []).append(took)
    say(f"\n| start | seconds | ÷ `{BARE}` | by processor time | target |")
    say("|---|---|---|---|---|")
    for name, described, target in (
        ("bare", f"`{BARE}`", ""),
        ("help", "`paywall --help`", "0.5 s"),
        ("command", "`paywall offers list`", "1.5"),
        ("serve", "`paywall serve`, until /readyz answers", "1.3"),
        ("back office", "the first request to its back office", "2 s"),
    ):
        took, bare = (
            Took(*map(median, zip(*measured[each], strict=True))) for each in (name, "bare")
        )
        ratio, by_processor = took.seconds / bare.seconds, took.processor / bare.processor
        say(f"| {described} | {took.seconds:.2f} | {ratio:.2f} | {by_processor:.2f} | {target} |")


def bench(make: Callable[[str], str], given: Given, say: Callable[[str], None]) -> None:
    """Start-up first: it is over in seconds."""
    start(make, say)
    memory(make, given, say)
