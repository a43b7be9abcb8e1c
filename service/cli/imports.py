"""`paywall import`."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from service.cli.import_stripe import EXAMPLE as FROM_STRIPE
from service.cli.import_stripe import import_stripe
from service.cli.interrupting import Interrupted, interruptible
from service.cli.progress import progress_bar
from service.cli.running import CommandFailed, command, ready_context
from service.content.import_articles import ImportRun, import_articles
from service.content.import_summary import Entry, ImportSummary, Tally
from service.content.importers.wordpress import ExportUnreadable, Options, Progress, read_exports
from service.grants.csv_file import ListRefused, told
from service.grants.institution_lists import read_institutions, store_institutions
from service.grants.right_differences import words_of
from service.grants.right_lists import MOST_ENDED_PERCENT, read_list, store_list
from service.identity.audit import BY_COMMAND
from service.rules.in_force import rules_in_force
from service.settings import Settings
from service.texts import is_slug

EXAMPLE = "Example: paywall import wordpress posts.xml media.xml --report report.jsonl --dry-run"
_RIGHTS = "Example: paywall import entitlements subscribers.csv --source print --dry-run"
_INSTITUTIONS = "Example: paywall import institutions libraries.csv --dry-run"
_MOST_SHOWN = 50
"""Lines of one kind."""
app = typer.Typer(
    help="Import articles, subscribers and lists.", epilog=EXAMPLE, no_args_is_help=True
)


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
    """Import articles, subscribers and lists."""


app.command("stripe", epilog=FROM_STRIPE)(import_stripe)


@app.command(epilog=EXAMPLE)
@command
async def wordpress(
    files: Annotated[
        list[Path], typer.Argument(help="The export's files: Tools, Export, All content.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write what becomes of every item into this file, as JSON lines."),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Import posts of this type as well. Can be repeated."),
    ] = None,
    plans: Annotated[
        list[str] | None,
        typer.Option(
            "--plan", help="NAME=PLAN: your plan for one that walls name. Can be repeated."
        ),
    ] = None,
    withdraw_missing: Annotated[
        bool,
        typer.Option(
            "--withdraw-missing",
            help="Withdraw what the export, which must be whole, no longer has or shows.",
        ),
    ] = False,
) -> None:
    """Import the posts of a WordPress export. Safe to repeat, and to interrupt and repeat."""
    settings = Settings()
    named = _plans(plans or [])
    async with ready_context(settings) as context:
        in_force = await rules_in_force(settings, context.database)
        now = context.clocks.business()
        options = Options(now, settings.zone, {"post", *(types or [])}, named)
        with _reporting(report) as record, interruptible() as check, _progress(check) as progress:
            run = ImportRun(
                in_force=in_force, now=now, dry_run=dry_run, withdraw_missing=withdraw_missing,
                record=record, report=lambda _: check(),
            )  # fmt: skip
            try:
                items = read_exports(files, options, progress=progress)
                summary = await import_articles(context.database, items, run)
            except ExportUnreadable as error:
                raise CommandFailed(str(error)) from error
            except Interrupted as error:
                raise CommandFailed(error.sentence(dry_run=dry_run)) from error
            except OSError as error:
                raise CommandFailed(f"{error.filename} can't be read: {error.strerror}.") from error
    _tell(summary, dry_run=dry_run)


@app.command(epilog=_RIGHTS)
@command
async def entitlements(
    file: Annotated[Path, typer.Argument(help="The whole list, as CSV in UTF-8.")],
    source: Annotated[str, typer.Option(help="What the list comes from, such as print.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")
    ] = False,
    most_ended: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="The share, in percent, of the rights that run that the list may end; it may always end 5, but all only with 100.",
        ),
    ] = MOST_ENDED_PERCENT,
) -> None:
    """Make a source's rights those of its list: new ones begin, and what it no longer has ends.

    With one bad line nothing is changed. Safe to repeat, such as every night, and to interrupt and repeat.
    """
    if not is_slug(source):
        raise CommandFailed(
            f"--source {source}: write small letters, digits and hyphens, such as print."
        )
    settings = Settings()
    try:
        rows = read_list(file.read_bytes(), settings.zone)
        async with ready_context(settings) as context:
            with interruptible() as check, progress_bar("Storing") as show:

                def progress(done: int, total: int) -> None:
                    show(done, total)
                    if done < total:
                        check()

                found = await store_list(
                    context, source, rows, actor=BY_COMMAND, dry_run=dry_run,
                    most_ended_percent=most_ended, progress=progress,
                )  # fmt: skip
    except Interrupted as error:
        raise CommandFailed(error.sentence(dry_run=dry_run)) from error
    except OSError as error:
        raise CommandFailed(f"{error.filename} can't be read: {error.strerror}.") from error
    except ListRefused as refused:
        raise CommandFailed(_refusal(refused)) from refused
    for line in told(found, most=_MOST_SHOWN, words=words_of(found.details, settings.zone)):
        print(line)
    verb = "would begin" if dry_run else "began"
    print(
        f"{len(found.created)} rights {verb}, {len(found.changed)} changed, {len(found.ended)} ended, "
        f"{found.unchanged} stayed as they were."
    )
    if dry_run:
        print("\nNothing was changed: run it again without --dry-run.")


@app.command(epilog=_INSTITUTIONS)
@command
async def institutions(
    file: Annotated[
        Path, typer.Argument(help="Institutions with their networks, as CSV in UTF-8.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")
    ] = False,
) -> None:
    """Add institutions with their networks and domains, or replace what is agreed with them.

    All of it or nothing: with one bad line nothing is changed. Institutions that the file lacks stay.
    """
    settings = Settings()
    try:
        rows = read_institutions(file.read_bytes(), settings.zone)
        async with ready_context(settings) as context:
            found = await store_institutions(context, rows, actor=BY_COMMAND, dry_run=dry_run)
    except OSError as error:
        raise CommandFailed(f"{error.filename} can't be read: {error.strerror}.") from error
    except ListRefused as refused:
        raise CommandFailed(_refusal(refused)) from refused
    for line in told(found, most=_MOST_SHOWN):
        print(line)
    print(
        f"{len(found.created)} new, {len(found.changed)} changed, {found.unchanged} stayed as they were."
    )
    if dry_run:
        print("\nNothing was changed: run it again without --dry-run.")


def _refusal(refused: ListRefused) -> str:
    shown = refused.problems[:_MOST_SHOWN]
    more = len(refused.problems) - len(shown)
    rest = [f"… and {more} more lines."] if more else []
    return "\n".join([*shown, *rest, "Nothing was changed."])


def _plans(given: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    for (name, _, plan), each in zip(pairs, given, strict=True):
        if not name or not is_slug(plan):
            raise CommandFailed(f"--plan {each}: write NAME=PLAN, such as --plan 1=digital.")
    return {name: plan for name, _, plan in pairs}


@contextmanager
def _reporting(report: Path | None) -> Iterator[Callable[[Entry], None]]:
    """Something that writes entries to the report, or nowhere."""
    if report is None:
        yield lambda _: None
        return
    with _writing(report), report.open("w", encoding="utf-8") as file:
        yield lambda entry: _write(report, file, entry)


def _write(report: Path, file: TextIO, entry: Entry) -> None:
    with _writing(report):
        file.write(f"{json.dumps(entry.document(), ensure_ascii=False)}\n")


@contextmanager
def _writing(report: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{report} can't be written: {error.strerror}.") from error


def _tell(summary: ImportSummary, *, dry_run: bool) -> None:
    verb = "would be" if dry_run else "were"
    counts = summary.outcomes
    print(
        f"{counts['created']} articles {verb} created, {counts['updated']} updated, "
        f"{counts['unchanged']} left unchanged; {counts['skipped']} items skipped."
    )
    if counts["withdrawn"]:
        print(f"{counts['withdrawn']} articles {verb} withdrawn.")
    _tell_tally("Repairs of the files", summary.mended)
    _tell_tally("Not in the files any more", summary.missing)
    _tell_tally("Skipped", summary.skipped)
    _tell_tally("To know about the articles", summary.notes)
    if dry_run:
        print("\nNothing was changed: run it again without --dry-run.")


def _tell_tally(title: str, tally: Tally) -> None:
    if tally.counts:
        print(f"\n{title}")
    for kind, count, examples in tally.groups():
        print(f"\n  {kind} ({count})")
        for entry, words in examples:
            number = f"{entry.source_id}  " if entry.source_id else ""
            print(f"    {number}{entry.title or '(no title)'}: {words}")
        if count > len(examples):
            print(f"    … and {count - len(examples)} more, for the same kind of reason.")
