"""What texts from outside must be like, wherever they are stored."""

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import category

SLUG_LENGTH = 120
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: Unicode UAX 9."""
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_slug(text: str) -> bool:
    return len(text) <= SLUG_LENGTH and _SLUG.fullmatch(text) is not None


def said_of(error: Mapping[str, Any]) -> str:
    """What one of Pydantic's errors says to a person who filled in a form: a clause without its full stop."""
    return own_words(error) or str(error["msg"]).removeprefix("Value error, ")


def own_words(error: Mapping[str, Any]) -> str:
    """The same for what has words of ours; empty for the rest."""
    bounds = error.get("ctx", {})
    match error["type"]:
        case "string_pattern_mismatch":
            return _WRITTEN.get(bounds["pattern"], "isn't written like this")
        case "too_short" if bounds["min_length"] == 1:
            return "needs at least one"
        case "too_short":
            return f"needs at least {bounds['min_length']}, not {bounds['actual_length']}"
        case "too_long":
            return f"takes at most {bounds['max_length']}"
        case "string_too_short":
            return (
                "is empty"
                if bounds["min_length"] == 1
                else f"has at least {bounds['min_length']} characters"
            )
        case "string_too_long":
            return f"has at most {bounds['max_length']} characters"
        case "greater_than_equal":
            return f"is at least {bounds['ge']}"
        case "less_than_equal":
            return f"is at most {bounds['le']}"
        case "int_parsing" | "int_type" | "int_from_float":
            return "is a whole number"
        case _:
            return ""


_CURRENCY = "is three capital letters, such as EUR"
_WRITTEN = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "has small letters, digits and single hyphens, such as digital",
    r"^[A-Z]{3}$": _CURRENCY,
    r"^([A-Z]{3})?$": _CURRENCY,
    r"^([0-9]{1,9}(\.[0-9]{1,6})?)?$": "is a number, such as 0.015",
    r"^https?://[^\s<>\"]+$": "begins with https:// or http://",
}
"""How what an expression asks for is written."""


def storable(value: Any) -> Any:
    """Refuse what PostgreSQL can't keep as text, in any depth: NUL and lone surrogates."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("must not contain the character U+0000")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("must not contain half of a surrogate pair")
    elif isinstance(value, dict):
        for key, item in value.items():
            storable(key)
            storable(item)
    elif isinstance(value, list):
        for item in value:
            storable(item)
    return value


def without_signs(text: str) -> str:
    """The text with plain line ends, and without control characters and signs that turn its direction.

    Line breaks and tabs stay, and so do the joiners and marks that some scripts are written with.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character
        for character in lines
        if character in "\n\t" or not (category(character) == "Cc" or character in _TURNING)
    )
