"""The notes of WordPress's footnotes block, which stand in a field of the post."""

import html
import re

from service.content.importers.stored_json import read_json

_REFERENCE = re.compile(r"<sup\b[^<>]*\bdata-fn=[\"']([\w-]+)[\"']")


def footnotes_html(stored: str, content: str) -> str:
    """The notes that `content` refers to as a list with links back; "" where there are none.

    `stored` is the field `footnotes`: JSON, a list of `{"id", "content"}`, the content HTML.
    """
    referred = dict.fromkeys(_REFERENCE.findall(content))
    notes = _notes(stored)
    items = [
        f'<li id="{html.escape(each)}">{notes[each]} <a href="#{html.escape(each)}-link">↩︎</a></li>'
        for each in referred
        if each in notes
    ]
    return f"\n\n<ol>{''.join(items)}</ol>\n\n" if items else ""


def _notes(stored: str) -> dict[str, str]:
    notes = read_json(stored)
    if not isinstance(notes, list):
        return {}
    return {
        str(note.get("id", "")): str(note.get("content", ""))
        for note in notes
        if isinstance(note, dict)
    }
