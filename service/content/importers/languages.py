"""One language of a text that holds several, as qTranslate, qTranslate-X and WPGlobus store them.

The forms: `[:en]…[:pt]…[:]`, `<!--:en-->…<!--:--><!--:pt-->…<!--:-->`, `{:en}…{:}{:pt}…{:}`. What
stands outside of the marks belongs to every language.
"""

import re

_MARK = re.compile(r"\[:([a-z]{2})?\]|<!--:([a-z]{2})?-->|\{:([a-z]{2})?\}")


def languages_of(text: str) -> tuple[str, ...]:
    """The languages that the text is divided into, each once; empty for an ordinary text."""
    found = (match[1] or match[2] or match[3] for match in _MARK.finditer(text))
    return tuple(dict.fromkeys(language for language in found if language))


def in_language(text: str, wanted: str) -> str:
    """The text in `wanted`, a language code of two letters; in its first language without that."""
    languages = languages_of(text)
    if not languages:
        return text
    taken = wanted if wanted in languages else languages[0]
    kept: list[str] = []
    position, current = 0, None
    for match in _MARK.finditer(text):
        if current in {None, taken}:
            kept.append(text[position : match.start()])
        current = match[1] or match[2] or match[3]
        position = match.end()
    if current in {None, taken}:
        kept.append(text[position:])
    return "".join(kept)
