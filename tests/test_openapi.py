"""The OpenAPI document: what it says of errors, and whatever it allows is answered without a failure."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from hypothesis import HealthCheck, given
from hypothesis import settings as examples

from service.app import create_app
from tests.conftest import MovingClocks, settings_of
from tests.databases import database_of
from tests.patience import PATIENCE
from tests.running import add_routes
from tests.served import Installation, installation

pytestmark = [pytest.mark.xdist_group("openapi")]
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
SLUG = "a"
OTHERWISE = {("get /readyz", "503"), ("get /v1/checkout/return", "default")}
"""Told in another way: the state of each check, and a page for the buyer's browser."""
ENDING = ("/v1/session", "/v1/me")


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """On SQLite, with an article and a browser that has subscribed."""
    with database_of(request, "sqlite") as url:
        mailing = {"mail_from": "Gazette <hello@gazette.example.org>"}
        settings = settings_of(url).model_copy(update=mailing)
        with installation(settings, MovingClocks()) as made:
            made.publish(SLUG)
            made.subscribe()
            yield made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield f"{method} {path}", item[method]


def test_the_document_describes_errors_as_they_are_answered(site: Installation) -> None:
    document = site.browser.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    problem = document["components"]["schemas"]["Problem"]
    assert set(problem["required"]) == {"type", "title", "status", "detail"}
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for name in ("AccessOut", "UnlockOut"):
        answer = document["components"]["schemas"][name]
        assert answer["properties"]["notices"]["deprecated"], name
        assert "notices" in answer["required"], name
    for name, operation in operations(document):
        assert operation["tags"], name
        assert operation["summary"], name
        assert operation["description"], name
        errors = {status: told for status, told in operation["responses"].items() if status >= "4"}
        assert "application/problem+json" in errors["default"]["content"], name
        for status, told in errors.items():
            if (name, status) not in OTHERWISE:
                assert set(told["content"]) == {"application/problem+json"}, (name, status)


def test_the_document_is_made_once_for_all_who_ask_at_the_same_time(tmp_path: Path) -> None:
    """FastAPI's own making raises KeyError where `/docs` and `/openapi.json` are first asked for together."""
    settings = settings_of(f"sqlite:///{tmp_path / 'none.db'}")
    app, other = (
        create_app(settings, gateway=None, clocks=MovingClocks(), whole=True) for _ in range(2)
    )
    # Applications with the same routes share it: with one more it is made here.
    router = APIRouter()
    router.add_api_route("/only-here", lambda: None)
    add_routes(app, router)
    with ThreadPoolExecutor(4) as threads:
        documents = [*threads.map(lambda _: app.openapi(), range(4))]
    assert all(each is documents[0] for each in documents)
    assert "Problem" in documents[0]["components"]["schemas"]
    assert documents[0]["paths"].keys() - other.openapi()["paths"].keys() == {"/only-here"}
    assert app.openapi()["paths"] == documents[0]["paths"]


def test_whatever_the_document_allows_is_answered(site: Installation) -> None:
    """A few examples an operation as one who may, and as nobody: no 5xx, and as described."""
    import schemathesis

    document = site.browser.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=site.url)
    found: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(found) == len(list(operations(document)))
    # Signing out and erasing end what the others need.
    found.sort(key=lambda each: each.method == "delete" and each.path.startswith(ENDING))
    for operation in found:
        staff = operation.path.startswith("/v1/admin")
        if not staff:  # nobody gets no further than 401 there: tests/surface/test_roles.py
            _try(operation)
        headers = {"Authorization": f"Bearer {site.api_key}"} if staff else {}
        _try(operation, slug=SLUG, cookies=dict(site.browser.cookies), headers=headers)


def _try(operation: Any, *, slug: str | None = None, **who: dict[str, str]) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks: Any = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]

    @examples(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        if slug is not None and "slug" in case.path_parameters:
            case.path_parameters["slug"] = slug
        answer = case.call(allow_redirects=False, timeout=PATIENCE, **who)
        assert not who.get("headers") or answer.status_code not in {401, 403}
        case.validate_response(answer, checks=checks)

    check()
