"""docs/security.md: each promise names the tests that hold it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NO_PROMISES = {"Report a weakness", "Times"}
NAMED = re.compile(r"`(tests/[\w/]+\.py)`")


def promises() -> list[str]:
    """The list items, and of sections without a list the whole text."""
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        items = re.findall(r"^- .*(?:\n  .*)*", text, flags=re.MULTILINE)
        found += [] if title in NO_PROMISES else items or [text]
    return found


def test_each_promise_names_its_tests() -> None:
    assert len(promises()) > 25
    assert [each for each in promises() if not NAMED.search(each)] == []


def test_the_tests_are_there() -> None:
    assert [path for path in NAMED.findall(PAGE) if not (ROOT / path).exists()] == []
