"""What hostile HTML could cost, taken away before the sanitiser sees it.

nh3 parses by the HTML standard, whose repairs can be made to cost far more than the text is long:
formatting left open is opened again in every following block, with all its attributes (a megabyte
becomes gigabytes); stray content of a table is moved in front of it, one search for each piece; and
every tag is looked up among all that are open. Before, libxml2 compares each attribute of a tag with
all others. Articles need none of that.
"""

import re
from dataclasses import dataclass

from lxml import etree

from service.content.blocks import BLOCKS, TEXT_BLOCKS, BodyRefused, Element

MAX_DEPTH = 100
MAX_STRAY = 500
MAX_IN_TAG = 1000

_FORMATTING = {
    "a", "b", "big", "code", "em", "font", "i", "nobr", "small", "strong", "tt", "u",
}  # fmt: skip
_CELLS = {"caption", "td", "th"}
_TABLE_PARTS = _CELLS | {"col", "colgroup", "tbody", "tfoot", "thead", "tr"}
_NEUTRAL = "span"  # not in the sanitiser's list, so only what is in it stays


# To the end of the tag, whatever stands in quotes; of a quote without its end to the next bracket.
_START_TAG = re.compile(r"<[a-zA-Z](?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+(?:[\"'][^>]*+)?")
_PIECE = re.compile(r"[^\s\"']+")


def refuse_crowded(html: str) -> None:
    """Before anything is parsed. Raises BodyRefused for a tag with more than MAX_IN_TAG words."""
    for tag in _START_TAG.finditer(html):
        crowded = len(tag[0]) > MAX_IN_TAG and len(_PIECE.findall(tag[0])) > MAX_IN_TAG
        if crowded:
            raise BodyRefused(f"one of its tags has more than {MAX_IN_TAG} attributes or words")


def tame(root: Element) -> None:
    """Neutralise formatting around blocks; a link around blocks stays where it does no harm.

    Raises BodyRefused for elements nested more than MAX_DEPTH deep, and for more than MAX_STRAY
    pieces of content in tables outside of their cells.
    """
    walk = _Walk()
    for event, node in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            walk.start(node)
        else:
            walk.end(node)


@dataclass(slots=True)
class _Formatting:
    exempt: bool
    """A link that nothing inside can close before its own end."""
    spoiled: bool = False


class _Walk:
    """The open elements while the tree is walked."""

    def __init__(self) -> None:
        self._open: list[tuple[str, bool]] = []
        self._text_blocks = 0
        self._tables: list[str] = []  # open tables and cells, innermost last
        self._formatting: list[_Formatting] = []
        self._links: list[_Formatting] = []
        self._spoiled_to = 0  # all formatting before this place has met its block
        self._stray = 0

    def start(self, node: Element) -> None:
        tag = str(node.tag)
        if len(self._open) >= MAX_DEPTH:
            raise BodyRefused(f"its elements are nested more than {MAX_DEPTH} deep")
        self._open.append((tag, self._enter_table(tag)))
        self._count_stray_text(node.text)
        if tag in BLOCKS:
            self._text_blocks += tag in TEXT_BLOCKS
            self._spoil()
        elif tag in _FORMATTING:
            self._format(tag)

    def end(self, node: Element) -> None:
        tag, in_tables = self._open.pop()
        if in_tables:
            self._tables.pop()
        self._count_stray_text(node.tail)
        if tag in BLOCKS:
            self._text_blocks -= tag in TEXT_BLOCKS
        elif tag in _FORMATTING:
            if tag == "a":
                self._links.pop()
            if self._formatting.pop().spoiled:
                node.tag = _NEUTRAL
            self._spoiled_to = min(self._spoiled_to, len(self._formatting))

    def _format(self, tag: str) -> None:
        safe = tag == "a" and not self._text_blocks and not self._tables
        entry = _Formatting(exempt=safe)
        self._formatting.append(entry)
        if tag == "a":
            if self._links:
                self._links[-1].spoiled = True  # a link within a link closes the outer one
            self._links.append(entry)

    def _spoil(self) -> None:
        for entry in self._formatting[self._spoiled_to :]:
            entry.spoiled = entry.spoiled or not entry.exempt
        self._spoiled_to = len(self._formatting)

    def _enter_table(self, tag: str) -> bool:
        """Note a table or cell, and content that stands where only parts of tables may."""
        innermost = self._tables[-1] if self._tables else None
        if innermost == "table" and tag not in _TABLE_PARTS:
            self._add_stray()
        elif innermost in _CELLS and tag in _TABLE_PARTS:
            self._tables[-1] = "table"  # the parser closes the cell here
        if tag == "table" or (tag in _CELLS and innermost is not None):
            self._tables.append(tag)
            return True
        return False

    def _count_stray_text(self, text: str | None) -> None:
        if self._tables and self._tables[-1] == "table" and text and not text.isspace():
            self._add_stray()

    def _add_stray(self) -> None:
        self._stray += 1
        if self._stray > MAX_STRAY:
            raise BodyRefused(
                f"its tables hold more than {MAX_STRAY} pieces of content outside of cells"
            )
