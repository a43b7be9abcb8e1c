"""What goes wrong outside of the program, each as a sentence: what is wrong, and what to do."""

import errno
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.problems import Problem
from service.settings import Settings

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PREFIX = "PAYWALL_"
_OF_COMPOSE = ("PAYWALL_DATABASE_PASSWORD", "PAYWALL_PORT", "PAYWALL_WORKERS")
"""docker-compose.yml reads these from the same file."""


def sentence(error: Exception) -> str | None:
    """What to say about an error that people can meet; None: it is a mistake of ours."""
    from service.payments.gateway import (  # noqa: PLC0415 a start goes well, mostly, and needs none of it
        GatewayKeyRefused,
        GatewayRefused,
        GatewayUnavailable,
    )

    match error:
        case GatewayKeyRefused():
            return str(error)
        case GatewayUnavailable():
            return f"{_plain(error)}. Nothing is lost: run the same command again later."
        case GatewayRefused():
            return f"Stripe refuses this: {error.reason.rstrip('.')}."
        case Problem(slug="database-unavailable", __cause__=Exception() as cause):
            return _of_the_database(cause)
        case Problem():
            return f"{error.type.title}. {error.detail}"
        case UnicodeDecodeError():
            return _of_a_text()
        case OSError():
            return _of_a_file(error)
        case _ if isinstance(error, database_errors()):
            return _of_the_database(error)
    return None


def database_errors() -> tuple[type[Exception], ...]:
    """What the databases' drivers raise, of those that are in use."""
    driver = sys.modules.get("asyncpg")  # a fiftieth of a start, which SQLite never needs
    own: tuple[type[Exception], ...] = (
        () if driver is None else (driver.PostgresError, driver.InterfaceError)
    )
    return (sqlite3.Error, SQLAlchemyError, *own)


def cause(error: Exception) -> str:
    """The driver's own words, without SQLAlchemy's statement and link."""
    if isinstance(error, DBAPIError):
        return str(error.orig).rstrip(".")
    return _plain(error)


def _plain(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")


def _of_the_database(error: Exception) -> str:
    said = cause(error)
    if "full" in said or "No space" in said:
        return f"The database can't be written: {said}. Make room on its disk, and run the command again."
    return f"The database can't be used: {said}. Look at PAYWALL_DATABASE_URL, and whether its server runs."


def _of_a_file(error: OSError) -> str:
    what = str(error.filename) if error.filename is not None else "What the command writes"
    if error.errno in _FULL:
        return f"{what} can't be written: the disk is full. Make room, and run the command again."
    reason = (os.strerror(error.errno) if error.errno else _plain(error)).lower()
    return f"{what} can't be read or written: {reason}. Name another, or change its permissions."


def _of_a_text(file: Path = Path(".env")) -> str:
    try:
        file.read_text(encoding="utf-8")
    except ValueError:
        return (
            f"The file {file} in this folder isn't text in UTF-8, so its settings can't be read. "
            "Write it anew, one PAYWALL_… variable a line, or move it away."
        )
    except OSError:
        pass
    return (
        "What was given isn't text in UTF-8. Save it in that encoding, and run the command again."
    )


def misspelt(environ: Mapping[str, str], file: Path = Path(".env")) -> Iterator[str]:
    """A sentence for each PAYWALL_… variable, of the environment or the file, that is no setting."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    given = {name.upper() for name in environ}
    with suppress(OSError, ValueError):  # told when the settings are read
        given |= {name.upper() for name in dotenv_values(file)}
    for name in sorted(given - {*known, *_OF_COMPOSE}):
        if name.startswith(_PREFIX):
            near = get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists them."
            yield f"{name} is no setting: {hint}"
