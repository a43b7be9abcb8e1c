"""On phones a cell names its column itself: by the words of the table's head."""

import re
from pathlib import Path

from service import operators

TEMPLATES = Path(operators.__file__).parent / "templates"
_HEAD = re.compile(r"parts\.head\((.*?)\)\s*\}\}", re.DOTALL)
_LABEL = re.compile(r'data-label="([^"]*)"')


def differences(template: str) -> set[str]:
    """Labels that the page's heads don't have, and columns that no cell names: page by page, for macros make cells."""
    heads = {name for head in _HEAD.findall(template) for name in re.findall(r'"([^"]*)"', head)}
    labels = set(_LABEL.findall(template))
    written = {each for each in labels if "{" not in each}
    # A label that is made in a loop may be any column.
    return written - heads if written != labels else written ^ heads


def test_each_cell_is_labelled_with_the_head_of_its_column() -> None:
    pages = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.html")}
    assert sum(bool(_LABEL.search(each)) for each in pages.values()) > 20
    assert {name: found for name, each in pages.items() if (found := differences(each))} == {}
