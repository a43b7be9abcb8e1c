"""The cut: what of an article's body everybody may see, decided once, when it is stored. Pure.

The author's mark decides where (`<!--more-->` of WordPress, `<!--members-only-->` of Ghost), or the
wall of the system that the text comes from (walls.py), whichever comes first; else preview.py does.
Everything public is derived from the preview made here, so nothing behind the cut may get into it.

Two parsers, each for what it can do. lxml builds the tree in which the cut is made: it stops at
deep nesting while it reads, and opens no formatting again that a page left unclosed, so a hostile
body stays as small as it came, and can be tamed (taming.py). nh3 (sanitise.py) comes last and
guards what is served; it gives no tree that could be cut.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from service.content.blocks import (
    BLOCKS,
    STRUCK,
    BodyRefused,
    Edge,
    Element,
    Scanned,
    Segment,
    scan,
    walk,
)
from service.content.front_matter import without_front_matter
from service.content.links import drop_dead_links, settle_links
from service.content.markdown import markdown_html
from service.content.media import drop, settle_media
from service.content.preview import Choice, Limits, choose, count_words
from service.content.sanitise import (
    DROPPED_WITH_CONTENT,
    EQUIVALENTS,
    LONGEST_VALUE,
    TAGS,
    sanitise,
)
from service.content.taming import refuse_crowded, tame
from service.content.walls import Sign, comment_sign, element_sign
from service.levels import Level

BodyFormat = Literal["html", "markdown"]
CutBy = Literal["mark", "wall", "automatic"]

_KNOWN = TAGS | {"html", "body"}
# Without its stroke a sentence may say the opposite; but the parser ends `<s>` where a block begins.
_STRUCK = re.compile(r"<(/?)(?:s|strike)(?=[\s/>])", re.IGNORECASE)
_STRUCK_TAG = STRUCK[-1]
# These would end the document for the parser, and with it the article: `</body>` in a pasted page.
_DOCUMENT_END = re.compile(r"</(?=(?:body|html)[\s/>])", re.IGNORECASE)

# No reader sees them, and a tree that holds them can't be changed.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


@dataclass(frozen=True)
class Rendered:
    """A body made ready: all of it, and the part before the cut as HTML and as plain text."""

    body_html: str
    preview_html: str
    preview_text: str
    """One line, how the story begins: without captions, bylines, tables, code and what is struck out."""
    search_text: str
    """One line of all the words of the preview."""
    cut_is_whole: bool
    """Nothing is left behind the cut, which holds only of a body without any content."""
    cut_by: CutBy
    wall_level: Level | None
    """The level that a wall in the body asks for."""


def render(body: str, body_format: BodyFormat, limits: Limits) -> Rendered:
    """Sanitise `body` and cut it.

    A sign that leaves no content behind it doesn't count: the whole of an article is never its
    preview.

    Raises BodyRefused for HTML that is nested too deeply, or strewn through tables.
    """
    root = _read(body, body_format)
    scanned = scan(root)
    _drop_long_values(root)
    settle_links(root)
    _rename(root)
    body_html = sanitise(_serialise(root))
    cut_by, choice = _choice(scanned, limits)
    shown = _shown(scanned.segments, choice)
    return Rendered(
        body_html=body_html,
        preview_html=_preview(root, scanned.segments, choice),
        preview_text=_line(each.said(end) for each, end in shown if _is_prose(each)),
        search_text=_line(each.text[:end] for each, end in shown),
        cut_is_whole=not scanned.segments,
        cut_by=cut_by,
        wall_level=scanned.level,
    )


def decided(body: str, body_format: BodyFormat) -> tuple[CutBy, Level | None]:
    """Who decides where the body is cut, and its `wall_level`. Raises like `render`."""
    scanned = scan(_read(body, body_format))
    return _decided_by(scanned), scanned.level


def words_in(html: str) -> int:
    """The number of words in sanitised HTML."""
    return sum(count_words(segment.text) for segment in scan(_parse(html)).segments)


def _read(body: str, body_format: BodyFormat) -> Element:
    text = without_front_matter(body)
    root = _parse(markdown_html(text) if body_format == "markdown" else text)
    _keep_signs(root)
    settle_media(root)
    etree.strip_elements(root, *DROPPED_WITH_CONTENT, with_tail=False)
    tame(root)
    return root


def _keep_signs(root: Element) -> None:
    """Repeat what walls and exact marks in elements that go say, in front of the outermost of these."""
    found: list[tuple[Element, Sign]] = []
    going: Element | None = None
    for event, node in walk(root):
        if event == "end":
            going = None if node is going else going
        elif going is not None:
            is_comment = event == "comment"
            said = comment_sign(node.text or "") if is_comment else _element_sign(node)
            found += [(going, said)] if said and said.is_exact and said.kind != "hint" else []
        elif event == "start" and node.tag in DROPPED_WITH_CONTENT:
            going = node
    for element, sign in found:
        said_again = f"wall:{sign.level}" if sign.kind == "wall" else "members-only"
        element.addprevious(etree.Comment(said_again))


def _element_sign(node: Element) -> Sign | None:
    return element_sign(str(node.tag), dict(node.attrib))


def _drop_long_values(root: Element) -> None:
    for node in root.iter(etree.Element):
        for name, value in node.attrib.items():
            if len(value) > LONGEST_VALUE:
                del node.attrib[name]


def _rename(root: Element) -> None:
    """Give what the sanitiser would drop a name that it knows."""
    for node in root.iter(*EQUIVALENTS):
        node.tag = EQUIVALENTS[str(node.tag)]
    for node in root.iter(_STRUCK_TAG):
        node.tag = "del" if any(each.tag in BLOCKS for each in node.iter()) else "s"
    for node in root.iter(etree.Element):
        if node.tag not in _KNOWN:
            # nh3 would drop the words in an element that has a name of SVG's or MathML's: `<text>`.
            node.tag = "bdi" if node.get("dir") else "span"


def _parse(html: str) -> Element:
    # Bytes, because lxml refuses text that carries an encoding declaration of its own.
    parser = etree.HTMLParser(encoding="utf-8", remove_pis=True)
    refuse_crowded(html)
    fragment = _DOCUMENT_END.sub("</ignored-", _STRUCK.sub(rf"<\1{_STRUCK_TAG}", html))
    document = etree.fromstring(
        f"<!DOCTYPE html><html><body>{fragment}".encode(errors="replace"), parser
    )
    last = parser.error_log.last_error
    if last is not None and last.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
        raise BodyRefused("its elements are nested too deeply to be read")
    if "&#" in html or _UNSEEN.search(html):
        _drop_unseen(document)
    return document


def _drop_unseen(root: Element) -> None:
    for node in root.iter():
        node.tail = _UNSEEN.sub("", node.tail) if node.tail else None
        if isinstance(node.tag, str):
            node.text = _UNSEEN.sub("", node.text) if node.text else None
            for name, value in node.attrib.items():
                node.set(name, _UNSEEN.sub("", value))


def _serialise(root: Element) -> str:
    return etree.tostring(root, encoding="unicode", method="html")


def _decided_by(scanned: Scanned) -> CutBy:
    sign = scanned.sign
    if sign is None or sign.kind == "hint" or scanned.sign_at == len(scanned.segments):
        return "automatic"
    return sign.kind


def _choice(scanned: Scanned, limits: Limits) -> tuple[CutBy, Choice]:
    decided_by = _decided_by(scanned)
    if decided_by != "automatic":
        return decided_by, Choice(scanned.sign_at)
    is_hint = scanned.sign is not None and scanned.sign.kind == "hint"
    bound = scanned.sign_at if is_hint else len(scanned.segments)
    return decided_by, choose(scanned.segments, bound, limits)


def _shown(segments: list[Segment], choice: Choice) -> list[tuple[Segment, int]]:
    """What the preview has, each with the number of its characters."""
    whole = [
        (segment, len(segment.text))
        for number, segment in enumerate(segments[: choice.kept])
        if number not in choice.held
    ]
    return [*whole, (segments[choice.kept], choice.offset)] if choice.offset else whole


def _is_prose(segment: Segment) -> bool:
    is_data = segment.group is not None and segment.group.tag in {"pre", "table"}
    return segment.kind in {"heading", "story"} and not is_data


def _line(texts: Iterable[str]) -> str:
    return " ".join(" ".join(texts).split())


def _preview(root: Element, segments: list[Segment], choice: Choice) -> str:
    """The HTML of the chosen part; the tree is cut for it."""
    if not choice.kept and not choice.offset:
        return ""
    if choice.offset:
        _cut(segments[choice.kept].edge(choice.offset), root)
    else:
        _cut(segments[choice.kept - 1].end, root)
    for number in choice.held:
        if number < choice.kept:
            _hold_back(segments[number])
    drop_dead_links(root)
    return sanitise(_serialise(root)).strip()


def _cut(end: Edge, root: Element) -> None:
    """Remove everything behind `end`; the elements around it stay and are closed."""
    node: Element | None = end.element
    if end.side == "text":
        end.element.text = (end.element.text or "")[: end.offset]
        del end.element[:]
    elif end.side == "tail":
        end.element.tail = (end.element.tail or "")[: end.offset]
        node = _emptied_behind(end.element)
    elif end.side == "before":
        parent = end.element.getparent()
        if parent is not None:
            del parent[parent.index(end.element) :]
        node = parent
    while node is not None and node is not root:
        node.tail = None
        node = _emptied_behind(node)


def _emptied_behind(node: Element) -> Element | None:
    """The parent, with nothing in it behind the node."""
    parent = node.getparent()
    if parent is not None:
        del parent[parent.index(node) + 1 :]
    return parent


def _hold_back(segment: Segment) -> None:
    if segment.group is not None:
        drop(segment.group)
        return
    for run in segment.runs:
        if run.side == "text":
            run.element.text = None
        else:
            run.element.tail = None
    for run in reversed(segment.runs):
        _drop_empty(run.element if run.side == "text" else run.element.getparent())


def _drop_empty(node: Element | None) -> None:
    """Drop the element, and what it is in, as far as nothing is in them."""
    while node is not None and node.getparent() is not None and not len(node):
        if node.text and not node.text.isspace():
            return
        parent = node.getparent()
        drop(node)
        node = parent
