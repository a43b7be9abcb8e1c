"""Each report over the last twelve months, beside many times as many subscribers, on PostgreSQL."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

from service.clock import Clocks
from service.db.session import Database
from service.problems import Problem
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.figure import Figure
from service.reports.period import parse_period
from service.reports.registry import FIGURES
from service.settings import Settings
from tests.bench.filled import filled
from tests.bench.said import Say
from tests.postgres import PostgresServer

SUBSCRIBERS = 10_000
"""At scale 1."""
MOST_MS = 1_000
TOO_LONG = float("inf")
_BY_DAY = ("", "day")


class Asking(NamedTuple):
    """A report as a page asks for it: split, filtered, in the usual steps or by day."""

    slug: str
    split: str = ""
    chosen: str = ""
    """A dimension; the value is one that there is."""
    interval: str = ""

    def __str__(self) -> str:
        words = (
            f"by {self.split}" if self.split else "",
            f"of one {self.chosen}" if self.chosen else "",
            f"each {self.interval}" if self.interval else "",
        )
        return " ".join(filter(None, words))


Times = dict[Asking, float]


async def measured(url: str, rounds: int) -> Times:
    """The milliseconds that each question took, at best."""
    # As the service asks: what takes longer than it waits is ended, and the collector leaves alone what lives as long.
    gc.freeze()
    database, times = Database(url), Times()
    values: dict[str, str] = {}
    try:
        for asking in _askings():
            figure = next(each for each in FIGURES if each.slug == asking.slug)
            asked = _asked(asking, values)
            if asked is None:
                continue
            times[asking], lines = await _time(database, figure, asked, rounds)
            if asking.split:
                _note(values, asking.split, lines)
    finally:
        await database.dispose()
    return times


def _askings() -> Iterator[Asking]:
    """Those that split come first: from them is known by what the others can be filtered."""
    for interval in _BY_DAY:
        for each in FIGURES:
            yield from (Asking(each.slug, split, "", interval) for split in ("", *each.splits))
    for each in FIGURES:
        yield from (Asking(each.slug, "", name) for name in each.all_filters)


def _asked(asking: Asking, values: Mapping[str, str]) -> Asked | None:
    """None: the multitude has no value of what to filter by."""
    settings, now = Settings(_env_file=None, time_zone="UTC"), Clocks().business()
    fields = {"interval": asking.interval} if asking.interval else {}
    period = parse_period(fields, today=now.date(), zone=settings.zone)
    asked = Asked(period, now, settings.zone, split=asking.split)
    if not asking.chosen:
        return asked
    known = values.get(asking.chosen)
    return None if known is None else replace(asked, chosen={asking.chosen: known})


def _note(values: dict[str, str], split: str, lines: Sequence[Line]) -> None:
    found = [each.split for each in lines if each.split]
    if found:
        values.setdefault(split, found[0])


async def _time(
    database: Database, figure: Figure, asked: Asked, rounds: int
) -> tuple[float, list[Line]]:
    """Without the first time, in which the driver prepares its statements."""
    best, lines = TOO_LONG, []
    for number in range(rounds + 1):
        began = perf_counter()
        try:
            async with database.slow_reading("reports") as session:
                lines = await figure.lines(session, asked)
        except Problem as problem:
            if problem.slug != "takes-too-long":
                raise
            return TOO_LONG, []
        if number:
            best = min(best, (perf_counter() - began) * 1000)
    return best, lines


def bench(server: PostgresServer, scale: int, rounds: int, say: Say, *, is_kept: bool) -> None:
    """A table of all figures at both scales."""
    found: list[Times] = []
    for subscribers in (SUBSCRIBERS, SUBSCRIBERS * scale):
        with filled(server, subscribers, say, is_kept=is_kept) as url:
            began = perf_counter()
            found.append(asyncio.run(measured(url, rounds)))
        say(f"{subscribers:,} subscribers: {perf_counter() - began:.0f} s to ask all reports")
    one, many = found
    for line in table(one, many, scale):
        say(line)


def table(one: Times, many: Times, scale: int) -> list[str]:
    """A report a line: without a split, and the slowest of its other questions."""
    lines = [
        "",
        f"| report | ms at 1× | ms at {scale}× | growth | its slowest | ms at 1× | ms at {scale}× |",
        "|---|---|---|---|---|---|---|",
    ]
    by_slug: defaultdict[str, list[Asking]] = defaultdict(list)
    for asking in many:
        by_slug[asking.slug].append(asking)
    for slug, askings in by_slug.items():
        plain = Asking(slug)
        slowest = max(askings, key=lambda each: many[each])
        small, large = one[plain], many[plain]
        growth = f"{large / small:.1f}" if large < TOO_LONG else ""
        row = [slug, _ms(small), _ms(large), growth, str(slowest) or "this"]
        lines.append(f"| {' | '.join([*row, _ms(one[slowest]), _ms(many[slowest])])} |")
    slow = [f"{each.slug} {each}".strip() for each, ms in many.items() if ms > MOST_MS]
    return [*lines, "", f"Above {MOST_MS:,} ms, of {len(many)}: {', '.join(slow) or 'none'}."]


def _ms(of: float) -> str:
    return f"{of:,.0f}" if of < TOO_LONG else "ended"
