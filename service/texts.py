"""What texts from outside must be like, wherever they are stored."""

import re
from typing import Any
from unicodedata import category

SLUG_LENGTH = 120
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: Unicode UAX 9."""
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_slug(text: str) -> bool:
    return len(text) <= SLUG_LENGTH and _SLUG.fullmatch(text) is not None


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
