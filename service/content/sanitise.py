"""What of an author's HTML may stand in our pages: an explicit list, applied by nh3.

nh3 parses as browsers do (html5ever), so what it lets through means the same to them. It runs last,
over text that is served as it leaves here. Dropped on purpose: `id` and `name` (they shadow a
page's own elements and scripts' variables), `class` and `style` (the page's design is the page's),
frames, forms and everything that loads or runs code.
"""

import nh3

_TAGS = {
    "a", "abbr", "aside", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup",
    "dd", "del", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4",
    "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp",
    "section", "small", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "time", "tr", "u", "ul", "var", "wbr",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"dir", "lang"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "blockquote": {"cite"},
    "col": {"span"},
    "colgroup": {"span"},
    "img": {"alt", "height", "src", "title", "width"},
    "li": {"value"},
    "ol": {"reversed", "start"},
    "q": {"cite"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
}
DROPPED_WITH_CONTENT = (
    "applet", "audio", "button", "canvas", "embed", "frameset", "iframe", "input", "listing",
    "math", "noembed", "noframes", "noscript", "object", "optgroup", "option", "plaintext",
    "script", "select", "style", "svg", "template", "textarea", "title", "video", "xmp",
)  # fmt: skip
"""Elements that go together with what is in them; of all others not allowed, the text stays."""

_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=set(DROPPED_WITH_CONTENT),
    attributes=_ATTRIBUTES,
    strip_comments=True,
    link_rel="noopener",
    # Relative addresses pass beside these; `mailto:`, `data:` and `javascript:` don't.
    url_schemes={"http", "https"},
)


def sanitise(html: str) -> str:
    """`html` reduced to what is allowed, balanced and without comments."""
    return _CLEANER.clean(html)
