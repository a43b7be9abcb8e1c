"""What texts from outside must be like, wherever they are stored.

An identifier that has a character that nobody sees is refused, since it looks like another one. Other texts are stored
without such characters: they come along from word processors, and a publisher's program can't help it. Names of what
readers see, such as sections, are compared without them too, since what was stored before may have them.
"""

import re
from typing import Any
from unicodedata import category

SLUG_LENGTH = 120
_UNSEEN = re.compile(
    # Flags such as Scotland's are written with tags, a second ASCII that nobody sees anywhere else: UTS 51.
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)"
    # Control characters but line feed and tab, and half surrogates.
    "|[\0-\b\v-\x1f\x7f-\x9f\ud800-\udfff"
    # Embeddings, overrides and isolates: UAX 9.
    "\u202a-\u202e\u2066-\u2069"
    # Joiners of no width and other characters that print nothing, in no script; tags.
    "\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SCRIPTS_SPACES = str.maketrans(dict.fromkeys("\u180e\u200b"))
"""Of no width: Mongolian has the first within words, and Khmer and Thai the second between them."""
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


def number_of(count: int, one: str) -> str:
    """`1 event`, `1,234 events`: the count and its noun, with an s where there are several."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def without_signs(text: str) -> str:
    """The text with plain line ends, and without what nobody sees: control characters, signs that turn its direction,
    characters of no width that no script is written with. Empty where nothing that is left can be seen.
    """
    if text.isprintable():
        return text
    kept = _UNSEEN.sub(r"\1", re.sub("\r\n|[\v\f\r\x85\u2028\u2029]", "\n", text))
    return kept if kept.translate(_SCRIPTS_SPACES).strip() else ""


def one_line(text: str) -> str:
    """The text as `without_signs` leaves it, and without line breaks and tabs: a space is in their place."""
    if text.isprintable():
        return text.strip()
    return without_signs(_BREAK.sub(" ", text)).strip()


def plain_name(text: str) -> str:
    """A section's name, a tag or another one that is compared: one line, without the spaces of no width either."""
    return one_line(text.translate(_SCRIPTS_SPACES))


def identifier(text: str) -> str:
    """Refuse what nobody sees, line breaks and any format character included."""
    for each in text:
        if category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            raise ValueError(f"must not contain the character U+{ord(each):04X}")
    return text
