"""How a body divides into blocks, and where in it the author's mark is. Pure."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lxml import etree

_MARK = re.compile(r"\s*(?:more(?![\w-]).*|members-only\s*)", re.DOTALL | re.IGNORECASE)

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
_WHOLE = {"table"}  # counted as one block, however many cells it has
_UNCOUNTED = _HEADINGS | {"figure"}
_VERBATIM = {"code", "kbd", "pre", "samp"}  # shows a mark, doesn't set one


Element: TypeAlias = etree._Element  # noqa: SLF001 lxml's only name for its type


class BodyRefused(ValueError):
    """The body can't be made ready; the text says why and what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; simplify the HTML and send it again")


@dataclass(frozen=True)
class Edge:
    """A place in the tree: before an element, or behind its end (and before its tail)."""

    element: Element
    side: Literal["before", "after"]


@dataclass(frozen=True)
class Segment:
    """A run of content between two edges of blocks. `unit` numbers blocks of text from 1."""

    end: Edge
    unit: int | None


def mark_and_segments(root: Element) -> tuple[int | None, list[Segment]]:
    """Where the first mark cuts (after how many segments; None without a mark), and all segments.

    A mark within a block cuts at the end of that block, or at its next line break, if content
    precedes the mark there; else behind the block before. Segments without content don't count.
    """
    scan = _Scan(root)
    for event, node in etree.iterwalk(root, events=("start", "end", "comment")):
        if event == "comment":
            scan.comment(node)
        elif event == "start":
            scan.start(node)
        else:
            scan.end(node)
    scan.flush(Edge(root, "after"))
    return scan.mark, scan.segments


class _Scan:
    """The walk's state: the open elements that matter, and the segment being read."""

    def __init__(self, root: Element) -> None:
        self.segments: list[Segment] = []
        self.mark: int | None = None
        self._root = root
        self._blocks: list[str] = []
        self._inside: dict[str, int] = {"verbatim": 0, "uncounted": 0, "whole": 0}
        self._units = 0
        self._whole_unit: int | None = None
        self._has_content = False
        self._has_text = False
        self._cuts_here = False

    def start(self, node: Element) -> None:
        tag = str(node.tag)
        if tag in BLOCKS or (tag == "br" and self._cuts_here):
            self.flush(Edge(node, "before"))
        if tag in BLOCKS:
            self._blocks.append(tag)
        self._enter(tag, 1)
        if tag == "img":
            self._has_content = True
        self._text(node.text)

    def end(self, node: Element) -> None:
        tag = str(node.tag)
        if tag in BLOCKS:
            self.flush(Edge(node, "after"))
            self._blocks.pop()
        self._enter(tag, -1)
        if node is not self._root:
            self._text(node.tail)

    def comment(self, node: Element) -> None:
        is_mark = self.mark is None and not self._cuts_here and not self._inside["verbatim"]
        if is_mark and _MARK.fullmatch(node.text or ""):
            self._set_mark(node)
        self._text(node.tail)

    def _set_mark(self, node: Element) -> None:
        if not self._blocks or self._blocks[-1] not in TEXT_BLOCKS:
            self.flush(Edge(node, "before"))
        if self._has_content:
            self._cuts_here = True
        else:
            self.mark = len(self.segments)

    def flush(self, end: Edge) -> None:
        """The segment being read ends at `end`."""
        if self._has_content:
            self.segments.append(Segment(end, self._unit()))
        if self._cuts_here:
            self.mark = len(self.segments)
        self._has_content = self._has_text = self._cuts_here = False

    def _unit(self) -> int | None:
        if not self._has_text or self._inside["uncounted"]:
            return None
        if not self._inside["whole"]:
            self._units += 1
            return self._units
        if self._whole_unit is None:
            self._units += 1
            self._whole_unit = self._units
        return self._whole_unit

    def _enter(self, tag: str, step: int) -> None:
        self._inside["verbatim"] += step * (tag in _VERBATIM)
        self._inside["uncounted"] += step * (tag in _UNCOUNTED)
        self._inside["whole"] += step * (tag in _WHOLE)
        if not self._inside["whole"]:
            self._whole_unit = None

    def _text(self, text: str | None) -> None:
        if text and not text.isspace():
            self._has_content = self._has_text = True
