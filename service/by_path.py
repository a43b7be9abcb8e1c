"""The search for a request's route: only routes whose path begins as the request's does are tried.

The framework tries all of them one after the other, which is a sixth of what a page of the back office costs.
"""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette._utils import get_route_path
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

_Beginning = tuple[str, ...]
"""Of a path: its first segments; of a route as many of them as are fixed."""
_SEGMENTS = 3


class ByPath:
    """ASGI, in the place of a router's own search: a router for each beginning, with the routes that may fit.

    They are looked through in the router's order. It notices routes that are added, not those that are replaced.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._known: dict[_Beginning, list[int]] = {}
        self._few: dict[_Beginning, APIRouter] = {}
        self._size = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self.router_for(get_route_path(scope)) if scope["type"] == "http" else self._router
        await router.app(scope, receive, send)

    def router_for(self, path: str) -> APIRouter:
        """The router of the few routes among which a request for this path finds its own."""
        routes = self._router.routes
        if len(routes) != self._size:
            self._known, self._few, self._size = _by_beginning(routes), {}, len(routes)
        beginning = _segments(path)
        while beginning not in self._known and beginning:
            beginning = beginning[:-1]
        if beginning not in self._few:
            shorter = (beginning[:length] for length in range(len(beginning) + 1))
            places = {place for each in shorter for place in self._known.get(each, ())}
            few = [routes[place] for place in sorted(places)]
            self._few[beginning] = APIRouter(routes=few, redirect_slashes=False)
        return self._few[beginning]


def _by_beginning(routes: Sequence[BaseRoute]) -> dict[_Beginning, list[int]]:
    """The places of the routes by what is fixed of their paths; a router has all beginnings of its routes."""
    found: dict[_Beginning, list[int]] = {}
    for place, route in enumerate(routes):
        for beginning in {_fixed(each.path or "") for each in iter_route_contexts([route])}:
            found.setdefault(beginning, []).append(place)
    return found


def _segments(path: str) -> _Beginning:
    return tuple(path.split("/", _SEGMENTS + 1)[1 : _SEGMENTS + 1])


def _fixed(path: str) -> _Beginning:
    segments = _segments(path)
    variable = (number for number, each in enumerate(segments) if "{" in each)
    return segments[: next(variable, len(segments))]
