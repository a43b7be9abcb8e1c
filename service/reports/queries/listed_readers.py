"""Who the figures of movements count: active subscribers, those who joined or left, and what ended or was renewed."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    case,
    false,
    func,
    literal,
    or_,
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
from service.reports.period import FIRST_DAY, Period, cohort_month, midnight, step_after
from service.reports.queries.edges import Begun, Edges, Row, first_paid, seen_in_order
from service.reports.queries.leaving import CAUSES
from service.reports.queries.movements import began
from service.reports.queries.renewals import ENDED, MORE, OF_ENDED, RENEWALS
from service.reports.tallies import INVOLUNTARY, JOINED, LEFT, VOLUNTARY

START, END = "start", "end"
MOVED = (*JOINED, *LEFT)
_DAY = 24
_LOST = {VOLUNTARY, INVOLUNTARY}


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
    return _edge_rows(Edges(asked, series))


async def churn_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Who was lost: by choice, or because payments failed."""
    return _edge_rows(Edges(asked, _LOST & set(series) or _LOST))


async def tenure_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Who was lost, by how long they had stayed."""
    edges = Edges(asked, _LOST)
    stayed = _tenure(edges)
    return _edge_rows(edges, stayed.in_(series), series=stayed)


async def reason_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Who was lost, by why."""
    other = CAUSES[-1]

    def has_cause(row: Row) -> ColumnElement[bool]:
        named = row.cause.in_(series)
        # What begins has other causes.
        unnamed = and_(row.cause.not_in(CAUSES), row.from_plan.is_not(None))
        return or_(named, unnamed) if other in series else named

    edges = Edges(asked.among((*DIMENSIONS, *SOURCES)), _LOST, has_cause)
    known = edges.cause.in_(CAUSES)
    cause = case((known, edges.cause), else_=literal(other, String()))
    conditions: list[ColumnElement[bool]] = [cause.in_(series)]
    if tenure := asked.chosen.get("tenure"):
        conditions.append(_tenure(edges) == tenure)
    return _edge_rows(edges, *conditions, series=cause)


async def ended_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Subscriptions that ended by choice or because payments failed, by how often they had been renewed."""
    renewals = func.coalesce(MovementRow.renewals, renewals_before())
    ranges = ((renewals <= most, literal(name, String())) for name, (_, most) in RENEWALS.items())
    named: ColumnElement[str] = case(*ranges, else_=literal(MORE, String()))
    return _ends(asked, named).where(named.in_(series))


async def cohort_rows(session: AsyncSession, asked: Asked, _: Collection[str]) -> Select[Any]:
    """Readers who first paid in the month that is asked for, or ever, and pay in the period."""
    month, zone = asked.chosen.get("cohort"), asked.period.zone
    first, after = FIRST_DAY, step_after(asked.period.last, "month")
    if month is not None:
        first = cohort_month(month)
        after = step_after(first, "month")
    theirs = asked.among((*DIMENSIONS, *SOURCES))
    until = min(midnight(after, zone), asked.until)
    begun = Begun(theirs, midnight(first, zone), until)
    row = begun.row
    columns = counted_row(
        series=one_series("all"), at=row.at, key=row.subscription_id, subscription_id=row.subscription_id
    )  # fmt: skip
    listed = select(*columns).where(*begun.conditions, begun.pays_in(asked.since, asked.until))
    # Of all who began in a month it takes longer than a statement may to see that nobody did so for this.
    months = Period(first, after - timedelta(days=1), "month", zone)
    if theirs.chosen and await began(session, replace(theirs, period=months)) is False:
        return listed.where(false())
    return listed


async def due_rows(_: AsyncSession, asked: Asked, __: Collection[str]) -> Select[Any]:
    """Subscriptions that were due for renewal, and ended."""
    return _ends(asked, one_series("all"))


def _active(asked: Asked, at: datetime, name: str) -> Select[Any]:
    """Who pays just before an instant, since they first paid for anything.

    Subscriptions lead to the reader: the one of each that is last by its id.
    """
    whose, first, held, is_active = first_paid(asked, at)
    columns = counted_row(
        series=one_series(name), at=first, key=whose.customer, subscription_id=held
    )  # fmt: skip
    return select(*columns).where(is_active)


def _edge_rows(edges: Edges, *of: ColumnElement[bool], series: Any = None) -> Select[Any]:
    left = edges.way.in_(LEFT)
    columns = counted_row(
        series=edges.way if series is None else series, at=edges.row.at, key=edges.row.subscription_id,
        subscription_id=edges.subscription_id,
        detail=case((left, edges.cause), else_=literal("", String())),
    )  # fmt: skip
    return select(*columns).where(*edges.conditions, *map(seen_in_order, of))


def _tenure(edges: Edges) -> ColumnElement[str]:
    """As `tenure_of` says it of an edge at which somebody left."""

    def said(began: ColumnElement[datetime]) -> ColumnElement[str]:
        return case(
            *(
                (edges.row.at <= _Later(began, literal(days * _DAY)), literal(name, String()))
                for name, days in TENURES.items()
            ),
            else_=literal(LATER, String()),
        )

    return edges.of_stay(said)


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
