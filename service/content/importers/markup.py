"""HTML source as a flat list of tokens: the common ground of the steps that turn WordPress's
stored text, which is not quite HTML, into HTML.

A tree would be the wrong tool here: blank lines and line breaks, which carry the meaning, and
tags that do not nest are exactly what a parser would mend away. The sanitiser behind the
importer parses the result.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice, takewhile

from service.content.walls import comment_sign, element_sign

VOID = frozenset({"br", "hr", "img", "input", "wbr", "embed", "source", "track", "col", "area"})
RAW = frozenset(
    {"pre", "textarea", "iframe", "svg", "math", "object", "select", "video", "audio"}
)  # fmt: skip
_LITERAL = frozenset({"pre", "textarea", "iframe", "script", "style"})
NEVER_CONTENT = frozenset({"script", "style", "noscript", "template"})
MEDIA = frozenset({"img", "iframe", "video", "audio", "object", "embed", "svg", "math"})
BLOCKS = frozenset(
    {
        "p", "h1", "h2", "h3", "h4", "h5", "h6", "div", "section", "article", "aside", "main",
        "header", "footer", "nav", "hgroup", "figure", "figcaption", "blockquote", "address",
        "details", "summary", "ul", "ol", "menu", "li", "dl", "dt", "dd", "table", "caption",
        "colgroup", "col", "thead", "tbody", "tfoot", "tr", "td", "th", "form", "fieldset",
        "legend", "hr", "pre", "center",
    }
)  # fmt: skip

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>")
_ATTRIBUTE = re.compile(r"([\w-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>]+)))?")
_CARELESS_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)([^<>]*)>")
_MORE = re.compile(r"<!--[\s-]*more\b.*?-->", re.DOTALL | re.IGNORECASE)
_MEMBERS_ONLY = "<!--members-only-->"  # unlike the other it ends the preview amid a block
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PAGE = re.compile(r"<!--\s*nextpage\s*-->")
_CODE = re.compile(r"(</?)(?:pre|textarea)(?=[\s/>])", re.IGNORECASE)
PAYWALL = "<!--paywall-->"
"""Stands where the source's wall begins; the cut (service/content/cut.py) obeys it."""
_BLOCK_COMMENT = re.compile(r"<!--\s*/?wp:", re.DOTALL)


class Kind(Enum):
    """What a token is. PAGE and BLOCK are WordPress's marks; other comments are left out."""

    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    ATOM = auto()  # an element without inner markup of interest: <img>, <pre>…</pre>
    MORE = auto()  # the author's cut
    WALL = auto()  # where the source's wall begins
    PAGE = auto()  # a page break inside the article
    BLOCK = auto()  # the border of a block of the block editor
    UNSEEN = auto()  # <script>, <style> and the like, whole


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the source; `name` is the lower-case tag name of OPEN, CLOSE and ATOM."""

    kind: Kind
    source: str
    name: str = ""

    @property
    def is_block(self) -> bool:
        """Whether the token begins, ends or is a block-level element, or a cut."""
        return self.name in BLOCKS or self.kind in {Kind.MORE, Kind.WALL}


def tokenise(source: str) -> Iterator[Token]:
    """Split HTML source; time grows with its length only, whatever it holds."""
    position = 0
    unclosed: set[str] = set()
    while position < len(source):
        start = source.find("<", position)
        if start == -1:
            yield Token(Kind.TEXT, source[position:])
            return
        if start > position:
            yield Token(Kind.TEXT, source[position:start])
        token, position = _markup(source, start, unclosed)
        if token is not None and token.kind in {Kind.ATOM, Kind.UNSEEN}:
            # A sign in an element that can't be divided: all of that is behind it.
            yield from _signs_in(token.name, source[start:position])
            if token.name == "br" and closes(token):
                yield Token(
                    Kind.WALL, PAYWALL
                )  # line breaks are written anew, without their classes
        if token is not None:
            yield token


def _signs_in(name: str, source: str) -> Iterator[Token]:
    """The first one. A mark is none where comments are text to a browser, or code to a reader."""
    found = (_comment(each[0]) for each in _COMMENT.finditer(source))
    marks = set() if name in _LITERAL else {_MEMBERS_ONLY}
    signs = (each for each in found if each and (each.kind is Kind.WALL or each.source in marks))
    yield from islice(signs, 1)


def _markup(source: str, start: int, unclosed: set[str]) -> tuple[Token | None, int]:
    """The token that begins with the `<` at `start`, None for what is left out, and its end."""
    if source.startswith("<!--", start):
        end = _after(source, "-->", start, unclosed)
        return (None, start + 4) if end == -1 else (_comment(source[start:end]), end)
    match = _TAG.match(source, start) or _CARELESS_TAG.match(source, start)
    if match is None:
        # No markup ("a < b", "<3"): written so that no parser takes it for a tag.
        return Token(Kind.TEXT, "&lt;"), start + 1
    name = match[2].lower()
    # A quote without its partner would make the text behind the tag a part of it.
    tag = match[0] if match.re is _TAG else re.sub("[\"']", "", match[0])
    if match[1]:
        return Token(Kind.CLOSE, tag, name), match.end()
    if name in VOID:
        return Token(Kind.ATOM, tag, name), match.end()
    if name in RAW or name in NEVER_CONTENT:
        return _raw(source, match, tag, unclosed)
    return Token(Kind.OPEN, tag, name), match.end()


def _raw(
    source: str, match: re.Match[str], tag: str, unclosed: set[str]
) -> tuple[Token | None, int]:
    """An element whose inside is no markup for this reader; one without an end has no inside."""
    name = match[2].lower()
    is_closed = not match[3].endswith("/")
    end = _after(source, f"</{name}", match.end(), unclosed) if is_closed else -1
    if end != -1:
        end = source.find(">", end) + 1 or len(source)
        inside = _without_comments(tag + source[match.end() : end])
        kind = Kind.UNSEEN if name in NEVER_CONTENT else Kind.ATOM
        return Token(kind, inside, name), end
    if name in NEVER_CONTENT:
        return None, match.end()
    return Token(Kind.OPEN if name == "pre" else Kind.ATOM, tag, name), match.end()


def _after(source: str, mark: str, start: int, unclosed: set[str]) -> int:
    """The index behind the next `mark`, or -1; a mark once missed is not searched for again."""
    if mark in unclosed:
        return -1
    found = source.find(mark, start)
    if found == -1:
        found = source.find(mark.upper(), start)
    if found == -1:
        unclosed.add(mark)
        return -1
    return found + len(mark)


def _without_comments(source: str) -> str:
    """A raw element's source; a cut hidden in it could not be obeyed."""
    pieces: list[str] = []
    position = 0
    while (start := source.find("<!--", position)) != -1:
        end = source.find("-->", start)
        if end == -1:
            break
        pieces.append(source[position:start])
        position = end + len("-->")
    return "".join([*pieces, source[position:]])


def _comment(source: str) -> Token | None:
    if _MORE.fullmatch(source):
        return Token(Kind.MORE, "<!--more-->")
    if _PAGE.fullmatch(source):
        return Token(Kind.PAGE, "")
    if _BLOCK_COMMENT.match(source):
        return Token(Kind.BLOCK, "")
    sign = comment_sign(source[len("<!--") : -len("-->")])
    if sign is None:
        return None
    return Token(Kind.WALL, source) if sign.kind == "wall" else Token(Kind.MORE, _MEMBERS_ONLY)


def plain_text(source: str) -> str:
    """The words of a piece of HTML on one line, entities resolved; blocks apart by a space."""
    pieces: list[str] = []
    for token in tokenise(source):
        if token.kind is Kind.TEXT:
            pieces.append(token.source)
        elif token.name == "pre":
            pieces.append(f" {re.sub('<[^>]*>', '', token.source)} ")
        elif token.is_block or token.name == "br":
            pieces.append(" ")
    return " ".join(html.unescape("".join(pieces)).replace("\u00ad", "").split())


def public_text(source: str) -> str:
    """`plain_text` of what stands before the first sign that the rest isn't for everybody.

    Code isn't told apart from other text here, so a sign in it counts too.
    """
    divided = _CODE.sub(r"\1div", source)
    before = takewhile(lambda token: not closes(token), tokenise(divided))
    return plain_text("".join(token.source for token in before))


def closes(token: Token) -> bool:
    """Whether it is a sign that what follows, or what is in it, isn't for everybody."""
    if token.kind not in {Kind.OPEN, Kind.ATOM}:
        return token.kind in {Kind.MORE, Kind.WALL}
    tag = _TAG.match(token.source)
    found = _ATTRIBUTE.finditer(tag[3]) if tag else iter(())
    attributes = {each[1].lower(): each[2] or each[3] or each[4] or "" for each in found}
    return element_sign(token.name, attributes) is not None


def has_content(source: str) -> bool:
    """Whether a reader would see anything: words, a picture, a video."""
    return bool(plain_text(source).strip("\u200b\ufeff ")) or any(
        token.name in MEDIA for token in tokenise(source)
    )
