"""Finding words in an answer, however they are written there. Pure.

A word is one run of small letters and digits, as those of canaries are; of others, such as a slug with a hyphen,
only the readings that keep signs say something.
"""

import base64
import codecs
import html
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import brotli

_DEEP = 2
"""Layers that are taken off, such as base64 around gzip."""
_MOST_UNPACKED = 1 << 22
_MOST_PACKED = 8
_ESCAPES = 3
"""Rounds in which escapes are undone: what is escaped twice is found too."""
_ESCAPE = re.compile(
    r"(?<!\\)\\++(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))|%u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})"
)
_LAST_CHARACTER = 0x10FFFF
_MARK = re.compile(r'(?<!\\)(?:\\\\)*+"')
"""Where a text of JSON or a script begins or ends."""
_LINE = re.compile(r"[\r\n]+")
_LINE_ESCAPE = re.compile(r"(?<!\\)\\++[nrt]")
_HIDDEN = {
    "-->": re.compile(r"<!--.*?-->", re.DOTALL),
    "</script": re.compile(r"<script\b.*?</script", re.DOTALL),
    "</style": re.compile(r"<style\b.*?</style", re.DOTALL),
}
"""What a page doesn't show, by its end."""
_TAG = re.compile(r"""<(?:(?:[^<>"']++|"[^"]*"|'[^']*')*+|[^<>]*)>""")
_SIGNS = bytes(each for each in range(256) if not chr(each).isascii() or not chr(each).isalnum())
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}(?:\s+[A-Za-z0-9+/_-]+)*")
_USUAL = str.maketrans("-_", "+/")
_SPACE = re.compile(r"\s+")
_HEXADECIMAL = re.compile(r"(?<![0-9a-fA-F])(?:(?:0x|=)?[0-9a-fA-F]{2}[\s,:;-]{0,2}){12,}+")
_NOT_HEXADECIMAL = re.compile(r"0x|[^0-9a-f]", re.IGNORECASE)
_NUMBERS = re.compile(r"(?<!\d)(?:\d{2,3}[\s,;]{1,3}){12,}\d{2,3}")
_GZIP_OR_ZLIB = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_EITHER_HEADER = zlib.MAX_WBITS | 32


_UNREAD: Mapping[bytes, str] = {
    b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2",
    b"\x1f\x9d": "compress", b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z",
}  # fmt: skip
"""How what is packed in a way that isn't undone here begins."""


def unread(body: bytes) -> str:
    """By what the whole answer is packed, so that nothing can be found in it; empty: it can be read."""
    return next((name for begins, name in _UNREAD.items() if body.startswith(begins)), "")


def find(words: Iterable[str], body: bytes, headers: Mapping[str, str]) -> str | None:
    """Where an answer has one of the words, such as "in the text", or None."""
    wanted = tuple(words)
    head = "\n".join(f"{name}: {value}" for name, value in headers.items())
    if _place(wanted, head.encode()) is not None:
        return "in a header"
    return _place(wanted, body)


@lru_cache(maxsize=64)  # a site gives most of those who ask the same answer
def _place(words: tuple[str, ...], data: bytes) -> str | None:
    for place, text in _readings(data, _DEEP):
        if any(word in text for word in words):
            return place
    return None


def _readings(data: bytes, deep: int) -> Iterator[tuple[str, str]]:
    """The data as texts in small letters, each with what it is called; the likeliest first."""
    text = data.decode("utf-8", "replace")
    yield "in the text", text.lower()
    # UTF-16 and UTF-32 are plain letters with zeros between them.
    text = text.replace("\0", "")
    yield "in another encoding", text.lower()
    parts = dict.fromkeys(map(_without_escapes, _parts(text)))
    text = _without_escapes(text)
    yield "in escapes", text.lower()
    yield "between tags", _letters(_without_tags(text.lower()))
    letters = _letters(text)
    yield "between other characters", letters
    for each in parts:
        yield "in parts", _letters(each)
    yield "backwards", letters[::-1]
    yield "in rot13", codecs.encode(letters, "rot13")
    if deep:
        for place, inner in _layers(data, text):
            for _, reading in _readings(inner, deep - 1):
                yield place, reading


def _parts(text: str) -> Iterator[str]:
    """The values of JSON or of scripts, added up: answers that are streamed have one each for a few letters.

    None goes on in another line. A mark that begins no value shifts all that follow in its line, so each line is
    read from its second mark on too: every line, or those with an odd number of marks.
    """
    lines = [_MARK.split(line) for line in _LINE.split(text) if '"' in line]
    yield "".join(each for line in lines for each in _values(line, 1))
    yield "".join(each for line in lines for each in _values(line, 2))
    yield "".join(each for line in lines for each in _values(line, 2 - len(line) % 2))


def _values(between_marks: Sequence[str], first: int) -> Iterator[str]:
    """Every second piece from this one on, without keys."""
    for place in range(first, len(between_marks), 2):
        behind = between_marks[place + 1 : place + 2]
        if not behind or not behind[0].lstrip().startswith(":"):
            yield between_marks[place]


def _without_tags(text: str) -> str:
    """Of a page in small letters what is shown, as a browser has it."""
    for end, hidden in _HIDDEN.items():
        # Behind the last end there is none: to look for one from each beginning would take for ever.
        before, found, behind = text.rpartition(end)
        text = hidden.sub("", before + found) + behind
    return _TAG.sub("", text)


def _without_escapes(text: str) -> str:
    for _ in range(_ESCAPES):
        plain = _ESCAPE.sub(_character, html.unescape(text))
        if plain == text:
            break
        text = plain
    return _LINE_ESCAPE.sub("\n", text)


def _character(found: re.Match[str]) -> str:
    code = int(next(filter(None, found.groups())), 16)
    return chr(code) if code <= _LAST_CHARACTER else ""


def _letters(text: str) -> str:
    """Its letters and digits alone: no spaces, soft hyphens or signs of no width, and wide letters as usual ones."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore")
    return folded.lower().translate(None, _SIGNS).decode()


def _layers(data: bytes, text: str) -> Iterator[tuple[str, bytes]]:
    """What is in the data by another code; of what may begin anywhere, by each beginning."""
    for each in _unpacked(data, is_text="\ufffd" not in text):
        yield "compressed", each
    groups = [_SPACE.sub("", run).translate(_USUAL) for run in _BASE64.findall(text)]
    for first in range(4 if groups else 0):
        yield "in base64", b" ".join(map(base64.b64decode, _filled(groups, first, 4)))
    pairs = [_NOT_HEXADECIMAL.sub("", run) for run in _HEXADECIMAL.findall(text)]
    for first in range(2 if pairs else 0):
        yield "in hexadecimal", b" ".join(map(bytes.fromhex, _filled(pairs, first, 2)))
    for run in _NUMBERS.findall(text):
        yield "in numbers", bytes(int(number) % 256 for number in re.findall(r"\d+", run))


def _filled(runs: Iterable[str], first: int, size: int) -> Iterator[str]:
    """The runs from this character on, filled up to whole groups."""
    for run in runs:
        begun = run[first:]
        yield begun + "A" * (-len(begun) % size)


def _unpacked(data: bytes, *, is_text: bool) -> Iterator[bytes]:
    """What is compressed in the data, wherever it begins; by brotli, which nothing marks, only the whole."""
    for found, _ in zip(_GZIP_OR_ZLIB.finditer(data), range(_MOST_PACKED), strict=False):
        unpacking = zlib.decompressobj(_EITHER_HEADER)
        try:
            yield unpacking.decompress(data[found.start() :], _MOST_UNPACKED)
        except zlib.error:
            continue
    if not is_text:
        try:
            yield brotli.Decompressor().process(data, output_buffer_limit=_MOST_UNPACKED)
        except brotli.error:
            return
