"""The bytes of an export as well-formed XML: what damages files on their way is mended and counted.

Plugins print warnings in front of the file, write control characters, bare ampersands and HTML's
entities, or use a prefix that nobody declared. All of that can be put right without a guess. The
text passes in pieces, and what stands in CDATA sections is only searched for control characters.
"""

import codecs
import html
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection
from typing import BinaryIO

PREFIXES = {
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "excerpt": "http://wordpress.org/export/1.2/excerpt/",
    "wp": "http://wordpress.org/export/1.2/",
}
"""The namespaces that an export uses; any other prefix is only there to be skipped."""

MENDED = {
    "text-before": "{count} characters stood before the XML began, such as a PHP warning.",
    "text-after": "{count} characters stood behind the end of the XML.",
    "control-character": "{count} control characters, which XML does not allow, were left out.",
    "bare-sign": "{count} signs & or < that should have been written as entities were read as text.",
    "entity": "{count} entities of HTML that XML does not know were read as the characters they mean.",
    "prefix": "{count} tags used a prefix that the file does not declare.",
    "encoding": "{count} bytes that are not valid in the file's encoding were read as Windows-1252.",
}
"""The kinds of repairs, each with its sentence."""

_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_START = re.compile(rb"<(?:\?xml\b|rss\b|!DOCTYPE\b)")
_SEARCHED = 1_000_000
_DECLARATION = 200  # bytes that hold the XML declaration
_DECLARED = re.compile(rb"^<\?xml[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']")
_XMLNS = re.compile(r"\bxmlns:([\w.-]+)\s*=")
_ROOT = re.compile(r"<rss\b[^>]*>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ROOT_END = re.compile(r"</rss\s*>")
_LONGEST_ENTITY = 40
_UNDECODED = range(0xDC80, 0xDD00)  # how "surrogateescape" writes a byte that it can't decode


class Mending:
    """Reads like the stream behind it. `counts` gets what is mended, by its kind in MENDED.

    After the first piece: `head`, the file's first bytes; `begins`, the first one of the XML;
    `skipped_lines`, how many lines came before it.
    `advance` is told the number of bytes of each read. Raises LookupError for an encoding that
    nobody knows.
    """

    def __init__(
        self, stream: BinaryIO, advance: Callable[[int], None], counts: Counter[str]
    ) -> None:
        self.counts = counts
        self.skipped_lines = 0
        self.begins = b""
        self.head = b""
        self._stream = stream
        self._advance = advance
        self._decode: Callable[[bytes, bool], str] | None = None
        self._text = _Text(self.counts)

    def read(self, size: int = -1) -> bytes:
        """The next piece, mended and as UTF-8; empty at the end of the file alone."""
        while data := self._next(size):
            if self._decode is None:
                data = self._begin(data, size)
                self._decode = _decoder(data)
            if piece := self._text.feed(self._decode(data, False)):
                return piece.encode()
        if self._decode is None:
            return b""
        last = self._text.feed(self._decode(b"", True), final=True)
        self._decode = None
        return last.encode()

    def _next(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._advance(len(data))
        return data

    def _begin(self, data: bytes, size: int) -> bytes:
        """The file from where the XML begins; all of it if there is no such place near its start."""
        data = self._filled(data, _DECLARATION, size)
        self.head = data[:4]
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self.begins = b"<"
            return data
        data = data.removeprefix(codecs.BOM_UTF8)
        if _START.search(data) is None:
            data = self._filled(data, _SEARCHED, size)
        found = _START.search(data)
        before = data[: found.start() if found else len(data) - len(data.lstrip())]
        self.skipped_lines = before.count(b"\n")
        if text := b"".join(before.split()):
            self.counts["text-before"] += len(text)
        data = self._filled(data[len(before) :], _DECLARATION, size)
        self.begins = data[:1]
        return data

    def _filled(self, data: bytes, length: int, size: int) -> bytes:
        """`data` with what follows, up to `length` bytes or a little more."""
        pieces, have = [data], len(data)
        while have < length and (more := self._next(size)):
            pieces.append(more)
            have += len(more)
        return b"".join(pieces)


def _decoder(start: bytes) -> Callable[[bytes, bool], str]:
    """Decodes a file that begins like this; bytes that don't fit come out as lone surrogates."""
    declared = _DECLARED.match(start)
    name = declared[1].decode() if declared else "utf-8"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    "".encode(name)  # refuses codecs that don't make text, such as zlib
    return codecs.getincrementaldecoder(name)(errors="surrogateescape").decode


class _Text:
    """Mends text piece by piece. `rest` waits for what follows, since a mark may be cut in two."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._rest = ""
        self._in_cdata = False
        self._root_seen = False
        self._ended = False
        self._marks = _marks(())

    def feed(self, text: str, *, final: bool = False) -> str:
        """The text that is whole by now, mended."""
        text = self._rest + _CONTROL.sub(self._character, text)
        done: list[str] = []
        position = 0
        while True:
            mark = _CDATA_END if self._in_cdata else _CDATA
            found = text.find(mark, position)
            end = found if found != -1 else self._safe_end(text, position, final=final)
            piece = text[position:end]
            done.append(piece if self._in_cdata else self._mended(piece))
            position = end
            if found == -1:
                break
            done.append(mark)
            position += len(mark)
            self._in_cdata = not self._in_cdata
        self._rest = text[position:]
        return "".join(done)

    def _safe_end(self, text: str, start: int, *, final: bool) -> int:
        if final:
            return len(text)
        if self._in_cdata:
            return max(start, len(text) - len(_CDATA_END) + 1)
        tag = text.rfind("<", start)
        if tag != -1 and text.find("-->" if text.startswith("<!--", tag) else ">", tag) == -1:
            return tag
        entity = text.rfind("&", max(start, len(text) - _LONGEST_ENTITY))
        return entity if entity != -1 and ";" not in text[entity:] else len(text)

    def _mended(self, markup: str) -> str:
        """Text outside of CDATA sections, well-formed if a sign or a prefix was all its fault."""
        if self._ended:
            if rest := "".join(markup.split()):
                self._counts["text-after"] += len(rest)
            return ""
        if not self._root_seen and (root := _ROOT.search(markup)):
            self._root_seen = True
            self._marks = _marks(_XMLNS.findall(root[0]))
        end = _ROOT_END.search(markup)
        if end is None:
            return self._marks.sub(self._mark, markup)
        self._ended = True
        return self._marks.sub(self._mark, markup[: end.end()]) + self._mended(markup[end.end() :])

    def _character(self, match: re.Match[str]) -> str:
        code = ord(match[0])
        if code in _UNDECODED:
            self._counts["encoding"] += 1
            return bytes([code - _UNDECODED.start + 0x80]).decode("cp1252", errors="replace")
        self._counts["control-character"] += 1
        return ""

    def _mark(self, match: re.Match[str]) -> str:
        found = match[0]
        if match["kept"]:
            return found
        if match["tag"]:
            return self._declared(found)
        if match["reference"]:
            return self._reference(found, match["hex"], match["decimal"])
        name = match["name"]
        if name and (character := html.unescape(found)) != found:
            self._counts["entity"] += 1
            return html.escape(character)
        self._counts["bare-sign"] += 1
        return html.escape(found)

    def _declared(self, tag: str) -> str:
        """The tag with declarations of the prefixes that it uses and the file doesn't know."""
        names = re.sub(r"\"[^\"]*\"|'[^']*'", "", tag)
        own = set(_XMLNS.findall(tag))
        used = dict.fromkeys(re.findall(r"(?<=[<\s])([A-Za-z_][\w.-]*):(?=[A-Za-z_])", names))
        missing = [each for each in used if each not in own | {"xml", "xmlns"}]
        if not missing:
            return tag
        self._counts["prefix"] += 1
        spaces = "".join(
            f' xmlns:{each}="{PREFIXES.get(each, f"urn:undeclared:{each}")}"' for each in missing
        )
        name = re.match(r"<[\w.:-]+", tag)
        return tag if name is None else f"{name[0]}{spaces}{tag[name.end() :]}"

    def _reference(self, found: str, hexadecimal: str | None, decimal: str | None) -> str:
        code = int(hexadecimal, 16) if hexadecimal else int(decimal or "0")
        if code > sys.maxunicode or code == 0 or _CONTROL.fullmatch(chr(code)):
            self._counts["control-character"] += 1
            return ""
        return found


def _marks(declared: Collection[str]) -> re.Pattern[str]:
    """What of markup is looked at; tags with a prefix that is `declared` pass without a look."""
    known = "".join(f"(?!{re.escape(prefix)}:)" for prefix in {*declared, "xml"})
    return re.compile(
        r"(?P<kept><!--.*?-->|<\?.*?\?>|<!\w)"
        rf"|(?P<tag><{known}[A-Za-z_][\w.-]*:[^<>]*>)"
        r"|(?P<reference>&#(?:[xX](?P<hex>[0-9a-fA-F]{1,6})|(?P<decimal>\d{1,7}));)"
        r"|&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});)(?:(?P<name>\w{2,31});)?"
        r"|<(?=[\s\d<&=-])",
        re.DOTALL,
    )
