"""How a body divides into blocks, and which sign in it says where the preview ends. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lxml import etree

from service.content.bylines import is_byline, names_byline
from service.content.walls import Sign, comment_sign, element_sign
from service.levels import Level

_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "hgroup"}
# Blocks that hold text themselves: a mark in one belongs to the block, elsewhere it stands between.
TEXT_BLOCKS = _HEADINGS | {
    "address", "caption", "dd", "dt", "figcaption", "li", "p", "pre", "summary", "td", "th",
}  # fmt: skip
BLOCKS = TEXT_BLOCKS | {
    "article", "aside", "blockquote", "body", "center", "details", "dialog", "dir", "div", "dl",
    "fieldset", "figure", "footer", "form", "head", "header", "hr", "html", "main", "menu", "nav",
    "ol", "search", "section", "table", "tbody", "tfoot", "thead", "tr", "ul",
}  # fmt: skip
_GROUPS = {"dir", "dl", "menu", "ol", "pre", "table", "ul"}
_ROW_ENDS = {"caption", "table", "tr"}
_CAPTIONS = {"caption", "figcaption"}
_LONGEST_LINE = 300  # characters of a byline, or of a caption that no figure tells
# The parser ends `<s>` where a block begins: cut.py gives it the last of these names first.
STRUCK = ("del", "s", "strike", "struck-out")
_VERBATIM = {"code", "kbd", "pre", "samp"}  # shows a mark, doesn't set one
_NOTES = re.compile(r"(?:wp-block-)?(?:foot|end)notes?(?:-list|-item)?", re.IGNORECASE)
_LINE_ENDS = re.compile(r"[\r\n]")
_CAPTION_CLASS = re.compile(r"(?:^|[\s_-])(?:caption|credits?)(?:$|[\s_-])", re.IGNORECASE)


Element: TypeAlias = etree._Element  # noqa: SLF001 lxml's only name for its type
Kind = Literal["story", "heading", "caption", "byline", "picture"]
_Role = Literal["heading", "caption", "byline", "figure", "quotation"]


class BodyRefused(ValueError):
    """The body can't be made ready; the text says why and what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; simplify the HTML and send it again")


@dataclass(frozen=True)
class Edge:
    """A place in the tree: before an element, behind its end (and before its tail), or behind the
    first `offset` characters of its text or of its tail.
    """

    element: Element
    side: Literal["before", "after", "text", "tail"]
    offset: int = 0


@dataclass(frozen=True)
class Run:
    """A piece of a segment's text: where in it the piece begins, and where it is in the tree."""

    start: int
    element: Element
    side: Literal["text", "tail"]


@dataclass(frozen=True)
class Segment:
    """A run of content between two edges of blocks; of a table a row.

    The only line ends in `text` are the reader's: line breaks, and those of a block of code.
    `group` is the outermost list, table or block of code around it. `unsaid` are the stretches that
    a reader of plain text must not take for text: what is struck out, and the signs of notes.
    """

    end: Edge
    kind: Kind
    text: str
    runs: tuple[Run, ...]
    group: Element | None
    unsaid: tuple[tuple[int, int], ...] = ()

    def said(self, end: int) -> str:
        """The first `end` characters of the text, but for what is unsaid."""
        pieces, place = [], 0
        for begin, behind in self.unsaid:
            pieces.append(self.text[place : min(begin, end)])
            place = behind
        return "".join([*pieces, self.text[place:end]])

    def edge(self, offset: int) -> Edge:
        """The place in the tree behind the first `offset` (at least 1) characters of the text."""
        run = next(run for run in reversed(self.runs) if run.start < offset)
        return Edge(run.element, run.side, offset - run.start)


@dataclass(frozen=True)
class Scanned:
    """A body's segments; the sign that counts, and how many segments stand before it."""

    segments: list[Segment]
    sign: Sign | None
    sign_at: int
    level: Level | None
    """The first wall's or hint's."""


def scan(root: Element) -> Scanned:
    """Divide the body.

    `<!--more-->` within a block stands at the end of that block, or at its next line break, if
    content precedes it there, else behind the block before. All other signs stand where they are.
    Notes at the end follow the whole story: a sign in one is no more than a hint.
    """
    reader = _Scan(root)
    for event, node in walk(root):
        if event == "comment":
            reader.comment(node)
        elif event == "start":
            reader.start(node)
        else:
            reader.end(node)
    reader.flush(Edge(root, "after"))
    return Scanned(reader.segments, reader.sign, reader.sign_at, reader.level)


def walk(root: Element) -> Iterator[tuple[Literal["start", "end", "comment"], Element]]:
    """As lxml's iterwalk, whose time grows with the square of the comments in a row."""
    around: list[Element] = []
    for node in root.iter():
        parent = node.getparent()
        while around and around[-1] is not parent:
            yield "end", around.pop()
        if isinstance(node.tag, str):
            yield "start", node
            around.append(node)
        elif isinstance(node, etree._Comment):  # noqa: SLF001 as above
            yield "comment", node
    while around:
        yield "end", around.pop()


class _Scan:
    """The walk's state: the open elements that matter, and the segment being read."""

    def __init__(self, root: Element) -> None:
        self.segments: list[Segment] = []
        self.sign: Sign | None = None
        self.sign_at = 0
        self.level: Level | None = None
        self._root = root
        self._blocks: list[str] = []
        self._roles: list[_Role | None] = []
        self._groups: list[Element] = []
        self._tables = self._verbatim = self._unsaid_inside = self._notes = 0
        self._has_story = False
        self._begin()

    def start(self, node: Element) -> None:
        tag = str(node.tag)
        if tag in BLOCKS:
            self._boundary(tag, Edge(node, "before"))
            self._open(tag, node)
        self._verbatim += tag in _VERBATIM
        self._notes += _holds_notes(node)
        self._unsaid_inside += _is_unsaid(tag, node)
        if tag not in {"html", "body"}:
            self._obey(element_sign(tag, dict(node.attrib)), node)
        if tag == "br":
            if self._sign_waits:
                self.flush(Edge(node, "before"))
            self._gap("\n")
        elif tag == "img":
            self._gap(" ")
            self._has_content = True
        self._read(node, "text")

    def end(self, node: Element) -> None:
        tag = str(node.tag)
        self._verbatim -= tag in _VERBATIM
        self._notes -= _holds_notes(node)
        self._unsaid_inside -= _is_unsaid(tag, node)
        if tag in BLOCKS:
            self._boundary(tag, Edge(node, "after"))
            self._close(tag)
        if node is not self._root:
            self._read(node, "tail")

    def comment(self, node: Element) -> None:
        sign = comment_sign(node.text or "")
        if sign is not None and not (self._verbatim and sign.kind == "mark"):
            self._obey(sign, node)
        self._read(node, "tail")

    def flush(self, end: Edge) -> None:
        """The segment being read ends at `end`."""
        if self._has_content:
            kind, text = self._kind(), "".join(self._text)
            group = self._groups[0] if self._groups else None
            unsaid = tuple(self._unsaid)
            self.segments.append(Segment(end, kind, text, tuple(self._runs), group, unsaid))
            self._has_story = self._has_story or kind == "story"
        if self._sign_waits:
            self.sign_at = len(self.segments)
        self._begin()

    def _begin(self) -> None:
        self._text: list[str] = []
        self._length = 0
        self._runs: list[Run] = []
        self._unsaid: list[tuple[int, int]] = []
        self._has_content = self._has_words = self._sign_waits = False

    def _boundary(self, tag: str, edge: Edge) -> None:
        is_within_row = self._tables > 1 or (self._tables == 1 and tag not in _ROW_ENDS)
        if is_within_row and not self._sign_waits:
            self._gap(" ")
        else:
            self.flush(edge)

    def _open(self, tag: str, node: Element) -> None:
        self._blocks.append(tag)
        self._roles.append(_role(tag, node.get("class", "")))
        self._tables += tag == "table"
        if tag in _GROUPS:
            self._groups.append(node)

    def _close(self, tag: str) -> None:
        self._blocks.pop()
        self._roles.pop()
        self._tables -= tag == "table"
        if tag in _GROUPS:
            self._groups.pop()

    def _obey(self, sign: Sign | None, node: Element) -> None:
        if sign is None:
            return
        if self._notes:
            sign = Sign("hint", sign.level)
        self.level = self.level or sign.level
        if self.sign is not None and not (self._sign_waits and sign.is_exact):
            return
        self.sign = sign
        if sign.is_exact or not self._blocks or self._blocks[-1] not in TEXT_BLOCKS:
            self._sign_waits = False
            self.flush(Edge(node, "before"))
        if self._has_content:
            self._sign_waits = True
        else:
            self.sign_at = len(self.segments)

    def _kind(self) -> Kind:
        if not self._has_words:
            return "picture"
        roles, text = set(self._roles), "".join(self._text)
        # A class such as `author-7` may also be that of an element around the whole article.
        is_short = len(text) <= _LONGEST_LINE
        if "heading" in roles:
            return "heading"
        if "figure" in roles and "quotation" not in roles and not self._groups:
            return "caption"
        if is_short and "caption" in roles:
            return "caption"
        is_first = not self._has_story and not self._groups
        is_by = "byline" in roles or (is_first and is_byline(text))
        return "byline" if is_short and is_by else "story"

    def _gap(self, character: str) -> None:
        self._text.append(character)
        self._length += 1

    def _read(self, node: Element, side: Literal["text", "tail"]) -> None:
        text = node.text if side == "text" else node.tail
        if not text:
            return
        if not text.isspace():
            self._has_content = self._has_words = True
        self._runs.append(Run(self._length, node, side))
        self._text.append(text if self._verbatim else _LINE_ENDS.sub(" ", text))
        if self._unsaid_inside:
            self._unsaid.append((self._length, self._length + len(text)))
        self._length += len(text)


def _holds_notes(node: Element) -> bool:
    classes = node.get("class", "").split()
    return node.get("role") == "doc-endnotes" or any(_NOTES.fullmatch(each) for each in classes)


def _is_unsaid(tag: str, node: Element) -> bool:
    if tag in STRUCK:
        return True
    parent = node.getparent() if tag == "a" and node.get("href", "").startswith("#") else None
    return parent is not None and parent.tag == "sup"


def _role(tag: str, classes: str) -> _Role | None:
    """What the block element says of the text in it."""
    if tag in _HEADINGS:
        return "heading"
    if tag in _CAPTIONS or _CAPTION_CLASS.search(classes):
        return "caption"
    if tag == "address" or names_byline(classes):
        return "byline"
    if tag == "figure":
        return "figure"
    return "quotation" if tag == "blockquote" else None
