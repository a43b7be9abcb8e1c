"""The leak check with a browser: what a page's scripts bring is looked at too."""

import asyncio
import subprocess
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from service.leakcheck.browser import rendered
from tests.ports import free_port
from tests.served import serving

_FINDER = Path(__file__).parents[2] / "requirements" / "chromium.sh"
PAGE = "<p id=text>Wait</p><script>fetch('/data').then(r => r.text()).then(t => { text.innerText = t })</script>"


def test_what_a_script_brings_is_seen(tmp_path: Path) -> None:
    found = subprocess.run(["sh", _FINDER], capture_output=True, text=True, check=True)
    app = Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(PAGE)),
            Route("/data", lambda _: PlainTextResponse("the paid words")),
        ]
    )
    with serving(app, free_port()) as origin:
        text = asyncio.run(rendered(found.stdout.strip(), origin, tmp_path))
    assert text is not None
    assert b"the paid words" in text


async def test_a_browser_that_is_not_there_gives_no_page(tmp_path: Path) -> None:
    assert await rendered("/nowhere/chromium", "http://127.0.0.1:9/", tmp_path) is None
