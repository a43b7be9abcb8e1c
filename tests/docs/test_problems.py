"""docs/problems.md: every type of problem is there once, as the catalogue has it."""

import json
import re
from pathlib import Path

from service.problems import CATALOGUE, Problem

TEXT = (Path(__file__).parents[2] / "docs" / "problems.md").read_text(encoding="utf-8")


def test_the_page_lists_the_catalogue_in_its_order() -> None:
    rows = re.findall(r"^\| `[a-z-]+` \|.*$", TEXT, re.MULTILINE)

    assert rows == [
        f"| `{slug}` | {each.status} | {each.title} | {each.remedy} |"
        for slug, each in CATALOGUE.items()
    ]


def test_the_example_is_what_is_answered() -> None:
    [block] = re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    example = json.loads(block)

    problem = Problem("invalid-request", example["detail"], errors=example["errors"])
    assert example == problem.body()
