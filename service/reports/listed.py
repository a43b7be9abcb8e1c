"""The rows that a figure counts, in one form for all figures: one row for each reader, subscription or payment."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, String, cast, literal, null
from sqlalchemy.ext.asyncio import AsyncSession

from service.reports.asked import Asked

AT_START, AT_END = "As of the start of the first day", "As of the end of the last day"
RowsQuery = Callable[[AsyncSession, Asked, Collection[str]], Awaitable[Select[Any]]]
"""What of the period and the filters these series count, in the columns of `counted_row`."""


@dataclass(frozen=True)
class Listing:
    """A figure's rows. `series` are those that have rows, `of_all` those that are listed where none is asked for."""

    rows: RowsQuery
    series: tuple[str, ...]
    of_all: tuple[str, ...]
    at_instant: Mapping[str, str] = field(default_factory=dict)
    """Series of who there is at one instant, and at which: their order is no time's, so that the first are found fast."""
    when: str = "When"
    """What the instant of a row is."""
    more: Mapping[str, str] = field(default_factory=dict)
    """What else can be listed that the figure has no series of, in words."""

    first_known: Callable[[AsyncSession], Awaitable[date | None]] | None = None
    """The first day at whose end it is still known who there was, where earlier rows are deleted; None: of each day."""

    told_apart: Mapping[str, str] = field(default_factory=dict)
    """By which filter a series is told apart, where the figure always does so."""

    counted_first: bool = False
    """Rows are decided one after the other, and the figure is found sooner: where it counts nobody none is looked for."""

    def instant(self, series: str) -> str:
        """At which one the series has its rows, or without one all that are listed then; empty: over time."""
        said = {self.at_instant.get(each, "") for each in ((series,) if series else self.of_all)}
        return said.pop() if len(said) == 1 else ""

    @property
    def all_series(self) -> tuple[str, ...]:
        return (*self.series, *self.more)


def counted_row(
    *,
    series: ColumnElement[str],
    at: Any,
    key: Any,
    reader_id: Any = None,
    subscription_id: Any = None,
    offer_id: Any = None,
    detail: Any = None,
    amount: Any = None,
    currency: Any = None,
) -> tuple[ColumnElement[Any], ...]:
    """The columns of a row. `key` tells rows of one instant apart; of a reader or a subscription one is enough.

    `offer_id` is what was paid for, empty where it isn't known; without it the subscription's is shown.
    """
    texts = {
        "reader_id": reader_id,
        "subscription_id": subscription_id,
        "offer_id": offer_id,
        "detail": detail,
        "currency": currency,
    }
    return (
        series.label("series"),
        at.label("at"),
        key.label("key"),
        *(_or_null(value, String()).label(name) for name, value in texts.items()),
        _or_null(amount, BigInteger()).label("amount"),
    )


def one_series(name: str) -> ColumnElement[str]:
    return literal(name, String())


def _or_null(value: Any, kind: Any) -> Any:
    return cast(null(), kind) if value is None else value
