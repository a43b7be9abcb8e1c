"""Addresses that nothing answers: a page leads people on, programs get the problem."""

from collections.abc import AsyncIterator

import pytest

from service.db.session import Database
from service.problems import MEDIA_TYPE, prefers_html
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        yield made


@on_sqlite
async def test_a_browser_gets_a_page_that_leads_on(paywall: Paywall) -> None:
    headers = {"Accept": BROWSER}
    for path in ("/nowhere", "/v1nowhere", "/a/b%3Cscript%3E/", "/articles/a/b"):
        answer = await paywall.client.get(path, headers=headers)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "Not found" in answer.text
        assert '<a class="button primary" href="/">Go to the front page</a>' in answer.text
    head = await paywall.client.head("/nowhere", headers=headers)
    assert (head.status_code, head.content) == (404, b"")
    assert head.headers["Content-Type"].startswith("text/html")


@on_sqlite
@pytest.mark.parametrize("path", ["/subscribe", "/account/sign-in/request", "/account/sign-out"])
async def test_the_address_of_a_form_leads_on_too(paywall: Paywall, path: str) -> None:
    answer = await paywall.client.get(path, headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "This page can’t be opened directly" in answer.text


@on_sqlite
async def test_programs_get_the_problem(paywall: Paywall) -> None:
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5", ""):
        answer = await paywall.client.get("/nowhere", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, MEDIA_TYPE)
        assert answer.json()["type"] == "/problems/not-found"
    for path in ("/v1", "/v1/nowhere", "/.well-known/nowhere", "/healthz/", "/metrics/x"):
        answer = await paywall.client.get(path, headers={"Accept": BROWSER})
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, MEDIA_TYPE)
    posted = await paywall.client.post("/nowhere", headers={"Accept": BROWSER})
    assert (posted.status_code, posted.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("accept", "is_browser"),
    [
        (BROWSER, True),
        ("TEXT/HTML", True),
        ("text/*, application/json;q=0.9", True),
        ("text/html;level=1;q=0.4, application/json; q=0.3", True),
        ("text/html, application/problem+json", False),
        ("text/html;q=much", False),
        ("text/html;q=nan", False),
        ("*/*;q=0.1", False),
        (";,;q=1", False),
    ],
)
def test_who_prefers_a_page(accept: str, *, is_browser: bool) -> None:
    assert prefers_html(accept) is is_browser
