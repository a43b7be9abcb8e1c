"""The counters for Prometheus: of this process, or of all workers of one `paywall serve` added up.

A worker counts in a file of its own, which the next one in its place takes over: what Prometheus sees never falls when
one is killed. Gauges aren't kept: they are asked for when Prometheus comes.
"""

import os
from pathlib import Path

from prometheus_client import REGISTRY, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the library's name


def share_counters(folder: Path, worker: int) -> None:
    """Count in `folder` from now on, beside other workers with other numbers.

    To be called before anything is counted: a counter's values are made at their first use.
    """
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]


def counters() -> Collector:
    """What was counted, and this process's own figures where it is the only one."""
    folder = os.environ.get(_FOLDER)
    return MultiProcessCollector(None, folder) if folder else REGISTRY  # type: ignore[no-untyped-call]
