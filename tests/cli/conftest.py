"""The command line inside this process: the arguments and variables in, what a shell sees out."""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import structlog
from typer.testing import CliRunner

from service.cli.app import run
from service.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code and both of its streams."""

    code: int
    out: str
    err: str

    @property
    def first_word(self) -> str:
        return self.out.split()[0]


Paywall = Callable[..., Outcome]


def variables_of(settings: Settings) -> dict[str, str]:
    """The settings as a shell has them."""
    return {
        "PAYWALL_DATABASE_URL": settings.database_url,
        "PAYWALL_SECRET_KEY": settings.secret_key.get_secret_value(),
        "PAYWALL_PUBLIC_URL": settings.public_url,
        "PAYWALL_INSECURE_COOKIES": "true",
        "PAYWALL_TIME_ZONE": settings.time_zone,
    }


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """`serve` sends this process's logs to its standard error, which is gone after the command."""
    handlers, level, chain = logging.root.handlers, logging.root.level, structlog.get_config()
    yield
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    structlog.configure(**chain)


@pytest.fixture
def paywall(settings: Settings) -> Paywall:
    """`paywall(*arguments, typed=…, **variables)` runs a command with the test's settings."""

    def run_it(*arguments: str, typed: str | None = None, **variables: str) -> Outcome:
        inherited: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith("PAYWALL_")
        }
        environment = {**inherited, **variables_of(settings), **variables}
        with CliRunner().isolation(input=typed, env=environment) as (out, err, _):
            code = 0
            try:
                run(arguments)
            except SystemExit as exit_:
                code = int(exit_.code or 0)
            sys.stdout.flush()
            sys.stderr.flush()
            return Outcome(code, out.getvalue().decode(), err.getvalue().decode())

    return run_it


def one_sentence(text: str) -> bool:
    """Whether the text is a sentence for a person: one line, no traceback, nothing of Python's."""
    return re.fullmatch(r"[^\n]{20,}\.\n", text) is not None and "Error" not in text
