"""JSON that somebody pastes: keys and address lists as operators of crawlers publish them. Pure."""

import json
from typing import Any

from service.texts import storable

_DEEPEST = 20
"""Levels. Published documents have three; a deeper one can't even be shown in a refusal."""


_TOO_DEEP = "it is nested too deeply"


def read_json(text: str) -> Any:
    """What it says. ValueError says in a few words why it can't be used."""
    try:
        document = storable(json.loads(text))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if _is_deeper(document, _DEEPEST):
        raise ValueError(_TOO_DEEP)
    return document


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)
