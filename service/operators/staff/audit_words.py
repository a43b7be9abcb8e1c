"""What an entry of the audit log says of the values before and after, as people read it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from service.operators.frame.names import kind_of
from service.operators.frame.pages import fact_text

_ID = re.compile(r"[a-z]{3}_[0-9A-Za-z]{1,60}")


def ids_in(value: object) -> Iterator[str]:
    """What may be ids among the texts of a value."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from ids_in(each)
    elif isinstance(value, str) and _ID.fullmatch(value):
        yield value


def value_text(value: Any, names: Mapping[str, str], zone: ZoneInfo) -> str:
    """A value in words: instants in the publication's zone, ids by the `names` of what they are of."""
    if isinstance(value, Mapping):
        pairs = (f"{_words(name)}: {value_text(each, names, zone)}" for name, each in value.items())
        return ", ".join(pairs) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(value_text(each, names, zone) for each in value) or "none"
    if value is None or value == "":
        return "none"
    if isinstance(value, str) and (named := names.get(value)):
        return named
    if isinstance(value, str) and _ID.fullmatch(value) and (kind := kind_of(value)):
        return f"{kind} ({value})"
    return fact_text(value, zone) or str(value)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")
