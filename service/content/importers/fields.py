"""Fields that a publisher's PUT would refuse, made to fit: one bad field never loses an article."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

from service.content.importers.article import ImportedArticle
from service.content.importers.notes import Note
from service.content.importers.terms import language_tag

_TITLE, _STANDFIRST, _LINE, _ALT, _ADDRESS, _SOURCE = 300, 2000, 200, 1000, 2000, 1000
_AUTHORS, _TAGS, _PLANS, _LANGUAGE = 20, 100, 20, 35
_SAFE = "%/:=&?~#+!$,;'@()*[]"


def fitted(article: ImportedArticle) -> ImportedArticle:
    """The article with fields that can be stored; its notes say what was done to them.

    Texts are shortened, addresses encoded, and what can't be used is left out. The body stays.
    """
    notes: list[Note] = []
    made = replace(
        article,
        title=_short("title", article.title, _TITLE, notes),
        standfirst=_short("standfirst", article.standfirst, _STANDFIRST, notes),
        authors=tuple(_lines("authors", article.authors, _AUTHORS, notes)),
        section=_short("section", article.section or "", _LINE, notes) or None,
        tags=tuple(_lines("tags", article.tags, _TAGS, notes)),
        canonical_url=_address("canonical_url", article.canonical_url, notes),
        image_url=_address("image", article.image_url, notes),
        image_alt=_short("image alt", article.image_alt or "", _ALT, notes) or None,
        language=_language(article.language, notes),
        plans=tuple(_lines("plans", article.plans, _PLANS, notes)),
        source_ids={key: value[:_SOURCE] for key, value in article.source_ids.items()},
    )
    return replace(made, notes=(*article.notes, *dict.fromkeys(notes)))


def _short(name: str, text: str, length: int, notes: list[Note]) -> str:
    """The text cut between words to at most `length` characters."""
    text = text.strip()
    if len(text) <= length:
        return text
    notes.append(Note("trimmed", name))
    head = text[: length - 1]
    space = head.rfind(" ")
    return f"{head[:space] if space > length // 2 else head}…"


def _lines(name: str, texts: tuple[str, ...], number: int, notes: list[Note]) -> Iterator[str]:
    if len(texts) > number:
        notes.append(Note("trimmed", name))
    for text in texts[:number]:
        if short := _short(name, text, _LINE, notes):
            yield short


def _language(language: str | None, notes: list[Note]) -> str | None:
    if language is None:
        return None
    tag = language_tag(language)
    if tag is None or len(tag) > _LANGUAGE:
        notes.append(Note("left-out", "language"))
        return None
    return tag


def _address(name: str, address: str | None, notes: list[Note]) -> str | None:
    """The address with what may not stand in one encoded; None for what leads nowhere."""
    if address is None:
        return None
    try:
        parts = urlsplit(address.strip())
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
        host = _ascii_host(parts.netloc) if usable else ""
    except (ValueError, UnicodeError):
        host = ""
    encoded = ""
    if host:
        rest = (quote(part, safe=_SAFE) for part in (parts.path, parts.query, parts.fragment))
        encoded = urlunsplit((parts.scheme, host, *rest))
    if not encoded or len(encoded) > _ADDRESS:
        notes.append(Note("left-out", name))
        return None
    if encoded != address:
        notes.append(Note("encoded", encoded))
    return encoded


def _ascii_host(netloc: str) -> str:
    host, colon, port = netloc.partition(":")
    return f"{host if host.isascii() else host.encode('idna').decode()}{colon}{port}"
