"""Times compared within one run: medians, and the Mann–Whitney test written plainly."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

Doing = Callable[[], Awaitable[object]]


def repeatable(seed: int) -> Random:
    return Random(seed)  # noqa: S311 the order of measurements is no secret


@dataclass(frozen=True)
class Comparison:
    """`ratio`: median of the first by that of the second. `longer`: the share of pairs in which the
    first takes longer, 0.5 where nothing tells them apart. `chance`: how often chance alone gives a
    difference as large (two-sided p).
    """

    ratio: float
    longer: float
    chance: float

    def __str__(self) -> str:
        return (
            f"median ratio {self.ratio:.3f}, longer in {self.longer:.1%} of pairs, "
            f"p = {self.chance:.2f}"
        )


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Mann and Whitney's U by ranks, with the normal approximation: both need some 20 values."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = _shared_ranks([value for value, _ in ranked])
    rank_sum = sum(rank for rank, (_, which) in zip(ranks, ranked, strict=True) if which == 0)
    n, m = len(first), len(second)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return Comparison(median(first) / median(second), u / (n * m), math.erfc(abs(z) / math.sqrt(2)))


def _shared_ranks(ordered: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs."""
    ranks: list[float] = []
    while len(ranks) < len(ordered):
        start = len(ranks)
        end = start
        while end < len(ordered) and ordered[end] == ordered[start]:
            end += 1
        ranks += [(start + 1 + end) / 2] * (end - start)
    return ranks


async def interleaved(
    first: Doing, second: Doing, pairs: int, random: Random
) -> tuple[list[float], list[float]]:
    """Seconds of each call. The two take turns in random order, so that drift meets both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        for which in random.sample((0, 1), 2):
            begin = time.perf_counter()
            await (first, second)[which]()
            times[which].append(time.perf_counter() - begin)
    return times
