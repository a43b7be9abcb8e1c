"""A plan that no offer sells is a warning in the same words, however a right, a contract or an article is sent."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.reports import rows

WARNING = "No offer sells the plan prnit yet."
SENT = {
    "a right": ("PUT", "/entitlements/print/1", {"plan": "prnit", "email": "ana@example.org"}),
    "a list of rights": (
        "POST",
        "/entitlements/print/import",
        {"csv": "reference,plan,email\n1,prnit,ana@example.org\n"},
    ),
    "a contract": (
        "PUT",
        "/institutions/library",
        {"name": "Library", "plan": "prnit", "domains": ["library.example"]},
    ),
    "a list of contracts": (
        "POST",
        "/institutions/import",
        {"csv": "slug,name,plan,domains\nlibrary,Library,prnit,library.example\n"},
    ),
    "an article": (
        "PUT",
        "/articles/a",
        {
            "title": "A",
            "body": "<p>One.</p>",
            "access": {"level": "subscribers", "plans": ["prnit"]},
        },
    ),
}


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        yield made


@on_sqlite
@pytest.mark.parametrize(("method", "path", "body"), SENT.values(), ids=SENT)
async def test_a_plan_that_nothing_sells_is_a_warning(
    paywall: Paywall, method: str, path: str, body: dict[str, Any]
) -> None:
    async def warnings() -> Any:
        answer = await paywall.client.request(
            method, f"/v1/admin{path}", json=body, headers=paywall.staff
        )
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["warnings"]

    assert await warnings() == [WARNING]
    assert await warnings() == [WARNING], "sent again, it is still so"
    async with paywall.database.transaction() as session:
        session.add(rows.offer(plan="prnit"))
    assert await warnings() == []
