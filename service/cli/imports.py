"""`paywall import`."""

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.cli.running import CommandFailed, command, ready_context
from service.content.import_articles import ImportSummary, import_articles
from service.content.importers.wordpress import ExportUnreadable, Progress, Skipped, read_export
from service.settings import Settings

EXAMPLE = "Example: paywall import wordpress export.xml --dry-run"
app = typer.Typer(help="Bring your own newspaper.", epilog=EXAMPLE, no_args_is_help=True)
SHOWN_OF_A_KIND = 5


_INTERRUPTED = {
    False: "\nInterrupted. What was imported is kept; run it again and it goes on.",
    True: "\nInterrupted. Nothing was changed; run it again.",
}


class _Interrupted(Exception):
    """Ctrl-C was pressed, and this is a clean place to stop."""


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Note Ctrl-C, and obey it where the yielded function is called: never amid a transaction."""
    asked = False

    def note(*_: object) -> None:
        nonlocal asked
        asked = True

    def check() -> None:
        if asked:
            raise _Interrupted

    former = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, former)


@contextmanager
def _progress(check: Callable[[], None]) -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal; each step is a place to stop."""
    hidden = not sys.stderr.isatty()
    with typer.progressbar(length=100, label="Reading", file=sys.stderr, hidden=hidden) as bar:
        done = 0

        def show(read: int, total: int) -> None:
            nonlocal done
            check()
            percent = read * 100 // max(total, 1)
            bar.update(percent - done)
            done = percent

        yield show


@app.callback()
def group() -> None:
    """Bring your own newspaper."""


@app.command(epilog=EXAMPLE)
@command
async def wordpress(
    file: Annotated[Path, typer.Argument(help="The export: Tools, Export, All content.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")
    ] = False,
) -> None:
    """Import the posts of a WordPress export. Safe to repeat, and to interrupt and repeat."""
    settings = Settings()
    async with ready_context(settings) as context:
        now = context.clocks.business()
        with _interruptible() as check, _progress(check) as progress:
            try:
                summary = await import_articles(
                    context.database,
                    read_export(file, now=now, progress=progress),
                    settings=settings,
                    now=now,
                    dry_run=dry_run,
                    report=lambda _: check(),
                )
            except ExportUnreadable as error:
                raise CommandFailed(f"{file}: {error}") from error
            except _Interrupted as error:
                raise CommandFailed(_INTERRUPTED[dry_run]) from error
            except OSError as error:
                raise CommandFailed(f"{file} can't be read: {error.strerror}.") from error
    _tell(summary, dry_run=dry_run)


def _tell(summary: ImportSummary, *, dry_run: bool) -> None:
    verb = "would be" if dry_run else "were"
    print(
        f"{summary.created} articles {verb} created, {summary.updated} updated, "
        f"{summary.unchanged} left unchanged; {len(summary.skipped)} items skipped."
    )
    for kind, count in Counter(item.kind for item in summary.skipped).most_common():
        print(f"\n{kind} ({count})")
        _tell_kind([item for item in summary.skipped if item.kind == kind])
    if dry_run:
        print("\nNothing was changed: run it again without --dry-run.")


def _tell_kind(items: list[Skipped]) -> None:
    for item in items[:SHOWN_OF_A_KIND]:
        print(f"  {item.source_id}  {item.title or '(no title)'}: {item.reason}")
    if len(items) > SHOWN_OF_A_KIND:
        print(f"  … and {len(items) - SHOWN_OF_A_KIND} more, for the same kind of reason.")
