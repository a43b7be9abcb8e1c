"""How a route says who may call it: its own dependencies declare exactly one `MayCall`.

A signature names `CurrentReader`, `SignedInReader` or one that requires a permission; a route that
takes none of them has `dependencies=[PUBLIC]`. The service doesn't start otherwise.
"""

from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from fastapi import Depends
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Mount

from service.identity.permissions import MayCall, Public

P = ParamSpec("P")
R = TypeVar("R")


class Declaring(Generic[P, R]):
    """A dependency that declares who may call the routes that have it."""

    def __init__(self, may_call: MayCall, dependency: Callable[P, R]) -> None:
        self.may_call = may_call
        self.dependency = dependency
        update_wrapper(self, dependency)  # the framework reads the signature through it

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.dependency(*args, **kwargs)


def declares(may_call: MayCall) -> Callable[[Callable[P, R]], Declaring[P, R]]:
    """A decorator of dependencies."""
    return lambda dependency: Declaring(may_call, dependency)


@declares(Public())
async def _public() -> None:
    """Nothing to check."""


PUBLIC: Any = Depends(_public)
"""For `dependencies=[PUBLIC]`: on purpose, anybody may call this route."""


def who_may_call(route: RouteContext) -> MayCall:
    """What the route declares. RuntimeError: nothing, or more than one thing."""
    dependant = getattr(route, "dependant", None)
    calls = [each.call for each in dependant.dependencies] if dependant is not None else []
    declared = {call.may_call for call in calls if isinstance(call, Declaring)}
    if len(declared) != 1:
        found = " and ".join(sorted(map(repr, declared))) or "nothing"
        raise RuntimeError(
            f"{route.path} must declare who may call it, exactly once; it declares {found}."
        )
    return declared.pop()


def declared_routes(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], MayCall]:
    """Who may call each method and path. RuntimeError: a route doesn't declare it.

    A mounted application looks after itself.
    """
    return {
        (method, route.path or ""): may_call
        for route in iter_route_contexts(list(routes))
        if not isinstance(route.original_route, Mount)
        for may_call in (who_may_call(route),)
        for method in route.methods or ()
    }
