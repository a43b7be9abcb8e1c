"""The import contracts leave nothing out: what claims to be pure, and what is a folder, is in them."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTRACTS: dict[str, dict[str, Any]] = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
}
PURE = frozenset(CONTRACTS["pure-core"]["source_modules"])


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted((ROOT / "service").rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        yield name, ast.parse(file.read_text(encoding="utf-8"))


def test_the_contract_has_each_module_that_claims_to_be_pure_and_no_other() -> None:
    claims = {
        name
        for name, tree in modules()
        if re.search(r"\bpure\b", ast.get_docstring(tree) or "", re.IGNORECASE)
    }

    assert claims == PURE


def test_a_pure_module_neither_reads_a_clock_nor_opens_a_file() -> None:
    """Both need no import that the contract could see: `datetime.now` and `open`."""
    found = {
        (name, called)
        for name in PURE
        for node in ast.walk(ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text("utf-8")))
        if isinstance(node, ast.Call)
        for called in [getattr(node.func, "attr", getattr(node.func, "id", ""))]
        if called in {"now", "utcnow", "today", "open", "print", "input"}
    }

    assert found == set()


def test_every_folder_has_its_order() -> None:
    folders = {
        ".".join(folder.relative_to(ROOT).parts)
        for folder in {file.parent for file in (ROOT / "service").rglob("*.py")}
        if any(file.name != "__init__.py" for file in folder.glob("*.py"))
    }
    ordered = [
        container
        for contract in CONTRACTS.values()
        if contract["type"] == "layers" and contract["exhaustive"]
        for container in contract["containers"]
    ]

    assert sorted(ordered) == sorted(folders)
