"""Role × route for every route of the staff's API."""

import secrets
from collections.abc import Mapping

import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts

from service import app as assembly
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.identity.permissions import PERMISSIONS, ROLES
from tests.inside import Paywall
from tests.keys import create_api_key
from tests.passwords import QUICK

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEEDS: Mapping[tuple[str, str], str] = {
    ("GET", "/v1/admin/articles"): "articles:read",
    ("GET", "/v1/admin/articles/{slug}"): "articles:read",
    ("PUT", "/v1/admin/articles/{slug}"): "articles:write",
    ("DELETE", "/v1/admin/articles/{slug}"): "articles:write",
    ("POST", "/v1/admin/grants"): "subscribers:write",
    ("DELETE", "/v1/admin/grants/{grant_id}"): "subscribers:write",
    ("GET", "/v1/admin/subscribers"): "subscribers:read",
    ("GET", "/v1/admin/subscribers/{reader_id}"): "subscribers:read",
    ("POST", "/v1/admin/subscribers/{reader_id}/resync"): "subscribers:write",
    ("POST", "/v1/admin/subscribers/{reader_id}/refund"): "subscribers:write",
    ("GET", "/v1/admin/reports/summary"): "reports:read",
    ("GET", "/v1/admin/operators"): "operators:read",
    ("POST", "/v1/admin/operators"): "operators:write",
    ("PATCH", "/v1/admin/operators/{operator_id}"): "operators:write",
    ("GET", "/v1/admin/api-keys"): "keys:read",
    ("POST", "/v1/admin/api-keys"): "keys:write",
    ("DELETE", "/v1/admin/api-keys/{prefix}"): "keys:write",
    ("GET", "/v1/admin/audit"): "audit:read",
    ("GET", "/v1/admin/webhook-endpoints"): "system:read",
    ("POST", "/v1/admin/webhook-endpoints"): "system:write",
    ("PATCH", "/v1/admin/webhook-endpoints/{endpoint_id}"): "system:write",
    ("DELETE", "/v1/admin/webhook-endpoints/{endpoint_id}"): "system:write",
    ("POST", "/v1/admin/webhook-endpoints/{endpoint_id}/secret"): "system:write",
    ("POST", "/v1/admin/webhook-endpoints/{endpoint_id}/test"): "system:write",
    ("GET", "/v1/admin/webhook-endpoints/{endpoint_id}/deliveries"): "system:read",
    (
        "POST",
        "/v1/admin/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay",
    ): "system:write",
    ("GET", "/v1/admin/inbox"): "system:read",
    ("POST", "/v1/admin/inbox/replay"): "system:write",
    ("POST", "/v1/admin/inbox/{event_id}/replay"): "system:write",
    ("GET", "/v1/admin/jobs"): "system:read",
    ("POST", "/v1/admin/jobs/{job_id}/replay"): "system:write",
    ("POST", "/v1/admin/reconcile"): "system:write",
    ("GET", "/v1/admin/reconciliations"): "system:read",
}
UNKNOWN = ("/v1/admin", "/v1/admin/{unknown:path}")


async def test_the_table_is_complete(paywall: Paywall) -> None:
    found = {
        (method, route.path)
        for route in iter_route_contexts(paywall.app.routes)
        if (route.path or "").startswith("/v1/admin") and route.path not in UNKNOWN
        for method in route.methods or ()
    }
    assert found == set(NEEDS)


def address(path: str) -> str:
    path = path.replace("{slug}", "none").replace("{grant_id}", "grt_x").replace("{reader_id}", "x")
    path = path.replace("{event_id}", "evt_x").replace("{job_id}", "job_x")
    path = path.replace("{endpoint_id}", "whe_x").replace("{delivery_id}", "dlv_x")
    return path.replace("{operator_id}", "opr_x").replace("{prefix}", "0123456789")


async def assert_allowed(paywall: Paywall, permissions: frozenset[str], **headers: str) -> None:
    for (method, path), needed in NEEDS.items():
        answer = await paywall.client.request(method, address(path), headers=headers)
        if needed in permissions:
            assert answer.status_code not in {401, 403}, (method, path)
        else:
            assert answer.status_code == 403, (method, path)
            assert answer.json()["type"] == "/problems/forbidden"
            assert needed in answer.json()["detail"]
    assert (await paywall.client.get("/v1/admin/x", headers=headers)).status_code == 404


@pytest.mark.parametrize("role", [*ROLES, "unheard-of"])
async def test_operators(paywall: Paywall, role: str) -> None:
    now = paywall.clocks.wall()
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session, email=f"{secrets.token_hex(4)}@example.org", password="correct horse battery", role="viewer", now=now, passwords=QUICK
        )  # fmt: skip
        operator.role = role
        secret = await open_operator_session(session, operator, now=now, settings=paywall.settings)
    paywall.client.cookies.set(cookie_name("operator", paywall.settings), secret)
    await assert_allowed(paywall, ROLES.get(role, frozenset()))


@pytest.mark.parametrize("scope", sorted(PERMISSIONS))
async def test_api_keys(paywall: Paywall, scope: str) -> None:
    async with paywall.database.transaction() as session:
        key = await create_api_key(session, label="x", scopes=[scope], now=paywall.clocks.wall())
    granted = {scope}
    if scope.endswith(":write") and (reads := scope.replace("write", "read")) in PERMISSIONS:
        granted.add(reads)
    await assert_allowed(paywall, frozenset(granted), Authorization=f"Bearer {key}")


NO_CREDENTIALS = {
    "nothing": {},
    "an unknown key": {"Authorization": f"Bearer pwk_0123456789_{'A' * 43}"},
    "another form": {"Authorization": "Bearer pwk_x_y"},
    "basic": {"Authorization": "Basic eDp5"},
    "an empty bearer": {"Authorization": "Bearer "},
    "a session nobody opened": {"Cookie": "pw_operator=forged"},
}


@pytest.mark.parametrize("name", NO_CREDENTIALS)
async def test_nobody(paywall: Paywall, name: str) -> None:
    for method, path in NEEDS:
        answer = await paywall.client.request(method, address(path), headers=NO_CREDENTIALS[name])
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_readers_session_and_tokens_are_none(paywall: Paywall) -> None:
    await paywall.sign_in("everything")
    tokens = [await paywall.access_token(), (await paywall.unlock("a")).json()["token"]]
    for headers in ({}, *({"Authorization": f"Bearer {token}"} for token in tokens)):
        for method, path in NEEDS:
            answer = await paywall.client.request(method, address(path), headers=headers)
            assert answer.status_code == 401


async def test_a_wrong_key_isnt_saved_by_a_cookie(paywall: Paywall) -> None:
    now = paywall.clocks.wall()
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session, email=f"{secrets.token_hex(4)}@example.org", password="correct horse battery", role="admin", now=now, passwords=QUICK
        )  # fmt: skip
        secret = await open_operator_session(session, operator, now=now, settings=paywall.settings)
    paywall.client.cookies.set(cookie_name("operator", paywall.settings), secret)
    wrong = {"Authorization": "Bearer wrong"}
    assert (await paywall.client.get("/v1/admin/articles", headers=wrong)).status_code == 401


async def test_a_route_that_names_no_permission_stops_the_start(paywall: Paywall) -> None:
    app = assembly.create_app(paywall.settings, gateway=None, clocks=paywall.clocks)
    inner, router = APIRouter(), APIRouter(prefix="/v1/admin")

    @inner.get("/secrets")
    async def read_secrets() -> None:
        """It says nothing about who may call it."""

    router.include_router(inner)
    app.include_router(router)
    with pytest.raises(RuntimeError, match="/v1/admin/secrets"):
        assembly._refuse_open_routes(app)
