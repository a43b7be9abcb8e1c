"""What programs of the release before rely on in `/v1` is there as it was."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.inside import Paywall
from tests.surface.contract import KEPT, broken, contract_of

pytestmark = pytest.mark.parametrize(
    "module_database_url", ["sqlite"], indirect=True, scope="module"
)
ARTICLE = {
    "type": "object",
    "required": ["slug"],
    "properties": {
        "slug": {"type": "string"},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
    },
}
PART = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
}
DOCUMENT = {
    "paths": {
        "/v1/articles": {
            "put": {
                "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Article"}}}},
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Article"}}}},
                    "204": {},
                },
            }
        }
    },
    "components": {"schemas": {"Article": ARTICLE, "Part": PART}},
}  # fmt: skip
Change = Callable[[dict[str, Any]], object]


def put(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/v1/articles"]["put"]
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def split(document: dict[str, Any]) -> None:
    """As the framework does where what is sent and what is answered have other defaults."""
    schemas = document["components"]["schemas"]
    article = schemas.pop("Article")
    for name in ("Article-Input", "Article-Output"):
        schemas[name] = deepcopy(article)
    sent, given = (
        put(document)["requestBody"]["content"],
        put(document)["responses"]["200"]["content"],
    )
    for content, name in ((sent, "Article-Input"), (given, "Article-Output")):
        content["application/json"]["schema"]["$ref"] = f"#/components/schemas/{name}"
    schemas["Article-Output"]["required"].append("parts")


BREACHES: list[tuple[Change, list[str]]] = [
    (lambda d: d["paths"].clear(), ["gone"]),
    (lambda d: put(d)["responses"].pop("204"), ["204 gone"]),
    (lambda d: put(d)["parameters"].pop(), ["query limit gone"]),
    (lambda d: put(d)["parameters"][0].update(required=True), ["query limit is required"]),
    (lambda d: put(d)["parameters"][0].update(schema={"type": "string"}), ["query limit isn't taken as integer"]),
    (lambda d: put(d)["requestBody"].update(required=True), ["a body is required"]),
    (
        lambda d: schema(d, "Part")["properties"].pop("text"),
        ["application/json.parts[].text isn't taken", "200.parts[].text gone"],
    ),
    (
        lambda d: schema(d, "Article")["required"].append("parts"),
        ["application/json.parts is required"],
    ),
    (lambda d: schema(d, "Article")["required"].clear(), ["200.slug may be absent"]),
    (
        lambda d: schema(d, "Article")["properties"]["slug"].update(type="integer"),
        ["application/json.slug isn't taken as string", "200.slug may be integer"],
    ),
]  # fmt: skip
ADDITIONS: list[Change] = [
    split,
    lambda d: d["paths"].update({"/v1/offers": d["paths"]["/v1/articles"]}),
    lambda d: put(d)["responses"].update({"409": {}}),
    lambda d: put(d)["parameters"].append({"in": "query", "name": "q", "schema": {"type": "string"}}),
    lambda d: schema(d, "Part")["properties"].update(more={"type": "object", "required": ["a"], "properties": {"a": {}}}),
    lambda d: put(d)["parameters"][0].update(schema={"type": "number"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), BREACHES)
def test_what_breaks_a_program_is_named(change: Change, told: list[str]) -> None:
    new = deepcopy(DOCUMENT)
    change(new)
    assert list(broken(contract_of(DOCUMENT), contract_of(new))) == [
        f"PUT /v1/articles: {each}" for each in told
    ]


@pytest.mark.parametrize("change", ADDITIONS)
def test_what_is_added_breaks_nothing(change: Change) -> None:
    new = deepcopy(DOCUMENT)
    change(new)
    assert not list(broken(contract_of(DOCUMENT), contract_of(new)))


@pytest.mark.asyncio(loop_scope="module")
async def test_the_contract_of_the_release_before_holds(paywall: Paywall) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    assert not list(broken(json.loads(KEPT.read_text()), contract_of(document)))
