"""A post's excerpt as plain words: no captions, no shortcodes, nothing behind a wall."""

import re

from service.content.importers.block_marks import resolve
from service.content.importers.found import Found
from service.content.importers.markup import public_text
from service.content.importers.shortcodes import expand

_CAPTION = re.compile(
    r"\[((?:wp_)?caption)\b[^\[\]]*\](?:(?!\[/?(?:wp_)?caption\b).)*+\[/\1\]", re.DOTALL
)
_READ_ON = re.compile(r"\s*(?:\[\s*(?:…|\.\.\.)\s*\])+$")


def excerpt_text(source: str) -> str:
    """The words of an excerpt; the "[…]" that WordPress puts at its end is left out."""
    resolved = resolve(_CAPTION.sub(" ", source), Found(), {})
    expanded = expand(resolved, lambda _: "", Found())
    return _READ_ON.sub("", public_text(expanded))
