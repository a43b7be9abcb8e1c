"""The command `paywall`: its groups put together, and errors as sentences."""

import os
import sys
from collections.abc import Sequence

import typer
from pydantic import ValidationError

from service.cli import (
    api_keys,
    articles,
    demo,
    doctor,
    imports,
    inbox,
    jobs,
    keys,
    migrations,
    offers,
    operators,
    readers,
    reconcile,
    serve,
    simulate,
    stripe,
    tokens,
)
from service.cli.running import CommandFailed
from service.cli.troubles import misspelt, sentence
from service.db.migrate import SchemaOutdatedError
from service.db.sole_server import AlreadyServed
from service.demo.place import CannotStart
from service.settings import Settings
from service.tokens.key_pairs import KeyRefused, KeyUnreadable

app = typer.Typer(
    name="paywall",
    help="An open paywall for journalism. Settings are PAYWALL_… variables or a .env file.",
    epilog="Example: paywall demo --port 8000 --data .data",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(epilog=serve.EXAMPLE)(serve.serve)
app.command(epilog=demo.EXAMPLE)(demo.demo)
app.command(epilog=migrations.EXAMPLE)(migrations.migrate)
app.command(epilog=simulate.EXAMPLE)(simulate.simulate)
app.command(epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("reconcile", epilog=reconcile.EXAMPLE)(reconcile.run)
app.add_typer(imports.app, name="import")
app.add_typer(articles.app, name="articles")
app.add_typer(keys.app, name="keys")
app.add_typer(tokens.app, name="tokens")
app.add_typer(operators.app, name="operators")
app.add_typer(api_keys.app, name="api-keys")
app.add_typer(offers.app, name="offers")
app.add_typer(readers.app, name="readers")
app.add_typer(inbox.app, name="inbox")
app.add_typer(jobs.app, name="jobs")
app.add_typer(stripe.app, name="stripe")

_TOLD = (
    CommandFailed,
    CannotStart,
    AlreadyServed,
    SchemaOutdatedError,
    KeyRefused,
    KeyUnreadable,
)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (None: the process's own); what a person can mend is a sentence on standard error and exit 1."""
    for warning in misspelt(os.environ):
        sys.stderr.write(f"{warning}\n")
    try:
        _run(arguments)
    except _TOLD as error:
        _leave(str(error))
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        _leave(_settings(error))
    except Exception as error:
        told = sentence(error)
        if told is None:
            raise
        _leave(told)


def _run(arguments: Sequence[str] | None) -> None:
    """With everything written at the end: a full disk is an error of the command's."""
    try:
        app(arguments)
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            sys.stdout = None  # Python would try once more when it ends
            raise


def _settings(error: ValidationError) -> str:
    """One line a setting: its variable, and what is wrong with its value."""
    lines = []
    for item in error.errors():
        name = "_".join(str(part) for part in item["loc"]).upper()
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"PAYWALL_{name}: {message}" if name else message)
    return "\n".join(lines)


def _leave(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(1)
