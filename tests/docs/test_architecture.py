"""docs/architecture.md is a map of the code as it is: its ranks, its files, its short ways."""

import ast
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:service|tests|alembic|docs|pyproject)[\w./]*)`", TEXT)))


def defined_in(file: str) -> set[str]:
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return {
        statement.name
        for statement in body
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_the_ranks_are_those_of_the_contract() -> None:
    [fenced] = re.findall(r"^```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [ranks] = [
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["id"] == "ranks"
    ]

    assert fenced.splitlines() == [re.sub(r"[()]", "", layer) for layer in ranks]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_page_names_every_folder_of_the_service() -> None:
    folders = {
        f"service/{each.name}/" for each in (ROOT / "service").iterdir() if list(each.glob("*.py"))
    }

    assert folders <= set(PATHS)


def test_the_functions_it_links_to_are_in_their_files() -> None:
    linked = re.findall(r"\[`(\w+)` in `([\w./]+)`\]", TEXT)

    assert ("decide", "service/access/decision.py") in linked
    assert all(name in defined_in(file) for name, file in linked)


def test_each_step_from_a_stripe_event_to_the_grant_imports_the_next() -> None:
    """So that a reader who follows the page goes from file to file, four hops in all."""
    section = TEXT.split("## One Stripe event to its grant")[1].split("\n## ")[0]
    steps = re.findall(r"\]\(\.\./([\w./]+)\)", section)

    assert len(steps) == 4
    # The inbox is between the first two: a row and a job, so nothing is imported there.
    for here, following in pairwise(steps[1:]):
        module = following.removesuffix(".py").replace("/", ".")
        assert f"from {module} import" in (ROOT / here).read_text(encoding="utf-8")
