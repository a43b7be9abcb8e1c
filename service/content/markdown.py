"""Markdown as newsrooms write it, made into HTML: CommonMark with tables, struck-out text, and
emphasis that works in writing without spaces. Pure.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

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


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": True})
    reader.inline = _Inline()
    return reader.configure("commonmark", {"html": True}).enable(["table", "strikethrough"])


_READER = _reader()


def markdown_html(source: str) -> str:
    """Unsanitised HTML of the source, whose own HTML stays."""
    return str(_READER.render(source))
