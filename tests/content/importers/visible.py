"""The words that a reader sees, read from HTML by other means than the product's."""

import html
import re

_UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(
    r"</?(?:p|div|br|li|[uod]l|t[dhr]|table|h\d|blockquote|pre|d[dt]|fig\w+|hr|address)\b[^<>]*>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(?=/?[a-zA-Z])[^<>]*>")


def visible_words(source: str) -> list[str]:
    """The words of HTML in their order; soft hyphens are none."""
    text = _TAG.sub("", _BLOCK.sub(" ", _UNSEEN.sub(" ", source)))
    return html.unescape(text).replace("\xad", "").split()
