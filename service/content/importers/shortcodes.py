"""WordPress shortcodes (`[caption]…[/caption]`) resolved into HTML.

Which shortcodes a site knows depends on its plugins, which an export does not say. Square
brackets are also how journalists mark what they add to a quotation ("[sic]", "[the minister]").
So a bracket counts as a shortcode only if its name is WordPress's own or a widespread player's,
or if its form gives it away: an attribute `name="value"`, a closing tag, a final slash, or an
underscore in the name. Unknown ones are left out, what they enclose stays.
Source of the forms: WordPress's Shortcode API (codex.wordpress.org/Shortcode_API).
"""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Gallery = Callable[[Mapping[str, str]], str]

_CAPTIONS = frozenset({"caption", "wp_caption"})
_PLAYERS = frozenset({"audio", "video", "embed"})
# Plugins' players; without an address their names are ordinary words.
_PLUGIN_PLAYERS = frozenset(
    {
        "youtube", "vimeo", "wpvideo", "videopress", "twitter", "tweet", "instagram",
        "facebook", "soundcloud", "dailymotion", "ted", "tiktok", "spotify",
    }
)  # fmt: skip
_MEDIA_LINKS = _PLAYERS | _PLUGIN_PLAYERS
_KNOWN = _CAPTIONS | _PLAYERS | {"gallery", "playlist", "contact-form", "contact-form-7"}
_CODE = re.compile(
    r"\[(\[?)(/?)([a-zA-Z][\w-]*+)((?:[\s=:](?:[^\[\]\"']++|\"[^\"]*+\"|'[^']*+')*+)?/?)\](\]?)"
)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']+))|(\S+)")
_STOP = re.compile(r"<!--|<(pre|code|script|style|textarea)\b|<[a-zA-Z/]|\[", re.IGNORECASE)
_TAG = re.compile(r"<(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_PICTURE = re.compile(r"(?:<a\s[^<>]*>\s*)?<img\s[^<>]*>(?:\s*</a>)?", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\"'<>\[\]]+")


@dataclass(frozen=True, slots=True)
class _Code:
    source: str
    name: str
    closing: bool
    self_closing: bool
    attributes: Mapping[str, str]
    url: str | None


@dataclass(slots=True)
class _Open:
    """A shortcode whose closing tag is still to come, and the HTML collected inside it."""

    index: int
    code: _Code
    inner: list[str] = field(default_factory=list)


def expand(source: str, gallery: Gallery) -> str:
    """Resolve the shortcodes in `source`; `gallery` makes HTML of a gallery's attributes.

    Nothing is touched inside tags, comments, `<pre>` and `<code>`. `[[caption]]` is WordPress's
    way to show a shortcode instead of running it, and becomes `[caption]`; `[[caption]x[/caption]]`
    shows both its tags.
    """
    if "[" not in source:
        return source
    pieces = list(_pieces(source))
    partners = _partners(pieces)
    _show(pieces, partners)
    root: list[str] = []
    stack: list[_Open] = []
    for index, piece in enumerate(pieces):
        out = stack[-1].inner if stack else root
        if isinstance(piece, str):
            out.append(piece)
        elif piece.closing:
            _close(piece, partners.get(index), stack, root)
        elif not _is_shortcode(piece, paired=index in partners):
            out.append(piece.source)
        elif piece.name in _CAPTIONS | _MEDIA_LINKS and index in partners:
            stack.append(_Open(index, piece))
        else:
            out.append(_standalone(piece, gallery))
    return "".join(root)


def _close(code: _Code, opener: int | None, stack: list[_Open], root: list[str]) -> None:
    if opener is None:
        if code.name not in _KNOWN:
            (stack[-1].inner if stack else root).append(code.source)
        return
    if not any(entry.index == opener for entry in stack):
        return  # it closes one that needs no HTML of its own
    while True:
        entry = stack.pop()
        out = stack[-1].inner if stack else root
        inner = "".join(entry.inner)
        if entry.index != opener:
            out.append(inner)  # two that overlap instead of nesting
            continue
        out.append(_figure(entry.code, inner) if entry.code.name in _CAPTIONS else
                   _media(entry.code, inner))  # fmt: skip
        return


def _is_shortcode(code: _Code, *, paired: bool) -> bool:
    return (
        code.name in _KNOWN
        or (code.name in _PLUGIN_PLAYERS and code.url is not None)
        or paired
        or code.self_closing
        or bool(code.attributes)
        or "_" in code.name
    )


def _standalone(code: _Code, gallery: Gallery) -> str:
    if code.name == "gallery":
        return gallery(code.attributes)
    return _media(code, "") if code.name in _MEDIA_LINKS else ""


def _media(code: _Code, inner: str) -> str:
    """A player becomes a link: what it would embed comes from a third party."""
    url = code.url
    enclosed = _URL.fullmatch(inner.strip())
    if enclosed:
        url, inner = url or enclosed[0], ""
    return (f"\n\n<p>{link(url)}</p>\n\n" if url else "") + inner


def link(url: str) -> str:
    """A link that shows its address; `url` may hold entities already."""
    escaped = html.escape(html.unescape(url))
    return f'<a href="{escaped}">{escaped}</a>'


def _figure(code: _Code, inner: str) -> str:
    """The picture with its caption, which stands in the attribute (old) or behind the picture."""
    caption = code.attributes.get("caption", "").strip()
    picture = inner.strip()
    match = _PICTURE.search(inner)
    if match and not caption:
        caption = (inner[: match.start()] + inner[match.end() :]).strip()
        picture = match[0]
    return figure(picture, caption)


def figure(picture: str, caption: str) -> str:
    """A figure block; both parts are HTML, the caption may be empty."""
    label = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"\n\n<figure>{picture}{label}</figure>\n\n"


def _pieces(source: str) -> Iterator[str | _Code]:
    """The source cut into shortcode-like brackets and everything between them."""
    kept = position = 0
    unclosed: set[str] = set()
    while stop := _STOP.search(source, position):
        if stop[0] != "[":
            position = _skip(source, stop, unclosed)
            continue
        match = _CODE.match(source, stop.start())
        if match is None:
            position = stop.end()
            continue
        yield source[kept : match.start()]
        yield from _bracket(match)
        kept = position = match.end()
    yield source[kept:]


def _bracket(match: re.Match[str]) -> Iterator[str | _Code]:
    name = match[3]
    if match[1] and match[5]:
        yield match[0][1:-1] if name in _KNOWN else match[0]
        return
    yield match[1]
    inside = match[4].strip()
    self_closing = inside.endswith("/") and not _URL.fullmatch(inside.split()[-1].lstrip("=:"))
    attributes: dict[str, str] = {}
    for part in _ATTRIBUTE.finditer(inside):
        if part[1]:
            attributes[part[1].lower()] = part[2] or part[3] or part[4] or ""
    url = _URL.search(html.unescape(inside))
    yield _Code(
        source=match[0][len(match[1]) : len(match[0]) - len(match[5])],
        name=name,
        closing=bool(match[2]),
        self_closing=self_closing,
        attributes=attributes,
        url=url[0] if url else None,
    )
    yield match[5]


def _skip(source: str, stop: re.Match[str], unclosed: set[str]) -> int:
    """Where to go on behind a tag, comment or element whose inside is no place for shortcodes."""
    mark = "-->" if stop[0] == "<!--" else f"</{stop[1].lower()}" if stop[1] else ""
    if mark and mark not in unclosed:
        end = source.find(mark, stop.end())
        if end != -1:
            return end + len(mark)
        unclosed.add(mark)
    tag = _TAG.match(source, stop.start())
    return tag.end() if tag else stop.end()


def _partners(pieces: list[str | _Code]) -> dict[int, int]:
    """Which closing tag belongs to which opening one, by index, both ways."""
    waiting: dict[str, list[int]] = {}
    partners: dict[int, int] = {}
    for index, piece in enumerate(pieces):
        if isinstance(piece, str) or piece.self_closing:
            continue
        if not piece.closing:
            waiting.setdefault(piece.name, []).append(index)
        elif waiting.get(piece.name):
            opener = waiting[piece.name].pop()
            partners[opener], partners[index] = index, opener
    return partners


def _show(pieces: list[str | _Code], partners: Mapping[int, int]) -> None:
    """Make text of the pairs in doubled brackets, and of what they enclose, less one bracket."""
    end = 0
    for opener, closer in sorted(partners.items()):
        # A bracket always stands between the two pieces for its doubled signs (see _bracket).
        if end <= opener < closer and pieces[opener - 1] == "[" and pieces[closer + 1] == "]":
            end = closer + 1
            pieces[opener - 1] = pieces[end] = ""
            for index in range(opener, end):
                piece = pieces[index]
                pieces[index] = piece if isinstance(piece, str) else piece.source
