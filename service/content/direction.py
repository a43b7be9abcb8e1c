"""Which way a text runs. Pure."""

import unicodedata
from typing import Literal

Direction = Literal["ltr", "rtl"]

_LANGUAGES = frozenset({
    "ar", "arc", "ckb", "dv", "fa", "he", "iw", "ji", "ks", "lrc", "mzn", "nqo", "pnb", "prs", "ps",
    "sd", "syr", "ug", "ur", "yi",
})  # fmt: skip
_SCRIPTS = frozenset(
    {"adlm", "arab", "aran", "hebr", "mand", "nkoo", "rohg", "samr", "syrc", "thaa"}
)
_SCRIPT_LENGTH = 4
_RIGHT_TO_LEFT = {"R", "AL"}


def direction_of(language: str | None, text: str) -> Direction:
    """By the language tag (BCP 47); without one by the first letter of `text` that runs one way."""
    if language is None:
        strong = (unicodedata.bidirectional(character) for character in text)
        first = next((each for each in strong if each in {"L", *_RIGHT_TO_LEFT}), "L")
        return "rtl" if first in _RIGHT_TO_LEFT else "ltr"
    name, *subtags = language.lower().split("-")
    scripts = [each for each in subtags if len(each) == _SCRIPT_LENGTH and each.isalpha()]
    is_rtl = scripts[0] in _SCRIPTS if scripts else name in _LANGUAGES
    return "rtl" if is_rtl else "ltr"
