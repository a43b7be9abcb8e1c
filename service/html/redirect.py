"""Leading a browser on after what it has sent."""

from collections.abc import Mapping

from fastapi.responses import RedirectResponse

_SEE_OTHER = 303


def see_other(address: str, headers: Mapping[str, str] | None = None) -> RedirectResponse:
    """303: the browser fetches the address, so that a reload sends nothing again."""
    return RedirectResponse(address, _SEE_OTHER, headers)
