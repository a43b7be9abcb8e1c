"""Role × route: who sees which page, and that every route says so."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest
from fastapi.routing import APIRoute

from service.clock import Clocks
from service.db.base import Base
from service.db.session import Database
from service.identity.api_keys import create_api_key
from service.operators.routes import router
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]

READER = "rdr_0123456789abcdef01234567"
PAGES = ["/admin", f"/admin/subscribers/{READER}", "/admin/elsewhere"]
ALLOWED: dict[str, list[int]] = {
    "viewer": [200, 200, 404],
    "editor": [200, 403, 404],
    "billing": [200, 200, 404],
    "admin": [200, 200, 404],
}


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
    for route in router.routes:
        assert isinstance(route, APIRoute)
        calls = [dependency.call for dependency in route.dependant.dependencies]
        said = {getattr(call, "permission", "nothing said") for call in calls}
        declared[f"{' '.join(route.methods or ())} {route.path}"] = said - {"nothing said"}
    assert declared == {
        "GET /admin/static/admin.css": {None},
        "GET /admin/sign-in": {None},
        "POST /admin/sign-in": {None},
        "POST /admin/sign-out": {None},
        "GET /admin": {"reports:read"},
        "GET /admin/subscribers/{reader_id}": {"subscribers:read"},
        "GET /admin/{unknown:path}": {"reports:read"},
    }
