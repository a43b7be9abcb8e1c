"""Paragraphs for WordPress's stored text, in which blank lines and line breaks stand for markup.

What a reader sees on the site is made at display time by WordPress's `wpautop`; its rules are
applied here to a token list: a blank line (or a double `<br>`) parts paragraphs, a line break
inside one is a `<br>`, block elements are left alone and end the paragraph before them. Unlike
there, the result is balanced, and the author's cut always stands between blocks.
Source of the rules: developer.wordpress.org/reference/functions/wpautop.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from service.content.importers.markup import BLOCKS, Kind, Token, closes
from service.content.importers.shortcodes import link

_BLANK_LINE = re.compile(r"\n[ \t]*\n\s*")
_URL = re.compile(r"https?://[^\s<>\"\[\]]+")
_STRUCTURE = frozenset(
    {
        "table", "thead", "tbody", "tfoot", "tr", "colgroup", "ul", "ol", "dl", "menu",
        "hgroup",
    }
)  # fmt: skip
_PHRASING = frozenset(
    {
        "p", "h1", "h2", "h3", "h4", "h5", "h6", "summary", "legend",
    }
)  # fmt: skip
# An opening tag on the left ends the elements on the right if they stand open right above it.
_IMPLIED_ENDS = {
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "td": {"td", "th"},
    "th": {"td", "th"},
    "tr": {"td", "th", "tr"},
}
_LINE_BREAK = "<br>\n"
_CUTS = {Kind.MORE, Kind.WALL}
_MARKS = {*_CUTS, Kind.PAGE, Kind.BLOCK}


def paragraphs(source: Iterable[Token]) -> str:
    """HTML of a classic post, its blank lines and line breaks turned into markup.

    Lines end with a line feed; there are no unseen tokens.
    """
    return _Writer(by_lines=True).write(source)


def blocks(source: Iterable[Token]) -> str:
    """HTML of a block editor's post: its markup as it stands, without the blocks' comments."""
    return _Writer(by_lines=False).write(source)


class _Writer:
    """Collects inline tokens in a run; every border of a block writes the run out."""

    def __init__(self, *, by_lines: bool) -> None:
        self._by_lines = by_lines
        self._out: list[str] = []
        self._open: list[tuple[str, int]] = []  # name, index in _out
        self._run: list[Token] = []
        self._carried: list[Token] = []
        self._cut = False

    @property
    def _parent(self) -> str:
        """The name of the innermost open block, "" at the top."""
        return self._open[-1][0] if self._open else ""

    def write(self, source: Iterable[Token]) -> str:
        tokens = list(_linked(_merged(source)))
        containers = _containers(tokens)
        for index, token in enumerate(tokens):
            if token.kind in {*_CUTS, Kind.PAGE}:
                self._mark(token)
            elif token.kind is Kind.BLOCK:
                self._flush()
            elif token.name in BLOCKS or index in containers:
                self._border(token)
            else:
                self._run.append(token)
        self._flush()
        self._end_to(0)
        return "".join(self._out).strip()

    def _mark(self, token: Token) -> None:
        """A cut, or a page's end: a border of its own. Only the first cut counts."""
        self._flush(carry=True)
        self._end_paragraph()
        if token.kind in _CUTS and not self._cut:
            self._cut = True
            self._out.append(f"{token.source}\n")

    def _border(self, token: Token) -> None:
        self._flush()
        if token.kind is Kind.CLOSE:
            self._end(token.name)
            return
        self._end_paragraph()
        while self._parent in _IMPLIED_ENDS.get(token.name, ()):
            self._end_to(len(self._open) - 1)
        if token.kind is Kind.OPEN:
            self._open.append((token.name, len(self._out)))
            self._out.append(token.source)
        else:
            self._out.append(f"{token.source}\n")

    def _end(self, name: str) -> None:
        """Close `name` and what stands open inside it; a tag that closes nothing is left out."""
        for depth in range(len(self._open) - 1, -1, -1):
            if self._open[depth][0] == name:
                self._end_to(depth)
                return

    def _end_paragraph(self) -> None:
        if self._parent == "p":
            self._end_to(len(self._open) - 1)

    def _end_to(self, depth: int) -> None:
        while len(self._open) > depth:
            name, start = self._open.pop()
            is_empty = len(self._out) == start + 1 and name not in {"td", "th"}
            if is_empty and not closes(Token(Kind.OPEN, self._out[start], name)):
                self._out.pop()
            else:
                self._out.append(f"</{name}>\n" if name in BLOCKS else f"</{name}>")

    def _flush(self, *, carry: bool = False) -> None:
        run, self._run = self._carried + self._run, []
        self._carried = []
        parent = self._parent
        if parent in _STRUCTURE and not _visible(run):
            return
        splits = self._by_lines or not parent
        parts, still_open = _split(run, splits=splits, line_breaks=self._by_lines)
        if carry:
            self._carried = still_open
        if not parts:
            return
        if not parent or (parent == "blockquote" and self._by_lines):
            self._out.extend(f"<p>{part}</p>\n" for part in parts)
        elif parent == "p":
            self._out.append("</p>\n<p>".join(parts))
        elif parent in _PHRASING or len(parts) == 1:
            self._out.append("<br>\n".join(parts))
        else:
            self._out.extend(f"<p>{part}</p>\n" for part in parts)


def _visible(tokens: Sequence[Token]) -> bool:
    """Whether there is more than white space, no-break spaces and line breaks, or a wall."""
    return any(
        (token.kind is Kind.TEXT and bool(token.source.replace("&nbsp;", "").strip()))
        or (token.kind is Kind.ATOM and token.name not in {"br", "wbr"})
        or (token.kind is Kind.OPEN and closes(token))
        for token in tokens
    )


def _split(run: list[Token], *, splits: bool, line_breaks: bool) -> tuple[list[str], list[Token]]:
    """The paragraphs of a run as HTML, and the inline elements still open at its end.

    An inline element that reaches over a paragraph's end is closed there and opened again.
    """
    parts: list[str] = []
    still_open: list[Token] = []
    for paragraph in _paragraphs(run) if splits else [run]:
        opening = list(still_open)
        body: list[Token] = []
        for token in paragraph:
            if token.kind is Kind.OPEN:
                still_open.append(token)
            elif token.kind is Kind.CLOSE:
                matches = [entry for entry in still_open if entry.name == token.name]
                if not matches:
                    continue
                still_open.remove(matches[-1])
            body.append(token)
        if _visible(paragraph):
            closing = "".join(f"</{token.name}>" for token in reversed(still_open))
            head = "".join(token.source for token in opening)
            parts.append(head + _inline(body, line_breaks=line_breaks) + closing)
    return parts, still_open


def _paragraphs(run: list[Token]) -> Iterator[list[Token]]:
    """The run cut at blank lines and at double `<br>`."""
    current: list[Token] = []
    for token in run:
        if token.kind is not Kind.TEXT:
            if token.name == "br" and _ends_with_break(current):
                yield current
                current = []
            else:
                current.append(token)
            continue
        first, *rest = _BLANK_LINE.split(token.source)
        current.append(Token(Kind.TEXT, first))
        for piece in rest:
            yield current
            current = [Token(Kind.TEXT, piece)]
    yield current


def _ends_with_break(tokens: list[Token]) -> bool:
    for token in reversed(tokens):
        if token.kind is not Kind.TEXT or token.source.strip():
            return token.name == "br"
    return False


def _inline(tokens: list[Token], *, line_breaks: bool) -> str:
    """The tokens as HTML source, without white space and breaks at its ends."""
    pieces: list[str] = []
    after_break = True
    for token in tokens:
        if token.name == "br":
            while pieces and not pieces[-1].strip():
                pieces.pop()
            if pieces:
                pieces[-1] = pieces[-1].rstrip()
            piece = _LINE_BREAK
        else:
            piece = token.source
            if token.kind is Kind.TEXT and line_breaks:
                piece = _with_breaks(piece.lstrip() if after_break else piece)
        after_break = token.name == "br" or (after_break and not piece.strip())
        pieces.append(piece)
    return _trimmed("".join(pieces))


def _with_breaks(text: str) -> str:
    first, *others = text.split("\n")
    if not others:
        return first
    *middle, last = others
    lines = [first.rstrip(" \t"), *(line.strip(" \t") for line in middle), last.lstrip(" \t")]
    return _LINE_BREAK.join(lines)


def _trimmed(text: str) -> str:
    """Without the breaks and spaces that editors leave at a paragraph's ends."""
    before = None
    while text != before:
        before = text
        text = text.strip()
        for void in ("&nbsp;", "<br>"):
            text = text.removeprefix(void).removesuffix(void)
    return text


def _containers(tokens: list[Token]) -> set[int]:
    """Inline elements that hold blocks, such as a link around a heading, by index of their tags.

    They are treated as blocks, since no paragraph can hold them.
    """
    waiting: dict[str, list[tuple[int, int]]] = {}
    found: set[int] = set()
    borders: list[Kind] = []
    for index, token in enumerate(tokens):
        if token.name in BLOCKS:
            borders.append(token.kind)
        elif token.kind is Kind.OPEN:
            waiting.setdefault(token.name, []).append((index, len(borders)))
        elif token.kind is Kind.CLOSE and waiting.get(token.name):
            start, before = waiting[token.name].pop()
            # A block's end inside it means crossed tags, not a container.
            if len(borders) > before and borders[before] is not Kind.CLOSE:
                found |= {start, index}
    return found


def _merged(tokens: Iterable[Token]) -> list[Token]:
    """Neighbouring texts as one, so that a comment left out does not hide a blank line."""
    merged: list[Token] = []
    texts: list[str] = []
    for token in tokens:
        if token.kind is Kind.TEXT:
            texts.append(token.source)
            continue
        if texts:
            merged.append(Token(Kind.TEXT, "".join(texts)))
            texts = []
        merged.append(token)
    if texts:
        merged.append(Token(Kind.TEXT, "".join(texts)))
    return merged


def _linked(tokens: list[Token]) -> Iterator[Token]:
    """An address alone on a line, which WordPress would embed, becomes a link."""
    links = 0
    for index, token in enumerate(tokens):
        if token.name == "a":
            links += {Kind.OPEN: 1, Kind.CLOSE: -1}.get(token.kind, 0)
        if token.kind is not Kind.TEXT or links > 0 or "://" not in token.source:
            yield token
            continue
        before = index == 0 or _parts_lines(tokens[index - 1])
        after = index == len(tokens) - 1 or _parts_lines(tokens[index + 1])
        yield from _with_links(token.source, before=before, after=after)


def _with_links(text: str, *, before: bool, after: bool) -> Iterator[Token]:
    """The text's tokens; `before` and `after` say whether its ends are ends of lines."""
    lines = text.split("\n")
    last = len(lines) - 1
    kept = ""
    for number, line in enumerate(lines):
        kept += "\n" if number else ""
        whole = (number > 0 or before) and (number < last or after)
        if whole and _URL.fullmatch(line.strip()):
            yield Token(Kind.TEXT, kept)
            yield Token(Kind.ATOM, link(line.strip()), "a")
            kept = ""
        else:
            kept += line
    yield Token(Kind.TEXT, kept)


def _parts_lines(token: Token) -> bool:
    return token.name == "br" or token.name in BLOCKS or token.kind in _MARKS
