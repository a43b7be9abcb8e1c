"""A whole number in a body is written as one: `true`, "3" and 3.0 are refused, in each call that takes any."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from service.bodies import Body
from service.checkout.schemas import CheckoutIn
from service.db.session import Database
from service.operators.offers.schemas import OfferIn
from service.operators.subscribers.api import RefundIn
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

pytestmark = on_sqlite
_EACH = "[]"
_SELLING: dict[str, type[Body]] = {
    "/v1/checkout": CheckoutIn,
    "/v1/admin/offers": OfferIn,
    "/v1/admin/subscribers/{reader_id}/refund": RefundIn,
}
"""What asks for Stripe before it looks at the body."""


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as site:
        yield site


def numbers(
    schema: dict[str, Any], known: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The paths of whole numbers in a body of this schema."""
    if "$ref" in schema:
        yield from numbers(known[schema["$ref"].split("/")[-1]], known, path)
    if schema.get("type") == "integer":
        yield path
    for each in schema.get("anyOf", ()):
        yield from numbers(each, known, path)
    for name, each in schema.get("properties", {}).items():
        yield from numbers(each, known, (*path, name))
    if "items" in schema:
        yield from numbers(schema["items"], known, (*path, _EACH))


def body_with(path: tuple[str, ...], value: Any) -> Any:
    """The smallest document with this value at this path."""
    if not path:
        return value
    first, *rest = path
    inner = body_with(tuple(rest), value)
    return [inner] if first == _EACH else {first: inner}


def _refuse(body: type[Body], path: tuple[str, ...], value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        body.model_validate(body_with(path, value))
    found = {each["loc"]: each["type"] for each in refused.value.errors()}
    assert found.get(path) == "int_type", (body, path, value)


async def test_only_a_whole_number_is_taken_for_one(paywall: Paywall) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    known, asked = document["components"]["schemas"], 0
    for address, methods in document["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {}).get("application/json")
            for path in numbers(body["schema"], known) if body else ():
                for wrong in (True, "3", 3.0):
                    answer = await paywall.client.request(
                        method, address.format_map(_Any()), json=body_with(path, wrong), headers=paywall.staff if "/admin/" in address else None,
                    )  # fmt: skip
                    if answer.status_code == 503:  # nothing is sold here
                        _refuse(_SELLING[address], path, wrong)
                        asked += 1
                        continue
                    told = f"{method} {address} {'.'.join(path)} {wrong!r}: {answer.text}"
                    assert answer.status_code == 422, told
                    field = ".".join("0" if each == _EACH else each for each in path)
                    refused = {each["field"]: each["message"] for each in answer.json()["errors"]}
                    assert (
                        refused.get(f"body.{field}", refused.get(field))
                        == "Input should be a valid integer"
                    ), told
                    asked += 1
    assert asked > 100


class _Any(dict[str, str]):
    """For each part of an address one that it may have."""

    def __missing__(self, name: str) -> str:
        return "x"
