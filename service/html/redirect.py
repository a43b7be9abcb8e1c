"""Leading a browser on after what it has sent, or back to where it was."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import RedirectResponse

_SEE_OTHER = 303


def see_other(address: str, headers: Mapping[str, str] | None = None) -> RedirectResponse:
    """303: the browser fetches the address, so that a reload sends nothing again."""
    return RedirectResponse(address, _SEE_OTHER, headers)


def asked_address(request: Request) -> str:
    """Path and query of what was asked for."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
