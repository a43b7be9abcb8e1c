"""What texts from outside must be like, wherever they are stored."""

import re
from typing import Any

SLUG_LENGTH = 120
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
