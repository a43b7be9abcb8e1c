"""Players, forms and addresses in a post's HTML: what a page here can't show becomes a link.

What the post's own page hides is left out, unless a wall is in it: so old paywalls keep paid text.
"""

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urljoin

from service.content.importers.found import Found
from service.content.importers.markup import Kind, Token, closes, plain_text, tokenise
from service.content.importers.shortcodes import link

_PLAYERS = frozenset({"iframe", "video", "audio", "object", "embed"})
_FORMS = frozenset({"input", "select", "textarea"})
_DRAWINGS = frozenset({"svg", "math"})
_SOURCE = re.compile(
    r"(?<![\w-])(?:data-(?:lazy-)?src|data-url|src|data|value)\s*=\s*"
    r"(?:\"\s*([^\"]+?)\s*\"|'\s*([^']+?)\s*'|([^\s\"'>]+))",
    re.IGNORECASE,
)
_TITLE = re.compile(r"\stitle\s*=\s*(?:\"([^\"]+)\"|'([^']+)')", re.IGNORECASE)
_REMOTE = re.compile(r"(?:https?:)?//|/(?!/)")
_ADDRESS = re.compile(
    r"(\s(?:src|href|data-[\w-]*src|data-href|poster)\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'<>]+)",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"\sstyle\s*=\s*(?:\"[^\"]*|'[^']*|\S*)(?<![\w-])(?:display\s*:\s*none|visibility\s*:\s*hidden)"
    r"|\shidden(?:\s*=\s*[\"']?(?:hidden)?[\"']?)?(?=[\s>/])",
    re.IGNORECASE,
)
_HAS_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


def seen(source: str, base: str, found: Found) -> Iterator[Token]:
    """The tokens of `source` with links for players, and with every address in full.

    `base` is the address that relative ones start from, "" where the export tells none.
    """
    for token in _without_hidden(tokenise(source), found):
        if token.kind is Kind.UNSEEN:
            yield from _behind_script(token, base, found)
        elif token.kind is Kind.ATOM and token.name in _PLAYERS:
            yield _player(token, base, found)
        elif token.kind is Kind.ATOM and token.name in _FORMS:
            found.note("form")
        elif token.kind is Kind.ATOM and token.name in _DRAWINGS:
            found.note("drawing")
        elif base and (token.kind is Kind.OPEN or token.name == "img"):
            source_in_full = _ADDRESS.sub(lambda match: _in_full(match, base), token.source)
            yield Token(token.kind, source_in_full, token.name)
        else:
            yield token


def _without_hidden(tokens: Iterable[Token], found: Found) -> Iterator[Token]:
    held: list[Token] = []  # a hidden element from its start tag on
    depth = 0
    for token in tokens:
        if held:
            held.append(token)
            if token.name == held[0].name:
                depth += {Kind.OPEN: 1, Kind.CLOSE: -1}.get(token.kind, 0)
            if depth:
                continue
            if any(closes(each) for each in held):
                yield from held
            else:
                found.left_out("hidden-text", "".join(each.source for each in held))
            held = []
        elif token.kind is Kind.OPEN and _HIDDEN.search(token.source):
            held, depth = [token], 1
        else:
            yield token
    yield from held  # it has no end


def _behind_script(token: Token, base: str, found: Found) -> Iterator[Token]:
    """What stands in place of a script's doing: a link to its page, if the author left one."""
    if token.name == "noscript":
        inner = token.source.partition(">")[2].rpartition("<")[0]
        # A picture in there is the one that a script loads late, once more.
        if "<a " in inner and "<img" not in inner:
            yield from seen(inner, base, found)
    elif token.name == "script" and (address := _source_of(token, base)):
        found.note("script", address)


def _player(token: Token, base: str, found: Found) -> Token:
    address = _source_of(token, base)
    if not address:
        found.note("lost-player")
        return Token(Kind.TEXT, "")
    found.note("player", address)
    title = _TITLE.search(token.source)
    words = plain_text(title[1] or title[2]) if title else ""
    return Token(Kind.ATOM, link(address, words), "a")


def _source_of(token: Token, base: str) -> str:
    """The first address in the element's tags that leads anywhere."""
    for match in _SOURCE.finditer(token.source):
        address = html.unescape(match[1] or match[2] or match[3])
        if _REMOTE.match(address):
            return joined(base, address)
    return ""


def _in_full(match: re.Match[str], base: str) -> str:
    quote = match[2][0] if match[2][0] in "\"'" else ""
    value = match[2][1:-1] if quote else match[2]
    if not value or value.startswith("#") or _HAS_SCHEME.match(value):
        return match[0]
    return f"{match[1]}{quote}{html.escape(joined(base, html.unescape(value)))}{quote}"


def joined(base: str, address: str) -> str:
    """`address` in full, as a page at `base` means it; as it is where that can't be said."""
    try:
        return urljoin(base, address)
    except ValueError:
        return address
