"""`paywall leakcheck`: whether a site gives paid text to anybody who may not read it."""

import asyncio
import signal
from datetime import UTC, datetime
from typing import Annotated

import typer

from service.cli.running import CommandFailed, command
from service.leakcheck.asking import Site
from service.leakcheck.check import CannotCheck, Check, Result
from service.texts import number_of

EXAMPLE = "Example: paywall leakcheck https://api.example.org --page 'https://www.example.org/story/{slug}'"
_MOST_SHOWN = 40


@command
async def leakcheck(
    url: Annotated[str, typer.Argument(help="The address of the service.")],
    key: Annotated[
        str,
        typer.Option(envvar="LEAKCHECK_KEY", help="An API key with the scope articles:write."),
    ],
    page: Annotated[
        list[str] | None,
        typer.Option(
            help="A page's address with {slug} in it. Can be repeated. [default: URL/articles/{slug}]"
        ),
    ] = None,
    reader: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=HEADER: VALUE of a reader who may not read what is for subscribers, such as "
            "'registered=Cookie: __Host-pw_session=…'. Can be repeated."
        ),
    ] = None,
    browser: Annotated[
        str, typer.Option(help="The path of a Chromium, for pages with JavaScript.")
    ] = "",
) -> None:
    """Plant test articles, ask every public surface for them in every way, and take them away again.

    They are in the newspaper for some seconds, with a title that says so. Exit code 1: paid text got out, or
    something wasn't answered, or a surface never was. LEAKCHECK_KEY can hold the key.
    """
    api = _address(url)
    pages = tuple(map(_page, page)) if page else (f"{api}/articles/{{slug}}",)
    site = Site(api, pages, dict(map(_reader, reader or [])))
    check = Check(
        site, key, now=datetime.now(UTC), browser=browser,
        progress=lambda step: typer.echo(f"{step} …", err=True),
    )  # fmt: skip
    task = asyncio.current_task()
    if task is not None:
        # As Ctrl-C: what was planted is taken away first.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        result = await check.run()
    except CannotCheck as error:
        raise CommandFailed(str(error)) from error
    except asyncio.CancelledError:
        raise CommandFailed(
            "Interrupted. The test articles are deleted; run it again for a result."
        ) from None
    _show(result)
    if not result.shows_tightness:
        raise typer.Exit(1)


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise CommandFailed(
            f"{url} is no address. Begin with https://, or http:// on this machine."
        )
    return url.rstrip("/")


def _page(pattern: str) -> str:
    if "{slug}" not in pattern:
        raise CommandFailed(f"--page {pattern}: write {{slug}} where the article's slug stands.")
    return _address(pattern)


def _reader(text: str) -> tuple[str, dict[str, str]]:
    name, _, header = text.partition("=")
    field, colon, value = header.partition(":")
    if not (name and colon and field.strip()):
        raise CommandFailed(f"--reader {name or text}: write NAME=HEADER: VALUE.")
    return name, {field.strip(): value.strip()}


def _show(result: Result) -> None:
    print(f"{'surface':<10} {'as':<18} {'asked':>6} {'answered':>9} {'leaks':>6}")
    for (surface, audience), row in sorted(result.rows.items()):
        mark = "  LEAK" if row.leaks else ""
        print(f"{surface:<10} {audience:<18} {row.asked:>6} {row.answered:>9} {row.leaks:>6}{mark}")
    for leak in result.leaks[:_MOST_SHOWN]:
        asked = leak.asked
        headers = "".join(f" -H '{name}: {value}'" for name, value in asked.headers.items())
        print(f"\nLEAK {leak.place}: {asked.method} {asked.url}{headers[:300]}")
    if len(result.leaks) > _MOST_SHOWN:
        print(f"\n… and {len(result.leaks) - _MOST_SHOWN} more.")
    for sentence in result.skipped:
        print(f"\nNot asked: {sentence}")
    for sentence in result.unanswered:
        print(f"\nNothing is known: {sentence}")
    for failure in result.failed[:_MOST_SHOWN]:
        print(f"\nNot answered: {failure}")
    asked_in_all = sum(row.asked for row in result.rows.values())
    verdict = number_of(len(result.leaks), "leak") if result.leaks else "no leak"
    print(f"\n{asked_in_all} requests, {verdict}, {len(result.failed)} not answered.")
