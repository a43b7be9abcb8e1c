"""`paywall articles`."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from service.cli.running import command, ready_context
from service.content.recut import ArticlePreview, Progress, list_previews, recut
from service.identity.callers import COMMAND
from service.settings import Settings

EXAMPLE = "Example: paywall articles previews | head -30"
app = typer.Typer(help="Look after stored articles.", epilog=EXAMPLE, no_args_is_help=True)
_TENTH = 10
_CUT_BY = {"mark": "author's mark", "wall": "source's wall", "automatic": "automatic"}


@app.callback()
def group() -> None:
    """Look after stored articles."""


@app.command(epilog=EXAMPLE)
@command
async def previews(
    recut_all: Annotated[
        bool,
        typer.Option(
            "--recut",
            help="Make all texts and previews anew from what was sent, by the settings and rules of "
            "today. Authors' marks and the sources' walls stay.",
        ),
    ] = False,
) -> None:
    """List what share of each article's words is public, its level, and who decides it; odd ones first.

    Safe to interrupt and to repeat, also beside a running service.
    """
    settings = Settings()
    async with ready_context(settings) as context:
        now = context.clocks.business()
        if recut_all:
            with _progress("Cutting") as progress:
                changed = await recut(
                    context.database, settings, actor=COMMAND.label, now=now, progress=progress
                )
            print(f"{changed} articles were changed.\n")
        with _progress("Reading") as progress:
            found = await list_previews(context.database, settings, now=now, progress=progress)
    for each in found:
        print(_line(each))
        for sentence in each.oddities:
            print(f"      {sentence}")
    print(_summary(found))


def _line(each: ArticlePreview) -> str:
    share = each.share
    return (
        f"{share.percent:>3} %  {share.public_words:>5} of {share.words:<6} {each.level:<11} "
        f"{_CUT_BY[share.cut_by]:<14} {each.slug}"
    )


def _summary(found: Sequence[ArticlePreview]) -> str:
    odd = sum(1 for each in found if each.oddities)
    tenths = Counter(min(each.share.percent // _TENTH, _TENTH - 1) for each in found)
    shares = ", ".join(
        f"{tenth * _TENTH}-{tenth * _TENTH + _TENTH} %: {tenths[tenth]}" for tenth in sorted(tenths)
    )
    return (
        f"\n{len(found)} articles, {odd} of them to look at. By public share: {shares or 'none'}."
    )


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal."""
    hidden = not sys.stderr.isatty()
    with typer.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden) as bar:
        before = 0

        def show(done: int, total: int) -> None:
            nonlocal before
            bar.length = total
            bar.update(done - before)
            before = done

        yield show
