"""Whatever goes wrong below /admin and /account, a browser gets a page, and what was typed isn't lost."""

import re
from collections.abc import AsyncIterator

import pytest
from fastapi.routing import iter_route_contexts

from service.boundary import SMALL_BODY
from service.db.session import Database
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.operators.conftest import csrf_in
from tests.operators.test_articles import text_of
from tests.passwords import QUICK

pytestmark = on_sqlite
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LARGE = {"name": "x" * SMALL_BODY}


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """The whole application; its client is an administrator's browser."""
    async with inside(database, settings, clocks) as made:
        async with database.transaction() as session:
            now = clocks.wall()
            someone = await create_operator(
                session, email="admin@example.org", password="correct horse battery", role="admin",
                now=now, passwords=QUICK,
            )  # fmt: skip
            secret = await open_operator_session(session, someone, now=now, settings=settings)
        made.client.cookies.set(cookie_name("operator", settings), secret, domain="127.0.0.1")
        made.client.headers.update(BROWSER)
        yield made


def pages_with_forms(paywall: Paywall) -> list[str]:
    """The addresses to which a browser sends forms, with anything in the place of ids."""
    return sorted(
        {
            re.sub(r"\{[^}]+\}", "x", route.path or "")
            for route in iter_route_contexts(paywall.app.routes)
            if "POST" in (route.methods or ()) and not (route.path or "").startswith("/v1/")
        }
    )


async def test_what_is_too_large_is_a_page_at_every_form(paywall: Paywall) -> None:
    found = pages_with_forms(paywall)
    assert len(found) > 60
    for address in found:
        larger = LARGE if "import" not in address else {"name": "x" * 9_000_000}
        answer = await paywall.client.post(address, data=larger)
        assert answer.status_code == 413, address
        assert answer.headers["content-type"] == "text/html; charset=utf-8", address
        assert "KiB" in answer.text or "too large" in answer.text, address
    program = await paywall.client.post(
        "/admin/offers/new", data=LARGE, headers={"Accept": "application/json"}
    )
    assert program.headers["content-type"] == "application/problem+json"


async def test_an_expired_form_shows_what_was_typed(paywall: Paywall) -> None:
    typed = {"name": "Abo <b>", "domains": "a.example\nb.example", "csrf": "0" * 64, "seen": "none"}
    answer = await paywall.client.post("/admin/institutions", data=typed)
    assert answer.status_code == 403
    told = text_of(answer.text)
    assert "What you entered" in told
    assert "Name Abo <b>" in told
    assert "b.example" in told
    assert "0000" not in told
    secret = {"email": "a@example.org", "password": "my own secret", "csrf": "x"}
    answer = await paywall.client.post("/admin/operators", data=secret)
    assert "a@example.org" in answer.text
    assert "my own secret" not in answer.text


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/admin/nothing", 404), ("POST", "/admin/nothing", 405),
        ("DELETE", "/admin/offers", 405), ("GET", "/admin/offers/off_none", 404),
        ("GET", "/admin/offers?cursor=x", 422), ("GET", "/admin/audit?limit=x", 422),
        ("POST", "/account/nothing", 404), ("GET", "/account/nothing", 404),
        ("PUT", "/account/sign-in", 405),
    ],
)  # fmt: skip
async def test_a_wrong_turn_is_a_page(
    paywall: Paywall, method: str, address: str, status: int
) -> None:
    answer = await paywall.client.request(method, address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1" in answer.text


async def test_a_refused_form_shows_what_was_typed(paywall: Paywall) -> None:
    csrf = csrf_in((await paywall.client.get("/admin/account")).text)
    typed = {"name": "Every month", "position": "-1", "change": "change", "csrf": csrf}
    answer = await paywall.client.post("/admin/offers/off_none", data=typed)
    assert (answer.status_code, "Name shown to readers Every month" in text_of(answer.text)) == (
        422,
        True,
    )
