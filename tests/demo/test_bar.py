"""The bar on top of the demo's pages: a jump leads back to the page it was made on."""

import re
from html import unescape

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from service.demo.routes import page_bar
from service.identity.return_to import checked_return_to
from service.running import Running, RunningApp
from service.settings import Settings
from tests.conftest import MovingClocks


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> FastAPI:
    """Every address is a page with nothing but the bar."""
    app = RunningApp(Running(settings, clocks), docs_url=None, redoc_url=None)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def show(request: Request) -> HTMLResponse:
        return HTMLResponse(page_bar(request))

    return app


@pytest.mark.parametrize("database_url", ["sqlite://"])
@pytest.mark.parametrize(
    ("method", "address", "back"),
    [
        ("GET", "/", "/"),
        ("GET", "/?section=News", "/?section=News"),
        ("GET", "/?section=News+%26+views&cursor=a%22b", "/?section=News+%26+views&cursor=a%22b"),
        ("GET", "/articles/caf%C3%A9", "/articles/caf%C3%A9"),
        ("GET", "//elsewhere.example", "/"),
        ("GET", "/?q=\\", "/"),
        ("GET", f"/?q={'a' * 3000}", "/"),
        ("POST", "/articles/a", "/"),
    ],
)
async def test_the_bar_leads_back(
    site: FastAPI, settings: Settings, method: str, address: str, back: str
) -> None:
    transport = httpx2.ASGITransport(app=site)
    async with httpx2.AsyncClient(transport=transport) as browser:
        page = await browser.request(method, f"http://127.0.0.1:8000{address}")
    found = re.search(r'name="back" value="([^"]*)"', page.text)
    assert found is not None
    assert unescape(found[1]) == back
    assert checked_return_to(back, settings) == back
