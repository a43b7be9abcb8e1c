"""WordPress shortcodes (`[caption]…[/caption]`) resolved into HTML.

Which shortcodes a site knows depends on its plugins, which an export does not say. Square
brackets are also how journalists mark what they add to a quotation ("[sic]", "[the minister]").
So a bracket counts as a shortcode only if its name is WordPress's own or a widespread player's,
or if its form gives it away: attributes `name="value"` and nothing else, a closing tag, a final
slash, or an underscore in the name. Unknown ones are left out, what they enclose stays.
Source of the forms: WordPress's Shortcode API (codex.wordpress.org/Shortcode_API).
"""

import html
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from service.content.importers.found import Found
from service.content.importers.markup import PAYWALL
from service.content.importers.walls import Shown, Wall, is_plugins_word, of_shortcode

Gallery = Callable[[Mapping[str, str]], str]

_CAPTIONS = frozenset({"caption", "wp_caption"})
_PLAYERS = frozenset({"audio", "video", "embed"})
# Plugins' players; without an address or an id their names are ordinary words.
_PLUGIN_PLAYERS = frozenset(
    {
        "youtube", "vimeo", "wpvideo", "videopress", "twitter", "tweet", "instagram",
        "facebook", "soundcloud", "dailymotion", "ted", "tiktok", "spotify",
    }
)  # fmt: skip
_BY_ID = {
    "youtube": "https://www.youtube.com/watch?v={}",
    "vimeo": "https://vimeo.com/{}",
    "wpvideo": "https://videopress.com/v/{}",
    "videopress": "https://videopress.com/v/{}",
    "dailymotion": "https://www.dailymotion.com/video/{}",
    "infogram": "https://infogram.com/{}",
}
_MEDIA_LINKS = _PLAYERS | _PLUGIN_PLAYERS
_FORMS = frozenset({"contact-form", "contact-form-7", "contact-field", "gravityform", "wpforms"})
_KNOWN = _CAPTIONS | _PLAYERS | _FORMS | {"gallery", "playlist"}
_SOURCES = ("src", "mp4", "mp3", "m4a", "m4v", "webm", "ogg", "ogv", "wav", "url", "link", "href")
_WORDED = ("title", "heading", "label", "text", "caption")
_CODE = re.compile(
    r"\[(\[?)(/?)([a-zA-Z][\w-]*+)"
    r"((?:(?:[\s=:]|&nbsp;)(?:[^\[\]<>\"']++|\"[^\"]*+\"|'[^']*+')*+)?/?)\](\]?)"
)
# WordPress itself runs whatever follows a shortcode's name up to the bracket, with quotes that don't
# match and with tags. So a wall is read that way where no shortcode in good order is.
_DAMAGED = re.compile(r"\[(\[?)()([a-zA-Z][\w-]*+)([^\[\]]++)\](\]?)")
_END_TAG = re.compile(r"\[/([\w-]+)")
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']+))|(\S+)")
_STOP = re.compile(r"<!--|<(pre|code|script|style|textarea)\b|<[a-zA-Z/]|\[", re.IGNORECASE)
_VERBATIM = {"pre", "code"}
_TAG = re.compile(r"<(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_TEXT_ATTRIBUTE = re.compile(r"(\s(?:alt|title)\s*=\s*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
# Editors make these of the straight ones that a shortcode was typed with.
_STRAIGHT = str.maketrans("“”„″", '""""')
_PICTURE = re.compile(r"(?:<a\s[^<>]*>\s*)?<img\s[^<>]*>(?:\s*</a>)?", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\"'<>\[\]]+")
_ID = re.compile(r"(?=[\w-]*\d)[\w-]{5,40}")


@dataclass(frozen=True, slots=True)
class _Code:
    source: str
    name: str
    closing: bool
    self_closing: bool
    attributes: Mapping[str, str]
    words: tuple[str, ...]  # what is no attribute
    url: str | None
    damaged: bool


@dataclass(slots=True)
class _Open:
    """A shortcode whose closing tag is still to come, and the HTML collected inside it."""

    index: int
    code: _Code
    inner: list[str] = field(default_factory=list)


def expand(source: str, gallery: Gallery, found: Found) -> str:
    """Resolve the shortcodes in `source`; `gallery` makes HTML of a gallery's attributes.

    Nothing is touched inside tags and comments, and nothing but walls in `<pre>` and `<code>`.
    `[[caption]]` is WordPress's way to show a shortcode instead of running it, and becomes
    `[caption]`; `[[caption]x[/caption]]` shows both its tags. A membership plugin's shortcode
    becomes the mark of a wall.
    """
    if "[" not in source:
        return source
    pieces = list(_pieces(source))
    partners = _partners(pieces)
    _show(pieces, partners)
    expanded = _Expansion(pieces, partners, gallery, found).text()
    return _TAG.sub(_without_walled_attributes, expanded) if "[" in expanded else expanded


def _without_walled_attributes(tag: re.Match[str]) -> str:
    """The tag; its description and title end where a wall begins in them."""
    return _TEXT_ATTRIBUTE.sub(_before_wall, tag[0]) if "[" in tag[0] else tag[0]


def _before_wall(match: re.Match[str]) -> str:
    quote, text = match[2][0], match[2][1:-1]
    for code in _CODE.finditer(text):
        is_code = is_plugins_word(code[3]) or f"[/{code[3]}]" in text
        if is_code and _is_wall(code[3]):
            return f"{match[1]}{quote}{text[: code.start()].rstrip()}{quote}"
    return match[0]


def _is_wall(name: str) -> bool:
    return isinstance(of_shortcode(name, {}, encloses=True), Wall)


class _Expansion:
    """The walk over the pieces: what is open is collected, until its closing tag comes."""

    def __init__(
        self,
        pieces: list[str | _Code],
        partners: Mapping[int, int],
        gallery: Gallery,
        found: Found,
    ) -> None:
        self._pieces = pieces
        self._partners = partners
        self._gallery = gallery
        self._found = found
        self._root: list[str] = []
        self._stack: list[_Open] = []

    @property
    def _out(self) -> list[str]:
        return self._stack[-1].inner if self._stack else self._root

    def text(self) -> str:
        for index, piece in enumerate(self._pieces):
            if isinstance(piece, str):
                self._out.append(piece)
            elif piece.closing:
                self._close(piece, self._partners.get(index))
            else:
                self._begin(piece, index)
        return "".join(self._root)

    def _begin(self, code: _Code, index: int) -> None:
        paired = index in self._partners
        verdict = _verdict(code, paired=paired, alone=self._stands_alone(index))
        if isinstance(verdict, Wall):
            self._found.walls.append(verdict)
            self._out.append(PAYWALL)
        elif isinstance(verdict, Shown):
            self._stack.append(_Open(index, code))
        elif not _is_shortcode(code, paired=paired):
            self._out.append(code.source)
        elif code.name in _CAPTIONS | _MEDIA_LINKS and paired:
            self._stack.append(_Open(index, code))
        else:
            self._out.append(self._standalone(code, paired=paired))

    def _stands_alone(self, index: int) -> bool:
        """Whether nothing else is on its line, or in its paragraph."""
        before = "".join(p for p in self._pieces[max(index - 2, 0) : index] if isinstance(p, str))
        after = "".join(p for p in self._pieces[index + 1 : index + 3] if isinstance(p, str))
        starts = before.rstrip(" \t")[-1:] in {"", "\n", ">"}
        return starts and after.lstrip(" \t")[:1] in {"", "\n", "\r", "<"}

    def _close(self, code: _Code, opener: int | None) -> None:
        if opener is None:
            if code.name not in _KNOWN:
                self._out.append(code.source)
            return
        if not any(entry.index == opener for entry in self._stack):
            return  # it closes one that needs no HTML of its own
        while True:
            entry = self._stack.pop()
            inner = "".join(entry.inner)
            if entry.index != opener:
                self._out.append(inner)  # two that overlap instead of nesting
                continue
            self._out.append(self._enclosed(entry.code, inner))
            return

    def _enclosed(self, code: _Code, inner: str) -> str:
        if code.name in _CAPTIONS:
            return _figure(code, inner)
        if code.name in _MEDIA_LINKS:
            return self._media(code, inner)
        self._found.left_out("visitors-only", inner)
        # A wall that stood in there holds all the same.
        return PAYWALL if PAYWALL in inner else ""

    def _standalone(self, code: _Code, *, paired: bool) -> str:
        """What stands for a shortcode that has no words of its own; a pair keeps what it encloses."""
        if code.name == "gallery":
            return self._gallery(code.attributes)
        if code.name == "playlist":
            return self._gallery({**code.attributes, "type": "playlist"})
        if code.name in _FORMS:
            self._found.note("form")
            return ""
        address = _address(code)
        if address and (code.name in _MEDIA_LINKS or not paired):
            return self._media(code, "")
        if not paired or any(code.attributes.get(name, "").strip() for name in _WORDED):
            self._found.note("shortcode", f"[{code.name}]")
        return ""

    def _media(self, code: _Code, inner: str) -> str:
        """A player becomes a link: what it would embed comes from a third party."""
        address = _address(code)
        enclosed = _URL.fullmatch(inner.strip())
        if enclosed:
            address, inner = address or enclosed[0], ""
        if not address:
            self._found.note("shortcode", f"[{code.name}]")
            return inner
        self._found.note("player", html.unescape(address))
        return f"\n\n<p>{link(address)}</p>\n\n" + inner


def _verdict(code: _Code, *, paired: bool, alone: bool) -> Wall | Shown | None:
    # Amid a line "[paywall]" is a remark, such as one behind a link; no remark is "[mepr-active]".
    is_code = (
        paired or _has_form(code) or ((alone or is_plugins_word(code.name)) and not code.words)
    )
    if code.name in _KNOWN or not is_code:
        return None
    encloses = paired and not code.damaged  # nobody can say whom the attributes let in
    verdict = of_shortcode(code.name, code.attributes, encloses=encloses)
    # Without an end there is nothing that only visitors see.
    return verdict if isinstance(verdict, Wall) or paired else None


def _is_shortcode(code: _Code, *, paired: bool) -> bool:
    if code.name in _PLUGIN_PLAYERS:
        return paired or _address(code) != ""
    return code.name in _KNOWN or paired or _has_form(code)


def _has_form(code: _Code) -> bool:
    """Whether nothing but a shortcode is written like this."""
    if code.words:
        return False  # a remark: "[Update: the council said name="x"]"
    return code.self_closing or bool(code.attributes) or "_" in code.name


def _address(code: _Code) -> str:
    """Where its player or chart is, "" if it doesn't say: in full, or from the site's root."""
    if code.url:
        return code.url
    rooted = (code.attributes.get(name, "") for name in _SOURCES)
    known = next((address for address in rooted if address.startswith("/")), "")
    named = [code.attributes.get("id", ""), *code.words]
    if not known and code.name in _BY_ID and _ID.fullmatch(named[0] or (named[-1].lstrip("=:"))):
        return _BY_ID[code.name].format(named[0] or named[-1].lstrip("=:"))
    return known


def link(url: str, words: str = "") -> str:
    """A link with these words, or its own address; `url` may hold entities already."""
    escaped = html.escape(html.unescape(url))
    return f'<a href="{escaped}">{html.escape(words) or escaped}</a>'


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
    kept = position = verbatim_to = 0
    unclosed: set[str] = set()
    ended = {name.lower() for name in _END_TAG.findall(source)}
    while stop := _STOP.search(source, position):
        if stop[0] != "[":
            position, verbatim_to = _skip(source, stop, unclosed, verbatim_to)
            continue
        match = _code_at(source, stop.start(), ended, only_walls=stop.start() < verbatim_to)
        if match is None:
            position = stop.end()
            continue
        yield source[kept : match.start()]
        yield from _bracket(match)
        kept = position = match.end()
    yield source[kept:]


def _code_at(
    source: str, start: int, ended: Collection[str], *, only_walls: bool
) -> re.Match[str] | None:
    """The shortcode-like bracket there; `ended` are the names that have a closing tag."""
    match = _CODE.match(source, start)
    if match is not None and not only_walls:
        return match
    match = match or _DAMAGED.match(source, start)
    return match if match and match[3].lower() in ended and _is_wall(match[3]) else None


def _bracket(match: re.Match[str]) -> Iterator[str | _Code]:
    name = match[3]
    if match[1] and match[5]:
        yield match[0][1:-1] if name in _KNOWN else match[0]
        return
    yield match[1]
    inside = match[4].strip()
    self_closing = inside.endswith("/") and not _URL.fullmatch(inside.split()[-1].lstrip("=:"))
    attributes: dict[str, str] = {}
    words: list[str] = []
    listed = html.unescape(inside.removesuffix("/") if self_closing else inside)
    for part in _ATTRIBUTE.finditer(listed if '"' in listed else listed.translate(_STRAIGHT)):
        if part[1]:
            attributes[part[1].lower()] = part[2] or part[3] or part[4] or ""
        else:
            words.append(part[5])
    url = _URL.search(html.unescape(inside))
    yield _Code(
        source=match[0][len(match[1]) : len(match[0]) - len(match[5])],
        name=name,
        closing=bool(match[2]),
        self_closing=self_closing,
        attributes=attributes,
        words=tuple(words),
        url=url[0] if url else None,
        damaged=match.re is _DAMAGED,
    )
    yield match[5]


def _skip(
    source: str, stop: re.Match[str], unclosed: set[str], verbatim_to: int
) -> tuple[int, int]:
    """Where to go on behind a tag, a comment, or an element whose inside is no place for shortcodes,
    and where the text that is shown as it is written ends.
    """
    name = (stop[1] or "").lower()
    mark = "-->" if stop[0] == "<!--" else f"</{name}" if name else ""
    is_within = name in _VERBATIM and stop.start() < verbatim_to
    if mark and mark not in unclosed and not is_within:
        end = source.find(mark, stop.end())
        if end == -1:
            unclosed.add(mark)
        elif name in _VERBATIM:
            verbatim_to = end
        else:
            return end + len(mark), verbatim_to
    tag = _TAG.match(source, stop.start())
    return tag.end() if tag else stop.end(), verbatim_to


def _partners(pieces: list[str | _Code]) -> dict[int, int]:
    """Which closing tag belongs to which opening one, by index, both ways."""
    waiting: dict[str, list[int]] = {}
    partners: dict[int, int] = {}
    for index, piece in enumerate(pieces):
        if isinstance(piece, str) or piece.self_closing:
            continue
        if not piece.closing:
            waiting.setdefault(piece.name.lower(), []).append(index)
        elif waiting.get(piece.name.lower()):
            opener = waiting[piece.name.lower()].pop()
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
