"""Who the figures of movements count: active subscribers, those who joined or left, and what ended or was renewed."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    case,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from service.billing.ends import renewals_before
from service.db.base import UtcDateTime
from service.db.tables import MovementRow
from service.reports.asked import Asked
from service.reports.led import SOURCES
from service.reports.listed import counted_row, one_series
from service.reports.movement_sums import DIMENSIONS, LATER, TENURES
from service.reports.queries.leaving import CAUSES
from service.reports.queries.movement_rows import changes_of, dimensions_of, edges_of, sides_of
from service.reports.queries.renewals import ENDED, MORE, OF_ENDED, RENEWALS
from service.reports.tallies import INVOLUNTARY, JOINED, LEFT, VOLUNTARY

START, END = "start", "end"
MOVED = (*JOINED, *LEFT)
_DAY = 24


async def active_rows(_: AsyncSession, asked: Asked, __: Collection[str]) -> Select[Any]:
    """Active subscribers at the end of the period, each once, since they first paid."""
    return _active(asked, asked.until, "all")


async def joined_and_left_rows(
    _: AsyncSession, asked: Asked, series: Collection[str]
) -> Select[Any]:
    """Active subscribers at the start or the end, or who joined and left in between: one of these three."""
    for name, at in ((START, asked.since), (END, asked.until)):
        if name in series:
            return _active(asked, at, name)
    edges = _edges_in(asked)
    return _edge_rows(edges, edges.c.way.expression, edges.c.way.in_(series))


async def churn_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Who was lost: by choice, or because payments failed."""
    ways = {VOLUNTARY, INVOLUNTARY} & set(series) or {VOLUNTARY, INVOLUNTARY}
    edges = _edges_in(asked)
    return _edge_rows(edges, edges.c.way.expression, edges.c.way.in_(sorted(ways)))


async def tenure_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Who was lost, by how long they had stayed."""
    edges = _edges_in(asked)
    stayed = _tenure(edges)
    return _edge_rows(edges, stayed, _is_lost(edges), stayed.in_(series))


async def reason_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Who was lost, by why."""
    edges = _edges_in(asked.among((*DIMENSIONS, *SOURCES)))
    known = edges.c.cause.in_(CAUSES)
    cause = case((known, edges.c.cause), else_=literal(CAUSES[-1], String()))
    conditions = [_is_lost(edges), cause.in_(series)]
    if tenure := asked.chosen.get("tenure"):
        conditions.append(_tenure(edges) == tenure)
    return _edge_rows(edges, cause, *conditions)


async def ended_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Subscriptions that ended by choice or because payments failed, by how often they had been renewed."""
    renewals = func.coalesce(MovementRow.renewals, renewals_before())
    ranges = ((renewals <= most, literal(name, String())) for name, (_, most) in RENEWALS.items())
    named: ColumnElement[str] = case(*ranges, else_=literal(MORE, String()))
    return _ends(asked, named).where(named.in_(series))


async def due_rows(_: AsyncSession, asked: Asked, __: Collection[str]) -> Select[Any]:
    """Subscriptions that were due for renewal, and ended."""
    return _ends(asked, one_series("all"))


def _active(asked: Asked, at: datetime, name: str) -> Select[Any]:
    """Who pays just before an instant, since they first paid for anything.

    Subscriptions lead to the reader: the one of each that is last by its id.
    """
    sides = sides_of(asked).subquery("sides")
    sign: ColumnElement[int] = sides.c.sign
    if filters := asked.filters(dimensions_of(sides)):
        sign = case((and_(*filters), sign), else_=0)
    each = (
        select(
            sides.c.customer, sides.c.subscription_id, func.min(sides.c.at).label("first"),
            case((func.sum(sign) > 0, sides.c.subscription_id)).label("held"),
        )
        .where(sides.c.at < at)
        .group_by(sides.c.customer, sides.c.subscription_id)
        .subquery("each_subscription")
    )  # fmt: skip
    held = func.max(each.c.held)
    columns = counted_row(
        series=one_series(name), at=func.min(each.c.first), key=each.c.customer, subscription_id=held
    )  # fmt: skip
    return select(*columns).group_by(each.c.customer).having(held.is_not(None))


def _edges_in(asked: Asked) -> Subquery:
    """When readers joined or left in the period, and since when they had been there: of those who moved in it."""
    moved = select(MovementRow.customer).where(
        MovementRow.at >= asked.since, MovementRow.at < asked.until
    )
    sides = sides_of(asked).subquery("sides")
    nothing: Any = literal("", String())
    edges = edges_of(changes_of(sides, nothing, nothing, asked, sides.c.customer.in_(moved)))
    began = func.lag(edges.c.at).over(partition_by=edges.c.customer, order_by=edges.c.at)
    each = select(edges, began.label("began")).subquery("each_edge")
    return select(each).where(each.c.at >= asked.since).subquery("edges_in")


def _edge_rows(
    edges: Subquery, series: ColumnElement[Any], *of: ColumnElement[bool]
) -> Select[Any]:
    left = edges.c.way.in_(LEFT)
    columns = counted_row(
        series=series, at=edges.c.at, key=edges.c.customer, subscription_id=edges.c.subscription_id,
        detail=case((left, edges.c.cause), else_=literal("", String())),
    )  # fmt: skip
    return select(*columns).where(*of)


def _is_lost(edges: Subquery) -> ColumnElement[bool]:
    return edges.c.way.in_((VOLUNTARY, INVOLUNTARY))


def _tenure(edges: Subquery) -> ColumnElement[str]:
    """As `tenure_of` says it of an edge at which somebody left."""
    found: ColumnElement[str] = case(
        *(
            (edges.c.at <= _Later(edges.c.began, literal(days * _DAY)), literal(name, String()))
            for name, days in TENURES.items()
        ),
        else_=literal(LATER, String()),
    )
    return found


def _ends(asked: Asked, series: ColumnElement[str]) -> Select[Any]:
    row = MovementRow
    columns = counted_row(
        series=series, at=row.at, key=row.subscription_id, subscription_id=row.subscription_id,
        detail=row.cause,
    )  # fmt: skip
    in_time = and_(row.at >= asked.since, row.at < asked.until)
    return select(*columns).where(*ENDED, in_time, *asked.filters(OF_ENDED))


class _Later(FunctionElement[datetime]):
    """An instant and hours: the instant that many hours later, to the microsecond."""

    type = UtcDateTime()
    inherit_cache = True
    name = "later"


@compiles(_Later, "postgresql")
def _plus_interval(element: _Later, compiler: Any, **given: Any) -> str:
    at, hours = (compiler.process(each, **given) for each in element.clauses)
    return f"({at} + make_interval(hours => {hours}))"


@compiles(_Later, "sqlite")
def _plus_text(element: _Later, compiler: Any, **given: Any) -> str:
    at, hours = (compiler.process(each, **given) for each in element.clauses)
    # It is stored as text, and SQLite adds to whole seconds.
    return f"(datetime({at}, '+' || {hours} || ' hours') || substr({at}, 20))"
