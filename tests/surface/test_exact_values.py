"""In each call that takes any: a whole number is written as one, so `true`, "3" and 3.0 are refused, and an
instant from which a time zone or a schedule would lead out of the calendar is refused, too.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from service.bodies import Body
from service.checkout.schemas import CheckoutIn
from service.checkout.seat_schemas import NextNumberIn
from service.db.session import Database
from service.operators.offers.schemas import OfferIn
from service.operators.subscribers.api import RefundIn
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

pytestmark = on_sqlite
_EACH = "[]"
_EDGES = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
)
_NUMBER, _INSTANT = {"type": "integer"}, {"type": "string", "format": "date-time"}
_SELLING: dict[str, type[Body]] = {
    "/v1/checkout": CheckoutIn,
    "/v1/me/seats": NextNumberIn,
    "/v1/admin/offers": OfferIn,
    "/v1/admin/subscribers/{reader_id}/refund": RefundIn,
}
"""What asks for Stripe, or for who it is, before it looks at the body."""


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as site:
        yield site


def paths_to(
    kind: dict[str, str],
    schema: dict[str, Any],
    known: dict[str, Any],
    path: tuple[str, ...] = (),
) -> Iterator[tuple[str, ...]]:
    """Where a body of this schema has values of the kind."""
    if "$ref" in schema:
        yield from paths_to(kind, known[schema["$ref"].split("/")[-1]], known, path)
    if kind.items() <= schema.items():
        yield path
    for each in schema.get("anyOf", ()):
        yield from paths_to(kind, each, known, path)
    for name, each in schema.get("properties", {}).items():
        yield from paths_to(kind, each, known, (*path, name))
    if "items" in schema:
        yield from paths_to(kind, schema["items"], known, (*path, _EACH))


def body_with(path: tuple[str, ...], value: Any) -> Any:
    """The smallest document with this value at this path."""
    if not path:
        return value
    first, *rest = path
    inner = body_with(tuple(rest), value)
    return [inner] if first == _EACH else {first: inner}


def _refuse(body: type[Body], path: tuple[str, ...], value: Any, error: str) -> None:
    with pytest.raises(ValidationError) as refused:
        body.model_validate(body_with(path, value))
    found = {each["loc"]: each["type"] for each in refused.value.errors()}
    assert found.get(path) == error, (body, path, value)


async def test_only_a_whole_number_is_taken_for_one(paywall: Paywall) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    known, asked = document["components"]["schemas"], 0
    for address, methods in document["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {}).get("application/json")
            for path in paths_to(_NUMBER, body["schema"], known) if body else ():
                for wrong in (True, "3", 3.0):
                    answer = await paywall.client.request(
                        method, address.format_map(_Any()), json=body_with(path, wrong), headers=paywall.staff if "/admin/" in address else None,
                    )  # fmt: skip
                    if answer.status_code in {401, 503}:  # nobody is signed in, and nothing is sold
                        _refuse(_SELLING[address], path, wrong, "int_type")
                        asked += 1
                        continue
                    told = f"{method} {address} {'.'.join(path)} {wrong!r}: {answer.text}"
                    assert answer.status_code == 422, told
                    field = ".".join("0" if each == _EACH else each for each in path)
                    refused = {each["field"]: each["message"] for each in answer.json()["errors"]}
                    assert (
                        refused.get(f"body.{field}", refused.get(field))
                        == "It isn't a whole number. Send one without a fraction and without quotation marks, such as 3."
                    ), told
                    asked += 1
    assert asked > 100


async def test_no_instant_at_the_edges_of_the_calendar_is_taken(paywall: Paywall) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    known, asked = document["components"]["schemas"], set()
    for address, methods in document["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {}).get("application/json")
            for path in paths_to(_INSTANT, body["schema"], known) if body else ():
                asked.add(path[-1])
                for edge in _EDGES:
                    if address in _SELLING:
                        _refuse(_SELLING[address], path, edge, "value_error")
                    else:
                        sent = {"json": body_with(path, edge)}
                        await _refused_at(paywall, method, address, path, sent)
            for each in call.get("parameters", ()):
                if each["in"] == "query" and any(paths_to(_INSTANT, each["schema"], known)):
                    asked.add(each["name"])
                    for edge in _EDGES:
                        sent = {"params": {each["name"]: edge}}
                        await _refused_at(paywall, method, address, (each["name"],), sent)
    names = {"published_at", "updated_at", "starts_at", "ends_at", "send_at", "at"}
    assert asked == names


async def _refused_at(
    paywall: Paywall, method: str, address: str, path: tuple[str, ...], sent: dict[str, Any]
) -> None:
    answer = await paywall.client.request(
        method, address.format_map(_Any()), headers=paywall.staff, **sent
    )
    assert answer.status_code == 422, (address, path, answer.text)
    field = ".".join("0" if each == _EACH else each for each in path)
    told = {each["field"]: each["message"] for each in answer.json()["errors"]}
    assert "years 1000 to 9000" in told.get(f"body.{field}", told.get(f"query.{field}", "")), told


async def test_what_is_wrong_with_a_value_is_said_with_what_to_do(paywall: Paywall) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    asked = 0
    for address, methods in document["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {}).get("application/json")
            query = {
                each["name"]: "\x00" for each in call.get("parameters", ()) if each["in"] == "query"
            }
            if not body and not query:
                continue
            answer = await paywall.client.request(
                method, address.format_map(_Any()), params=query, json={"no_such_field": 1} if body else None,
                headers=paywall.staff if "/admin/" in address else None,
            )  # fmt: skip
            if answer.status_code != 422 or "errors" not in answer.json():
                continue
            for each in answer.json()["errors"]:
                is_raw = any(
                    word in each["message"] for word in ("Input", "Field required", "Extra")
                )
                assert not is_raw, (method, address, each)
                if each["field"].endswith("no_such_field"):
                    asked += 1
                    assert each["message"].startswith(
                        "There is no field of this name here. Omit it"
                    )
    assert asked > 20


class _Any(dict[str, str]):
    """For each part of an address one that it may have."""

    def __missing__(self, name: str) -> str:
        return "x"
