"""A page that says one thing and leads on: for addresses that belong to no site of their own.

Its few lines of style are in the page, allowed by their hash, so it depends on no other route.
"""

import base64
import hashlib
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from service.html.pages import render

_STYLE = (Path(__file__).parent / "templates" / "message.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def message_page(
    request: Request, *, status_code: int, title: str, text: str, link: str, link_text: str
) -> HTMLResponse:
    """The page. `link` is a checked address: nothing here looks at where it leads."""
    answer = render(
        request,
        "html/templates/message.html",
        status_code=status_code,
        title=title,
        text=text,
        link=link,
        link_text=link_text,
        style=Markup(_STYLE),  # noqa: S704 our own file
    )
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer
