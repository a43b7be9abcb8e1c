"""What nearly every action needs, handed on as one."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from service.clock import Clocks
from service.db.session import Database
from service.running import Running, running_of
from service.settings import Settings


@dataclass(frozen=True)
class Context:
    """The settings, clocks and database of one application, or of one command."""

    settings: Settings
    clocks: Clocks
    database: Database


def context_in(running: Running) -> Context:
    """The context of an application with these parts."""
    return Context(running.get(Settings), running.get(Clocks), running.get(Database))


async def context_of(connection: HTTPConnection) -> Context:
    """The context of the application that answers this request."""
    return context_in(running_of(connection))


AppContext = Annotated[Context, Depends(context_of)]
