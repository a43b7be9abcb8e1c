"""What an application holds while it runs is one typed object, and there is nothing beside it."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx2
import pytest
from fastapi import Depends

from service.running import PartMissing, Running, RunningApp, part
from tests.running import exchange

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Printer:
    name: str


@dataclass(frozen=True)
class Rotary(Printer):
    """A printer of a special kind, found as a printer as well."""


class Paper: ...


def test_a_part_is_found_by_its_class_and_by_what_it_derives_from() -> None:
    rotary, paper = Rotary("Lino"), Paper()
    running = Running(rotary, paper)
    assert running.get(Rotary) is running.get(Printer) is rotary
    assert running.get(Paper) is paper


def test_a_missing_part_is_named() -> None:
    with pytest.raises(PartMissing, match=r"without Paper\."):
        Running(Printer("Lino")).get(Paper)


def test_two_of_one_class_are_refused_and_two_of_one_base_answer_to_neither() -> None:
    with pytest.raises(ValueError, match="several parts of the class Printer"):
        Running(Printer("Lino"), Printer("Mono"))
    with pytest.raises(PartMissing, match="without object"):
        Running(Printer("Lino"), Paper()).get(object)


async def test_a_route_gets_the_part_of_the_application_that_answers() -> None:
    apps = [RunningApp(Running(Printer(name))) for name in ("Lino", "Mono")]

    async def read(printer: Annotated[Printer, Depends(part(Printer))]) -> str:
        return printer.name

    said = []
    for app in apps:
        app.add_api_route("/", read)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://press") as client:
            said.append((await client.get("/")).json())
            exchange(app, Printer("Rotary"))
            said.append((await client.get("/")).json())
    assert said == ["Lino", "Rotary", "Mono", "Rotary"]


@pytest.mark.parametrize("folder", ["service", "tests"])
def test_nothing_is_put_into_the_frameworks_untyped_state(folder: str) -> None:
    untyped = re.compile(r"\bapp\s*\.\s*state\b")
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if untyped.search(line)
    ]
    assert found == []


COLLABORATORS, MOST = {"database", "gateway", "settings", "clocks"}, 2
ASSEMBLY = {"create_app"}
"""Makes the application out of them."""


def test_nothing_carries_three_collaborators_one_by_one() -> None:
    found = []
    for file in sorted((ROOT / "service").rglob("*.py")):
        text = file.read_text()
        if "simulator" in file.parts or sum(each in text for each in COLLABORATORS) <= MOST:
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            names = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
            if len(names & COLLABORATORS) > MOST and node.name not in ASSEMBLY:
                found.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert found == []
