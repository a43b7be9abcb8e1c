"""The service under Python's profiler, a route at a time: in which functions its time goes.

python -m tests.bench.profiled FILE serve …     `paywall serve …`; the profile is in FILE once SIGINT ends it
"""

import cProfile
import io
import os
import pstats
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from service.__main__ import main
from tests.bench.load import load
from tests.bench.reads import HOT_ROUTES, Given, Readers, port_of, routes_of, serving
from tests.patience import wait_until

SHOWN = 25


def bench(
    make: Callable[[str], str], folder: Path, given: Given, say: Callable[[str], None]
) -> None:
    """Each hot route, on both databases: the functions by the time in themselves."""
    for name in ("SQLite", "PostgreSQL"):
        for place in range(HOT_ROUTES):
            file = folder / f"{name}-{place}"
            module = ("tests.bench.profiled", str(file))
            with serving(make(name), module=module) as (settings, leader):
                route = routes_of(Readers(settings), given.seconds)[place]
                figures = load(
                    port_of(settings), leader, route.requests(),
                    seconds=given.seconds, connections=given.connections,
                )  # fmt: skip
                os.kill(leader, signal.SIGINT)
                wait_until(file.exists, "the profile is written")
            say(f"\n{name}, {route.name}: {figures.rate:,.0f} requests/s under the profiler\n")
            say(_table(file))


def _table(file: Path) -> str:
    out = io.StringIO()
    stats = pstats.Stats(str(file), stream=out)
    stats.sort_stats("tottime").print_stats(SHOWN)
    head, _, table = out.getvalue().partition("   ncalls")
    return f"{head.strip().splitlines()[-1]}\n   ncalls{table.rstrip()}"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    sys.argv = ["paywall", *sys.argv[2:]]
    profile = cProfile.Profile()
    try:
        profile.runcall(main)
    except SystemExit:
        pass
    finally:
        written = file.with_suffix(".part")
        profile.dump_stats(written)
        written.rename(file)
