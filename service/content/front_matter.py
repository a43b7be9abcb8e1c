"""What static site generators keep in front of a text: YAML, TOML or JSON about it. Pure."""

import re

_BLANK = re.compile(r"\ufeff?(?:[ \t]*\r?\n)*")
_FENCED = re.compile(
    r"(?P<fence>---|\+\+\+)[ \t]*\r?\n(?P<inside>.*?)^(?:(?P=fence)|\.\.\.)[ \t]*(?:\r?\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_JSON = re.compile(
    r"\{[ \t]*\r?\n[ \t]*\"[\w-]+\"[ \t]*:.*?^\}[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
# A field, an entry of a list, what belongs to the line before by its indent, a comment, a table.
_LINE = re.compile(
    r"[\"']?[\w][\w .-]*[\"']?[ \t]*[:=](?:[ \t].*|\r?)|-[ \t].*|[ \t]+\S.*|#.*|\[.*\]\s*|[\]}],?\s*"
)


def without_front_matter(body: str) -> str:
    """The body behind its front matter, which holds an editor's notes and must never be public.

    Between two rules, text that isn't fields throughout is text.
    """
    start = _BLANK.match(body)
    text = body[start.end() :] if start else body
    fenced = _FENCED.match(text)
    if fenced is not None and _is_data(fenced["inside"]):
        return text[fenced.end() :]
    json = _JSON.match(text)
    return text[json.end() :] if json is not None else body


def _is_data(inside: str) -> bool:
    return all(_LINE.fullmatch(line) for line in inside.splitlines() if line.strip())
