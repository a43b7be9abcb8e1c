"""Markdown as newsrooms write it, made into HTML: CommonMark with tables, struck-out text, footnotes,
and emphasis that works in writing without spaces. Pure.
"""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType
from mdit_py_plugins.footnote import footnote_plugin

from service.content.blocks import BodyRefused

MAX_NOTE_SIGNS = 5000

_UNSPACED = re.compile(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]")


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803 markdown-it's names
        """CommonMark's rule, but that a character of unspaced writing beside the sign is like a space.

        By the rule itself, `**「…」**です` isn't strong, since a bracket stands inside and no space
        outside (github.com/commonmark/commonmark-spec/issues/650).
        """
        scanned = super().scanDelims(start, canSplitWord)
        end = start + scanned.length
        before = self.src[start - 1] if start else " "
        behind = self.src[end] if end < self.posMax else " "
        return Scanned(
            scanned.can_open or (_is_unspaced(before) and not behind.isspace()),
            scanned.can_close or (_is_unspaced(behind) and not before.isspace()),
            scanned.length,
        )


class _Inline(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def _is_unspaced(character: str) -> bool:
    return bool(_UNSPACED.match(character))


def _keep_notes(state: StateCore) -> None:
    """Give each note that no sign refers to its place after the others, where it would be lost."""
    notes = state.env.get("footnotes", {})
    listed: dict[int, dict[str, Any]] = notes.setdefault("list", {})
    if sum(note["count"] for note in listed.values()) > MAX_NOTE_SIGNS:
        raise BodyRefused(f"it has more than {MAX_NOTE_SIGNS} references to footnotes")
    for label, number in notes.get("refs", {}).items():
        if number < 0:
            listed[len(listed)] = {"label": label.removeprefix(":"), "count": 0}


def _comment(state: StateInline, silent: bool) -> bool:
    """An inline comment that ends as browsers end it: markdown-it's own rule refuses `--->`."""
    begins = state.src.startswith("<!--", state.pos)
    if not begins or state.src.startswith(("<!-->", "<!--->"), state.pos):
        return False
    behind = state.pos + len("<!--")
    if state.html_terminator_last("-->") < behind:
        return False
    end = state.src.find("-->", behind, state.posMax)
    if end == -1:
        return False
    end += len("-->")
    if not silent:
        state.push("html_inline", "", 0).content = state.src[state.pos : end]
    state.pos = end
    return True


def _sign(_: RendererHTML, tokens: Sequence[Token], place: int, *__: object) -> str:
    """The same number at each sign of a note."""
    return f"[{tokens[place].meta['id'] + 1}]"


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": True})
    reader.inline = _Inline()
    reader.configure("commonmark", {"html": True}).enable(["table", "strikethrough"])
    reader.use(footnote_plugin, inline=False)
    reader.inline.ruler.before("html_inline", "comment", _comment)
    reader.core.ruler.before("footnote_tail", "keep_notes", _keep_notes)
    reader.add_render_rule("footnote_caption", _sign)
    return reader


_READER = _reader()


def markdown_html(source: str) -> str:
    """Unsanitised HTML of the source, whose own HTML stays. Raises BodyRefused for too many notes."""
    return str(_READER.render(source))
