"""`paywall reports`: what reports are made from."""

import sys
from collections import Counter

import typer

from service.cli.running import command, ready_context
from service.logs import configure
from service.reports.rebuild import Difference, rebuild
from service.settings import Settings

SHOWN = 50
"""Differences that are printed one by one."""
app = typer.Typer(
    help="Stored totals that reports use.",
    epilog="Example: paywall reports rebuild",
    no_args_is_help=True,
)


@app.callback()
def reports() -> None:
    """Stored totals that reports use."""


@app.command("rebuild", epilog="Example: paywall reports rebuild")
@command
async def run() -> None:
    """Rebuild the stored totals that reports use, and print what was different.

    Safe beside a running service, whose figures stay right meanwhile. An interrupted rebuild goes on
    where it was. A million subscribers take about half an hour. Reads that are deleted by age can't be
    added up again: their days stay as they are.
    """
    settings = Settings()
    configure("warning", "text")
    async with ready_context(settings) as context:
        found = await rebuild(context, _say)
    for difference in found[:SHOWN]:
        print(_line(difference))
    if len(found) > SHOWN:
        print(f"… and {len(found) - SHOWN:,} more.")
    print(_summary(found))


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def _line(difference: Difference) -> str:
    key = " ".join(str(each) for each in difference.key if each != "")
    before, now = (
        "nothing" if each is None else ", ".join(str(value) for value in each)
        for each in (difference.before, difference.now)
    )
    return f"{difference.table}  {key}: was {before}, is {now}"


def _summary(found: list[Difference]) -> str:
    if not found:
        return "Everything was as its rows say."
    tables = Counter(each.table for each in found)
    counts = ", ".join(f"{number:,} in {table}" for table, number in sorted(tables.items()))
    return f"{len(found):,} rows differed and have been fixed: {counts}."
