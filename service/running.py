"""What an application holds while it runs: one object for each class, fixed when it is built.

This module is below all others, so it can't name their classes: each asks by its own.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.requests import HTTPConnection

T = TypeVar("T")


class PartMissing(LookupError):
    """The application was built without a part that a route or a task asks for."""


class Running:
    """The parts of one application, each found by its class or by a base class that it alone has.

    ValueError where two parts are of one class.
    """

    def __init__(self, *parts: object) -> None:
        count = Counter(kind for part in parts for kind in type(part).__mro__)
        for part in parts:
            if count[type(part)] > 1:
                raise ValueError(f"There are several parts of the class {type(part).__name__}.")
        self.parts = parts
        self._by_class: Mapping[type, Any] = MappingProxyType(
            {kind: part for part in parts for kind in type(part).__mro__ if count[kind] == 1}
        )

    def get(self, kind: type[T]) -> T:
        """The part of this class. PartMissing names the class where there is none."""
        try:
            found: T = self._by_class[kind]
        except KeyError:
            raise PartMissing(f"The application runs without {kind.__qualname__}.") from None
        return found


class RunningApp(FastAPI):
    """An application that carries its parts for routes to reach."""

    def __init__(self, running: Running, **options: Any) -> None:
        super().__init__(**options)
        self.running = running


def running_of(connection: HTTPConnection) -> Running:
    """The parts of the application that answers this request."""
    running: Running = connection.app.running
    return running


def part(kind: type[T]) -> Callable[[HTTPConnection], Awaitable[T]]:
    """The dependency that hands a route the application's part of this class."""

    # Asynchronous, because FastAPI sends every other function to a thread.
    async def find(connection: HTTPConnection) -> T:
        return running_of(connection).get(kind)

    return find
