"""What texts from outside must be like, wherever they are stored.

An identifier that has a character that nobody sees is refused, since it looks like another one. Other texts are stored
without such characters: they come along from word processors, and a publisher's program can't help it.
"""

import re
from typing import Any
from unicodedata import category

SLUG_LENGTH = 120
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: Unicode UAX 9."""
_WITHOUT_WIDTH = frozenset("\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff\ufff9\ufffa\ufffb")
"""Spaces and joiners of no width, and other characters that print nothing, in no script."""
_TAGS = range(0xE0000, 0xE0080)
"""A second ASCII that nobody sees."""
_BREAK = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
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
    """The text with plain line ends, and without what nobody sees: control characters, signs that turn its direction,
    characters of no width.

    Line breaks and tabs stay, and so do the joiners and marks that some scripts are written with.
    """
    if text.isprintable():
        return text
    lines = re.sub("\r\n|[\r\u2028\u2029]", "\n", text)
    return "".join(each for each in lines if each in "\n\t" or not _is_sign(each))


def one_line(text: str) -> str:
    """The text as `without_signs` leaves it, and without line breaks and tabs: a space is in their place."""
    return without_signs(_BREAK.sub(" ", text)).strip()


def identifier(text: str) -> str:
    """Refuse what nobody sees, line breaks and any format character included."""
    for each in text:
        if category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            raise ValueError(f"must not contain the character U+{ord(each):04X}")
    return text


def _is_sign(character: str) -> bool:
    return (
        category(character) in {"Cc", "Cs"}
        or character in _TURNING
        or character in _WITHOUT_WIDTH
        or ord(character) in _TAGS
    )
