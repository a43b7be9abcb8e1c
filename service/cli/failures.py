"""What any command can fail with, as the sentence that a person reads."""

from pydantic import ValidationError

from service.cli.running import CommandFailed
from service.cli.troubles import sentence
from service.db.migrate import SchemaOutdatedError
from service.db.sole_server import AlreadyServed
from service.demo.place import CannotStart
from service.rules.in_force import RulesUnreadable
from service.settings import Settings
from service.tokens.key_pairs import KeyRefused, KeyUnreadable
from service.wrong_values import said_of

_SAYS_IT_ITSELF = (
    CommandFailed,
    CannotStart,
    AlreadyServed,
    SchemaOutdatedError,
    KeyRefused,
    KeyUnreadable,
    RulesUnreadable,
)


def told(error: Exception) -> str | None:
    """What is wrong and what to do; None: it is a mistake of ours."""
    if isinstance(error, _SAYS_IT_ITSELF):
        return str(error)
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return _settings(error)
    return sentence(error)


def _settings(error: ValidationError) -> str:
    """One line a setting: its variable, and what is wrong with its value."""
    lines = []
    for item in error.errors():
        name = "_".join(str(part) for part in item["loc"]).upper()
        message = said_of(item)
        lines.append(f"PAYWALL_{name}: {message}" if name else message)
    return "\n".join(lines)
