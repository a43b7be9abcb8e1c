"""Figures that stand beside others, each counted by itself: a slow one is missing, and the others are there."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.failures import NoTurn
from service.db.session import Database
from service.problems import Problem

_T = TypeVar("_T")
log = structlog.get_logger()


async def in_time(
    database: Database, figure: str, count: Callable[[AsyncSession], Awaitable[_T]]
) -> _T | None:
    """What `count` finds; None where the database ended a statement of it. `figure` is for the log."""
    try:
        # A session each: a statement that was ended spoils the transaction it was in.
        async with database.slow_reading("reports") as session:
            return await count(session)
    except Problem as problem:
        if problem.slug != "takes-too-long":
            raise
        log.warning("figure.not_counted", figure=figure, detail=problem.detail)
        return None


async def in_time_and_turn(
    database: Database, figure: str, count: Callable[[AsyncSession], Awaitable[_T]]
) -> _T | None:
    """As `in_time`, and None where it got no turn: a job is tried again later, a page isn't."""
    try:
        return await in_time(database, figure, count)
    except NoTurn as problem:
        log.warning("figure.not_counted", figure=figure, detail=problem.detail)
        return None
