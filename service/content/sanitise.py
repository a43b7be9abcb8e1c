"""What of an author's HTML may stand in our pages: an explicit list, applied by nh3.

nh3 parses as browsers do (html5ever), so what it lets through means the same to them. It runs last,
over text that is served as it leaves here. Dropped on purpose: `id` (but for those that links.py
makes) and `name` (they shadow a page's own elements and scripts' variables), `class` and `style`
(the page's design is the page's), frames, forms and everything that loads or runs code.
"""

import re
from itertools import pairwise

import nh3

TAGS = {
    "a", "abbr", "aside", "b", "bdi", "bdo", "blockquote", "br", "caption", "cite", "code", "col",
    "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure",
    "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p",
    "pre", "q", "rp", "rt", "ruby", "s", "samp", "section", "small", "strong", "sub", "summary",
    "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "u", "ul", "var", "wbr",
}  # fmt: skip
EQUIVALENTS = {
    "dir": "ul", "menu": "ul",
    **dict.fromkeys(
        ("address", "article", "center", "dialog", "fieldset", "footer", "form", "header", "legend",
         "main", "nav", "search"),
        "div",
    ),
}  # fmt: skip
"""What stands for elements that aren't allowed but say something: a block keeps words apart."""
LONGEST_VALUE = 4_000
"""Characters of an attribute that may come here; nh3's time grows with the square of some (below)."""
_PIECE = 5_000
ID_PREFIX = "text-"
URL_SCHEMES = {"http", "https", "mailto", "tel"}
_ATTRIBUTES = {
    "*": {"dir", "id", "lang"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "blockquote": {"cite"},
    "col": {"span"},
    "colgroup": {"span"},
    "img": {"alt", "height", "src", "title", "width"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "q": {"cite"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
}
DROPPED_WITH_CONTENT = (
    "applet", "audio", "canvas", "embed", "frameset", "iframe", "input", "math", "noembed", "noframes",
    "noscript", "object", "optgroup", "option", "script", "select", "style", "svg", "template",
    "textarea", "title", "video",
)  # fmt: skip
"""Elements that go together with what is in them; of all others not allowed, the text stays."""

_OWN_ID = re.compile(rf"{ID_PREFIX}\d+")


def _only_own_ids(_: str, attribute: str, value: str) -> str | None:
    return value if attribute != "id" or _OWN_ID.fullmatch(value) else None


_CLEANER = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=set(DROPPED_WITH_CONTENT),
    attributes=_ATTRIBUTES,
    attribute_filter=_only_own_ids,
    strip_comments=True,
    link_rel="noopener",
    # Relative addresses pass beside these; `data:` and `javascript:` don't.
    url_schemes=URL_SCHEMES,
)


_TEXT = re.compile(r"<!--.*?-->|<[^>]*>|(?P<text>[^<]+)", re.DOTALL)
_COSTLY = re.compile(r"&(?:[#\w]++;)?|\u00a0")


def sanitise(html: str) -> str:
    """`html` reduced to what is allowed, balanced and without comments. Serialised by lxml."""
    if html.count("&") + html.count("\u00a0") > _PIECE:
        html = _TEXT.sub(_parted, html)
    return _CLEANER.clean(html)


def _parted(found: re.Match[str]) -> str:
    """A text in pieces: for each `&` and no-break space, nh3 looks through the rest of it again.

    A comment between two pieces keeps them apart, and is dropped afterwards.
    """
    text: str | None = found["text"]
    if text is None:
        return found[0]
    ends = [each.end() for each in _COSTLY.finditer(text)][_PIECE - 1 :: _PIECE]
    return "<!---->".join(text[a:b] for a, b in pairwise([0, *ends, len(text)]))
