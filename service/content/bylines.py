"""Lines that say who wrote a text, and aren't the text. Pure."""

import re

_MOST_WORDS = 14
_BY = frozenset({
    "by", "von", "par", "por", "door", "di", "av", "af", "przez", "od", "tekijä", "автор", "بقلم",
    "作者", "撰文", "文", "记者", "記者", "取材",
})  # fmt: skip
_WORK = frozenset({
    "words", "text", "texte", "texto", "testo", "tekst", "story", "report", "reporting", "written",
    "photo", "photos", "photographs", "pictures", "foto", "fotos",
})  # fmt: skip
_JOINING = frozenset({
    "and", "und", "et", "y", "e", "en", "og", "och", "i", "и", "of", "for", "in", "with", "the",
    "de", "del", "da", "van", "von", "der", "di", "la", "le", "photographs", "photos", "pictures",
}) | _BY  # fmt: skip
_WORD = re.compile(r"[^\s:：,|/／•·–—()&]+[:：]?")
_CLASS = re.compile(r"(?:^|[\s_-])(?:by-?line|author|writer|dateline)(?:$|[\s_-])", re.IGNORECASE)


def is_byline(text: str) -> bool:
    """Whether the line names authors, such as "By Maren Tolliver and Jory Pascomb"."""
    if text.rstrip().endswith((".", "!", "?", "…", "。")):
        return False
    words = [match[0].casefold() for match in _WORD.finditer(text)]
    names = [match[0] for match in _WORD.finditer(text)][1:]
    if not names or len(words) > _MOST_WORDS:
        return False
    first = words[0].rstrip(":：")
    if first in _WORK:
        if not (words[0] != first or words[1] in _BY):
            return False
    elif first not in _BY:
        return False
    return all(not name[0].islower() or name in _JOINING for name in names)


def names_byline(classes: str) -> bool:
    """Whether an element with this `class` attribute is a byline."""
    return bool(_CLASS.search(classes))
