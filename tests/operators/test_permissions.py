"""Role × route: who sees which page, and that every route says so."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.clock import Clocks
from service.db.base import Base
from service.db.session import Database
from service.operators.routes import router
from tests.keys import create_api_key
from tests.operators.conftest import csrf_in
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]

READER = "rdr_0123456789abcdef01234567"
PAGES = [
    "/admin", f"/admin/subscribers/{READER}", "/admin/elsewhere", "/admin/account",
    "/admin/operators", "/admin/api-keys", "/admin/audit", "/admin/webhooks", "/admin/inbox",
    "/admin/jobs", "/admin/reconciliations",
]  # fmt: skip
ALLOWED: dict[str, list[int]] = {
    "viewer": [200, 200, 404, 200, 403, 403, 403, 403, 403, 403, 403],
    "editor": [200, 403, 404, 200, 403, 403, 403, 403, 403, 403, 403],
    "billing": [200, 200, 404, 200, 403, 403, 403, 200, 200, 200, 200],
    "admin": [200, 200, 404, 200, 200, 200, 200, 200, 200, 200, 200],
}
FORMS = [
    "/admin/account/password", "/admin/account/totp/start", "/admin/account/totp/confirm",
    "/admin/account/totp/off", "/admin/account/recovery-codes", "/admin/operators",
    "/admin/operators/opr_x", "/admin/api-keys", "/admin/api-keys/0123456789/revoke",
    "/admin/webhooks", "/admin/webhooks/whe_x", "/admin/webhooks/whe_x/deliveries/dlv_x/replay",
    "/admin/inbox/replay", "/admin/inbox/evt_x/replay", "/admin/jobs/job_x/replay",
    "/admin/reconciliations",
]  # fmt: skip


def a_reader() -> Base:
    return rows.reader(id=READER, email="ana@example.org")


@pytest.mark.parametrize("role", list(ALLOWED))
async def test_role_by_route(signed_in: SignedIn, store: Store, role: str) -> None:
    await store(a_reader())
    browser = await signed_in(role)
    answers = [await browser.get(page) for page in PAGES]
    assert [answer.status_code for answer in answers] == ALLOWED[role]
    for answer in answers:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "Sign out" in answer.text


@pytest.mark.parametrize("page", PAGES)
async def test_nobody_sees_anything(browser: httpx2.AsyncClient, store: Store, page: str) -> None:
    await store(a_reader())
    answer = await browser.get(page)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/admin/sign-in")
    assert not answer.text


@pytest.mark.parametrize("form", FORMS)
async def test_no_form_of_another_site_or_of_nobody_does_anything(
    signed_in: SignedIn, browser: httpx2.AsyncClient, form: str
) -> None:
    assert (await browser.post(form)).status_code == 303
    await signed_in("admin")
    for csrf in ("", "0" * 64, "ä"):
        answer = await browser.post(form, data={"csrf": csrf})
        assert answer.status_code == 403
        assert "Reload the page" in answer.text


@pytest.mark.parametrize("form", [form for form in FORMS if "account" not in form])
@pytest.mark.parametrize("role", ["viewer", "editor", "billing"])
async def test_only_administrators_send_forms_about_others(
    signed_in: SignedIn, role: str, form: str
) -> None:
    browser = await signed_in(role)
    csrf = csrf_in((await browser.get("/admin/account")).text)
    assert (await browser.post(form, data={"csrf": csrf})).status_code == 403


async def test_an_api_key_opens_no_page(
    browser: httpx2.AsyncClient, database: Database, clocks: Clocks
) -> None:
    async with database.transaction() as session:
        text = await create_api_key(
            session,
            label="newsroom",
            scopes=["subscribers:read", "reports:read"],
            now=clocks.wall(),
        )
    answer = await browser.get("/admin", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 303


async def test_an_editor_sees_figures_but_no_readers(signed_in: SignedIn, store: Store) -> None:
    reader, offer = rows.reader(email="ana@example.org"), rows.offer()
    await store(reader, offer, rows.subscription(reader, offer))
    page = (await (await signed_in("editor")).get("/admin")).text
    assert "€9.00" in page
    assert "ana@example.org" not in page
    assert "Your role shows no readers" in page


def test_every_route_declares_a_permission_or_that_it_needs_none() -> None:
    declared: dict[str, set[object]] = {}
    for route in iter_route_contexts(router.routes):
        calls = [dependency.call for dependency in route.dependant.dependencies]
        said = {getattr(call, "permission", "nothing said") for call in calls}
        declared[f"{' '.join(route.methods or ())} {route.path}"] = said - {"nothing said"}
    assert declared == {
        "GET /admin/static/admin.css": {None},
        "GET /admin/sign-in": {None},
        "POST /admin/sign-in": {None},
        "POST /admin/sign-in/code": {None},
        "POST /admin/sign-out": {None},
        "GET /admin/account": {None},
        "POST /admin/account/password": {None},
        "GET /admin/account/totp": {None},
        "POST /admin/account/totp/start": {None},
        "POST /admin/account/totp/confirm": {None},
        "POST /admin/account/totp/off": {None},
        "POST /admin/account/recovery-codes": {None},
        "GET /admin/operators": {"operators:read"},
        "POST /admin/operators": {"operators:write"},
        "POST /admin/operators/{operator_id}": {"operators:write"},
        "GET /admin/api-keys": {"keys:read"},
        "POST /admin/api-keys": {"keys:write"},
        "POST /admin/api-keys/{prefix}/revoke": {"keys:write"},
        "GET /admin/audit": {"audit:read"},
        "GET /admin/webhooks": {"system:read"},
        "GET /admin/inbox": {"system:read"},
        "POST /admin/inbox/replay": {"system:write"},
        "POST /admin/inbox/{event_id}/replay": {"system:write"},
        "GET /admin/jobs": {"system:read"},
        "POST /admin/jobs/{job_id}/replay": {"system:write"},
        "GET /admin/reconciliations": {"system:read"},
        "POST /admin/reconciliations": {"system:write"},
        "POST /admin/subscribers/{reader_id}/refund": {"subscribers:write"},
        "POST /admin/subscribers/{reader_id}/resync": {"subscribers:write"},
        "POST /admin/webhooks": {"system:write"},
        "GET /admin/webhooks/{endpoint_id}": {"system:read"},
        "POST /admin/webhooks/{endpoint_id}": {"system:write"},
        "POST /admin/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay": {"system:write"},
        "GET /admin": {"reports:read"},
        "GET /admin/subscribers/{reader_id}": {"subscribers:read"},
        "GET /admin/{unknown:path}": {"reports:read"},
    }
