"""docs/api.md shows each answer of the OpenAPI document, with each of its members and no other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from service.app import create_app
from tests.conftest import MovingClocks, settings_of

pytestmark = pytest.mark.xdist_group("answers")
PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BLOCKS = re.findall(
    r"^<!-- answer: (\w+) -->\n```json\n(.*?)^```$",
    PAGE.read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
SOMETIMES = {
    "Teaser": {"body_html"}, "IssuedToken": {"refresh_token"}, "SignedInOut": {"refresh_token"},
    "SignInOut": {"device_token"}, "UnlockOut": {"token", "token_expires_at", "device_token"},
    "WalledProblem": {"device_token"},
}  # fmt: skip
"""Members that an answer may lack."""


def refs(part: Any) -> Iterator[str]:
    """The schemas that a part of the document names."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].rpartition("/")[2]
        for each in part.values():
            yield from refs(each)
    elif isinstance(part, list):
        for each in part:
            yield from refs(each)


def exact(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every member required, and no other allowed."""
    if "properties" not in schema:
        return schema
    required = schema["properties"].keys() - SOMETIMES.get(name, set())
    return schema | {"required": sorted(required), "additionalProperties": False}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = settings_of(f"sqlite:///{tmp_path_factory.mktemp('answers')}/none.db")
    return create_app(settings, gateway=None, clocks=MovingClocks()).openapi()


@pytest.mark.parametrize(("name", "text"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_an_answer_is_shown_as_it_is_given(document: dict[str, Any], name: str, text: str) -> None:
    schemas = {
        each: exact(each, schema) for each, schema in document["components"]["schemas"].items()
    }
    asked = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    wrong = [
        f"{error.instance_path}: {error.message}"
        for error in Draft202012Validator(asked).iter_errors(json.loads(text))
    ]
    assert not wrong


def test_every_answer_is_shown(document: dict[str, Any]) -> None:
    """By itself, or as a part of one that is shown."""
    given = {
        name
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, told in operation["responses"].items()
        if status != "default"
        for name in refs(told)
    }
    shown, unread = set(), [name for name, _ in BLOCKS]
    while unread:
        name = unread.pop()
        if name not in shown:
            shown.add(name)
            unread += refs(document["components"]["schemas"][name])
    assert sorted(given - shown) == [], "docs/api.md lacks these answers: <!-- answer: NAME -->"
