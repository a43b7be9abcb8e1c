"""Words as search compares them. Pure."""

import re
import unicodedata

# Accents of Latin, Greek and Cyrillic letters, points of Hebrew, vowel signs and the stretching of Arabic.
# Not those of Indian or Japanese writing, where they make other letters.
_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]")
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th",
     "’": "'", "‘": "'", "ʼ": "'"}
)  # fmt: skip


def folded(text: str) -> str:
    """`text` without case and accents: "Économie" and "economie" are one."""
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", bare.casefold().translate(_LETTERS))
