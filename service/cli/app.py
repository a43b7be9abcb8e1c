"""The command `paywall`: its parts put together, and errors as sentences.

A part is imported when its name is the first argument: nothing waits for what another command needs.
"""

import os
import select
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn, TextIO

import typer

from service.collecting import kept_for_good


@dataclass(frozen=True)
class Part:
    """A command, or a group of them, in the module of service/cli that is named.

    `about` is its line in the list. `function` is empty for a group: the module's `app`.
    """

    about: str
    module: str
    function: str = ""


PARTS: Mapping[str, Part] = {
    "serve": Part("Serve readers, the API and the back office.", "serve", "serve"),
    "demo": Part("Open the sample newspaper with its local Stripe.", "demo", "demo"),
    "migrate": Part("Upgrade the database to this release.", "migrations", "migrate"),
    "simulate": Part("Run the local Stripe alone.", "simulate", "simulate"),
    "settings": Part("Show the current settings and their sources.", "settings_in_force", "show"),
    "doctor": Part("Check the installation.", "doctor", "doctor"),
    "reconcile": Part("Compare stored data with Stripe.", "reconcile", "run"),
    "import": Part("Import articles, subscribers and lists.", "imports"),
    "articles": Part("Manage stored articles.", "articles"),
    "rules": Part("Levels, meters, walls and prompts.", "rules"),
    "crawlers": Part("Crawlers and how they are verified.", "crawlers"),
    "experiments": Part("Experiments with meter limits and wall texts.", "experiments"),
    "keys": Part("Token signing keys.", "keys"),
    "tokens": Part("Issued tokens.", "tokens"),
    "operators": Part("Accounts for the back office.", "operators"),
    "api-keys": Part("Keys for publishers' programs.", "api_keys"),
    "offers": Part("Offers on sale.", "offers"),
    "explain": Part("Explain a reader's access to an article.", "explain", "explain"),
    "leakcheck": Part("Check a site for leaks of paid text.", "leakcheck", "leakcheck"),
    "readers": Part("Manage readers and their data.", "readers"),
    "inbox": Part("Stripe events that aren't processed yet.", "inbox"),
    "reports": Part("Stored totals that reports use.", "reports"),
    "jobs": Part("Background jobs that aren't done yet.", "jobs"),
    "stripe": Part("Set up Stripe for the service.", "stripe"),
}


def assembled(loaded: Collection[str]) -> typer.Typer:
    """The whole command, of which only the parts with these names can be run."""
    app = typer.Typer(
        name="paywall",
        help="An open paywall for journalism. Settings are PAYWALL_… variables or a .env file.",
        epilog="Example: paywall demo --port 8000 --data .data",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, part in PARTS.items():
        if name not in loaded:
            app.command(name, short_help=part.about)(_not_loaded)
            continue
        module = import_module(f"service.cli.{part.module}")
        if part.function:
            command = app.command(name, short_help=part.about, epilog=module.EXAMPLE)
            command(getattr(module, part.function))
        else:
            app.add_typer(module.app, name=name, short_help=part.about)
    return app


def _not_loaded() -> None:
    """Holds the place of a part in the list."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (None: the process's own); what a person can mend is a sentence on standard error and exit 1."""
    given = sys.argv[1:] if arguments is None else arguments
    wanted = {*given[:1]} & {*PARTS}
    try:
        with kept_for_good():
            app = assembled(wanted)
        _run(app, given, reads_settings=bool(wanted))
    except Exception as error:
        if _came_of_a_closed_pipe(error):
            _end_in_silence()
        from service.cli.failures import told  # noqa: PLC0415 it knows every part's errors

        sentence = told(error)
        if sentence is None:
            raise
        sys.stderr.write(f"{sentence}\n")
        sys.exit(1)


def _end_in_silence() -> NoReturn:
    """As `head` wants it, which closes the pipe once it has its lines."""
    sys.stdout = sys.stderr = None  # Python would write what is left when it ends
    sys.exit(1)


def _came_of_a_closed_pipe(error: BaseException | None) -> bool:
    """Whether it was raised since nobody reads any more what is written; a database's pipe is none of these."""
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__cause__ or error.__context__
    return error is not None and any(map(_is_closed, (sys.stdout, sys.stderr)))


def _is_closed(stream: TextIO | None) -> bool:
    try:
        poll = select.poll()
        poll.register(stream.fileno() if stream is not None else -1, 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False  # it is no file of the system's


def _run(app: typer.Typer, arguments: Sequence[str], *, reads_settings: bool) -> None:
    """With everything written at the end: a full disk is an error of the command's."""
    if reads_settings:
        from service.cli.troubles import misspelt  # noqa: PLC0415 a list of commands has no settings

        for warning in misspelt(os.environ):
            sys.stderr.write(f"{warning}\n")
    try:
        app(arguments)
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _end_in_silence()
        except OSError:
            sys.stdout = None  # Python would try once more when it ends
            raise
