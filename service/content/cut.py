"""The cut: what of an article's body everybody may see, decided once, when it is stored. Pure.

The author's mark decides where (`<!--more-->` and `<!--more words-->` of WordPress,
`<!--members-only-->` of Ghost), else the number of blocks; always at the end of a block. Everything
public is derived from the preview made here, so nothing behind the cut may get into it.

Two parsers, each for what it can do. lxml builds the tree in which the cut is made: it stops at
deep nesting while it reads, and opens no formatting again that a page left unclosed, so a hostile
body stays as small as it came, and can be tamed (taming.py). nh3 (sanitise.py) comes last and
guards what is served; it gives no tree that could be cut.
"""

import re
from dataclasses import dataclass
from typing import Literal

from lxml import etree
from markdown_it import MarkdownIt

from service.content.blocks import BLOCKS, BodyRefused, Edge, Element, mark_and_segments
from service.content.sanitise import DROPPED_WITH_CONTENT, sanitise
from service.content.taming import tame

BodyFormat = Literal["html", "markdown"]

# These would end the document for the parser, and with it the article: `</body>` in a pasted page.
_DOCUMENT_END = re.compile(r"</(?=(?:body|html)[\s/>])", re.IGNORECASE)
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Rendered:
    """A body made ready: all of it, and the part before the cut as HTML and as plain text."""

    body_html: str
    preview_html: str
    preview_text: str
    cut_is_whole: bool
    """Nothing is left behind the cut, which holds only of a body without any content."""


def render(body: str, body_format: BodyFormat, preview_blocks: int) -> Rendered:
    """Sanitise `body` and cut it.

    Without a mark the preview is the first `preview_blocks` blocks of text. A cut that would leave
    nothing behind it is moved forwards: the whole of an article is never its preview.

    Raises BodyRefused for HTML that is nested too deeply, or strewn through tables.
    """
    html = _MARKDOWN.render(body) if body_format == "markdown" else body
    root = _parse(html)
    tame(root)
    mark, segments = mark_and_segments(root)
    body_html = sanitise(_serialise(root))
    kept = _kept([segment.unit for segment in segments], mark=mark, blocks=preview_blocks)
    if kept == 0:
        return Rendered(body_html, "", "", cut_is_whole=not segments)
    _cut(segments[kept - 1].end, root)
    preview_html = sanitise(_serialise(root))
    return Rendered(body_html, preview_html, plain_text(preview_html), cut_is_whole=False)


def plain_text(html: str) -> str:
    """The text of sanitised HTML in one line."""
    words: list[str] = []
    for event, node in etree.iterwalk(_parse(html), events=("start", "end")):
        is_break = node.tag in BLOCKS or node.tag in {"br", "img"}
        text = (node.text if event == "start" else node.tail) or ""
        words.append(f" {text}" if is_break else text)
    return " ".join("".join(words).split())


def _kept(units: list[int | None], *, mark: int | None, blocks: int) -> int:
    """How many segments the preview has: fewer than there are, unless there are none."""
    if mark is not None and mark < len(units):
        return mark
    last = max((unit for unit in units if unit is not None), default=0)
    kept = _through_unit(units, blocks)
    return kept if kept < len(units) else _through_unit(units, min(blocks, last - 1))


def _through_unit(units: list[int | None], wanted: int) -> int:
    """The number of segments through the end of block number `wanted`."""
    return max(
        (place for place, unit in enumerate(units, 1) if unit is not None and unit <= wanted),
        default=0,
    )


def _parse(html: str) -> Element:
    # Bytes, because lxml refuses text that carries an encoding declaration of its own.
    parser = etree.HTMLParser(encoding="utf-8", remove_pis=True)
    fragment = _DOCUMENT_END.sub("</ignored-", html)
    document = etree.fromstring(
        f"<!DOCTYPE html><html><body>{fragment}".encode(errors="replace"), parser
    )
    last = parser.error_log.last_error
    if last is not None and last.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
        raise BodyRefused("its elements are nested too deeply to be read")
    etree.strip_elements(document, *DROPPED_WITH_CONTENT, with_tail=False)
    return document


def _serialise(root: Element) -> str:
    return etree.tostring(root, encoding="unicode", method="html")


def _cut(end: Edge, root: Element) -> None:
    """Remove everything behind `end`; the elements around it stay and are closed."""
    node = end.element
    if end.side == "before":
        parent = node.getparent()
        if parent is None:
            return
        del parent[parent.index(node) :]
        node = parent
    while node is not root:
        node.tail = None
        parent = node.getparent()
        if parent is None:
            return
        del parent[parent.index(node) + 1 :]
        node = parent
