"""docs/glossary.md: each term once, with a definition, and at the place in the code that it names."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| term |")
]


def names_in(file: Path) -> set[str]:
    """What a module defines at its top."""
    names: set[str] = set()
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(statement.name)
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_each_term_is_defined_once() -> None:
    terms = [row[0] for row in ROWS]

    assert len(terms) > 40
    assert len(set(terms)) == len(terms)
    assert all(len(row) == 4 and all(row) and row[1].endswith(".") for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_term_is_where_it_says(row: list[str]) -> None:
    found = re.fullmatch(r"`(service/[\w/]+\.py)` `(\w+)`", row[3])

    assert found
    assert found.group(2) in names_in(ROOT / found.group(1))
