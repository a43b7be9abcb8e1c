"""The recipes of docs/set-ups.md as they are there, with the addresses of a test filled in."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "set-ups.md"


def recipe(title: str, places: dict[str, str]) -> str:
    """The code block whose first line names `title`; each of `places` must occur in it."""
    blocks = re.findall(
        r"^```\w+\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (text,) = (block for block in blocks if re.match(rf"\W+{re.escape(title)}\b", block))
    for example, place in places.items():
        assert example in text, example
        text = text.replace(example, place)
    return str(text)
