"""HEAD is answered as GET without the body at every address, and changes and counts nothing."""

from collections.abc import Iterator

import httpx2
import pytest

from service.identity.declarations import declared_routes
from tests.inside import Paywall
from tests.statements import statements
from tests.surface.everything import Everything, lay
from tests.surface.test_statements import QUERIES, sign_in

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True, scope="module"),
]
CHANGING = ("INSERT", "UPDATE", "DELETE")
OWN = {"x-request-id", "content-length", "set-cookie", "content-security-policy"}
"""What differs from one answer to the next."""


def places(paywall: Paywall, made: Everything) -> Iterator[str]:
    known = {**made.known, "unknown:path": "x"}
    for method, route in declared_routes(paywall.app.routes):
        if method == "GET" and route != "/metrics":  # it counts requests
            slug = "reasons" if "/reports/{slug}" in route else known["slug"]
            address = route.replace("{unknown:path}", "x") + QUERIES.get(route, "")
            yield address.format_map({**known, "slug": slug})


def comparable(answer: httpx2.Response) -> tuple[int, dict[str, str]]:
    return answer.status_code, {k: v for k, v in answer.headers.items() if k.lower() not in OWN}


async def test_head_is_get_without_a_body_and_changes_nothing(paywall: Paywall) -> None:
    made = Everything(await sign_in(paywall), paywall.settings)
    await lay(paywall.database, made, 1)
    bearer = {"Authorization": f"Bearer {await paywall.access_token()}"}
    await paywall.client.get("/v1/me")  # that the session is in use is noted once
    asked: dict[str, int] = {}
    for path in places(paywall, made):
        headers = paywall.staff if path.startswith("/v1/admin") else {}
        if path.endswith("/full"):
            headers = bearer
        noted = len(await paywall.ledger())
        with statements() as seen:
            head = await paywall.client.head(path, headers=headers)
        assert not [each for each in seen if each.startswith(CHANGING)], path
        assert len(await paywall.ledger()) == noted, path
        get = await paywall.client.get(path, headers=headers)
        assert head.content == b"", path
        assert comparable(head) == comparable(get), path
        asked[path] = head.status_code
    found = [path for path, status in asked.items() if status in {200, 303, 307}]
    assert len(found) > 140


async def test_head_is_refused_as_get_is(paywall: Paywall) -> None:
    assert (await paywall.client.head("/v1/admin/offers")).status_code == 401
    nowhere = await paywall.client.head("/v1/admin/offers/x/y/z", headers=paywall.staff)
    assert (nowhere.status_code, nowhere.content) == (404, b"")
    no_get = await paywall.client.head("/v1/checkout")
    assert (no_get.status_code, no_get.headers["Allow"]) == (405, "POST")
