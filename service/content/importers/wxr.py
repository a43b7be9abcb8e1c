"""The XML of a WordPress export ("WXR", an RSS 2.0 feed with WordPress's own elements).

Read element by element with DTDs, entities and external references refused, so that memory
stays bounded by the largest single item and a hostile file can neither expand nor reach out.
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, tostring
from xml.parsers.expat import errors

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, iterparse

from service.content.importers.mending import PREFIXES, Mending

_WORDPRESS = re.compile(r"https?://wordpress\.org/export/\d+\.\d+/(excerpt/)?")
_PREFIXES = {PREFIXES[prefix]: prefix for prefix in ("content", "dc")}
_CHANNEL_DEPTH = 2
_CHILD_DEPTH = 3

_AGAIN = "Export it again in WordPress (Tools → Export) and wait until the download has finished."
_TRUNCATED = {
    errors.codes[message]
    for message in (
        errors.XML_ERROR_NO_ELEMENTS,
        errors.XML_ERROR_UNCLOSED_TOKEN,
        errors.XML_ERROR_PARTIAL_CHAR,
        errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
_BY_HAND = (
    "Open it in a text editor, mend that line, and import it again; or switch off the plugins that "
    "change feeds and export again."
)
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b")
_PACKED = "The file is a compressed archive. Unpack it, and use the .xml file that is in it."


class ExportUnreadable(Exception):
    """The file cannot be read as a WordPress export; the text says why and what to do."""


@dataclass(frozen=True)
class Term:
    """A category, tag or other classification of an item. `domain` is "" in oldest exports."""

    domain: str
    nicename: str
    name: str


@dataclass(frozen=True)
class Item:
    """One `<item>`: its elements by prefixed name (`wp:post_id`), its postmeta and its terms."""

    fields: Mapping[str, str]
    meta: Mapping[str, str]
    terms: tuple[Term, ...]

    def text(self, name: str) -> str:
        """The stripped text of the element called `name`, or ""."""
        return self.fields.get(name, "").strip()


def read_channel(
    stream: BinaryIO, advance: Callable[[int], None], mended: Counter[str]
) -> Iterator[tuple[str, Element]]:
    """Yield each child of `<channel>` as (prefixed name, element), then forget it.

    `advance` is told the number of bytes of each read; `mended` gets the repairs by their kind.
    Raises ExportUnreadable for what can't be mended into well-formed XML, is cut off, declares a
    DTD, or is no RSS at all.
    """
    reader = Mending(stream, advance, mended)
    # What the reader gives is UTF-8, whatever the file's first line says.
    parser = DefusedXMLParser(forbid_dtd=True, encoding="utf-8")
    try:
        yield from _children(reader, parser)
    except ParseError as error:
        if reader.head.startswith(_ARCHIVES):
            raise ExportUnreadable(_PACKED) from error
        line = error.position[0] + reader.skipped_lines
        raise ExportUnreadable(_explain(error.code, line, reader.begins)) from error
    except DefusedXmlException as error:
        # defusedxml keeps no position; expat, which it wraps, still stands at the declaration.
        line = parser.parser.CurrentLineNumber
        message = (
            f"The file declares a document type or an entity on line {line + reader.skipped_lines},"
            " which a WordPress export never does and which can be used for an attack. It was not "
            "read. Use the file that WordPress itself wrote (Tools → Export)."
        )
        raise ExportUnreadable(message) from error
    except (LookupError, ValueError) as error:
        message = (
            "Line 1 names a text encoding that cannot be read. Save the export as UTF-8 and "
            "let its first line say so."
        )
        raise ExportUnreadable(message) from error


def _children(reader: Mending, parser: DefusedXMLParser) -> Iterator[tuple[str, Element]]:
    path: list[Element] = []
    for event, element in iterparse(reader, events=("start", "end"), parser=parser):
        if event == "start":
            path.append(element)
            if len(path) == 1 and element.tag != "rss":
                name = element.tag.rpartition("}")[2]
                raise not_an_export(f"it begins with <{name}>, not with <rss>")
            continue
        depth = len(path)
        path.pop()
        name = prefixed(element.tag)
        if depth == _CHILD_DEPTH and path[-1].tag == "channel":
            yield name, element
        if depth <= _CHILD_DEPTH or name == "wp:comment":
            # Nobody asks for comments, and a popular article has thousands.
            element.clear()
        if depth in {_CHANNEL_DEPTH, _CHILD_DEPTH}:
            path[-1].remove(element)


def not_an_export(why: str) -> ExportUnreadable:
    """The error for well-formed XML that is something else than a WordPress export."""
    return ExportUnreadable(
        f"This is not a WordPress export: {why}. Choose “All content” under Tools → Export in "
        "WordPress and use the .xml file it downloads (unpack it first if it came as .zip)."
    )


def _explain(code: int, line: int, begins: bytes) -> str:
    if not begins:
        return f"The file is empty, or ends on line {line} before the export begins. {_AGAIN}"
    if begins != b"<":
        return (
            f"This is no XML: there is text on line {line} where the export should begin. Use the "
            ".xml file that WordPress wrote (Tools → Export)."
        )
    if code in _TRUNCATED:
        return f"The export breaks off on line {line}; the end of the file is missing. {_AGAIN}"
    return f"The file is not well-formed XML: line {line}: {errors.messages[code]}. {_BY_HAND}"


@lru_cache(1000)  # an export has some dozens of names, and millions of tags
def prefixed(tag: str) -> str:
    """`{https://wordpress.org/export/1.2/}post_id` → `wp:post_id`, for every WXR version.

    A name of another namespace stays as it is: `<atom:link>` is not the channel's `<link>`.
    """
    namespace, _, name = tag.rpartition("}")
    namespace = namespace.removeprefix("{")
    wordpress = _WORDPRESS.fullmatch(namespace)
    if wordpress:
        return f"{'excerpt' if wordpress[1] else 'wp'}:{name}"
    prefix = _PREFIXES.get(namespace)
    if prefix:
        return f"{prefix}:{name}"
    return tag if namespace else name


def item_of(element: Element) -> Item:
    """The `<item>` as plain values. Of repeated elements and postmeta keys the first counts."""
    fields: dict[str, str] = {}
    meta: dict[str, str] = {}
    terms: list[Term] = []
    for child in element:
        name = prefixed(child.tag)
        if name == "wp:postmeta":
            pair = texts_of(child)
            meta.setdefault(pair.get("wp:meta_key", ""), pair.get("wp:meta_value", ""))
        elif name == "category":
            text = text_in(child).strip()
            terms.append(Term(child.get("domain", ""), child.get("nicename", ""), text))
        else:
            fields.setdefault(name, text_in(child))
    return Item(fields, meta, tuple(terms))


def texts_of(element: Element) -> dict[str, str]:
    """The stripped texts of an element's children by prefixed name."""
    return {prefixed(child.tag): text_in(child).strip() for child in element}


def text_in(element: Element) -> str:
    """The element's text; HTML in it that should have been escaped is written out as it came."""
    if not len(element):
        return element.text or ""
    for node in element.iter():
        node.tag = node.tag.rpartition("}")[2]
    inside = [tostring(child, encoding="unicode", method="html") for child in element]
    return "".join([html.escape(element.text or "", quote=False), *inside])
