"""Lists in pages by keyset: each page goes on behind the last row of the one before.

A cursor is that row's values in the columns of the order, so it holds although rows come and go. It is
opaque to callers and checked when it comes back.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Integer, Row, Select, bindparam, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.problems import Problem, invalid_field

Item = TypeVar("Item")
Other = TypeVar("Other")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_INTEGER = 2**63 - 1
_KINDS = (str, int, datetime, date)
_LIMIT = bindparam("keyset_limit", type_=Integer)


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items of a list, and the cursor of what follows (None: nothing)."""

    items: Sequence[Item]
    next_cursor: str | None

    def map(self, change: Callable[[Item], Other]) -> "Page[Other]":
        """The same page with other items."""
        return Page([change(item) for item in self.items], self.next_cursor)


class _Ordered(NamedTuple):
    """A list's statement with its order and limit.

    `has_entities`: it selects whole rows of tables, which are the session's. To read columns through the session takes a
    twentieth of a list's time more than to ask the connection.
    """

    statement: Select[*tuple[Any, ...]]
    has_entities: bool


class Keyset:
    """The order of a list: columns, never null, that together tell every row apart."""

    def __init__(
        self, *columns: ColumnElement[Any] | InstrumentedAttribute[Any], newest_first: bool = True
    ) -> None:
        for each in columns:
            if each.type.python_type not in _KINDS:
                raise TypeError(f"A cursor has no form for {each.type.python_type}.")
        self.columns = columns
        self.newest_first = newest_first
        # A statement that is built once has its text and the key of it by then: to make them takes longer than to execute it.
        # One that is built for a request goes with it, and with it the values that were looked for.
        self._kept: WeakKeyDictionary[Select[*tuple[Any, ...]], _Ordered] = WeakKeyDictionary()

    @cached_property
    def _labels(self) -> list[ColumnElement[Any]]:
        return [column.label(f"keyset_{number}") for number, column in enumerate(self.columns)]

    @cached_property
    def _order(self) -> list[ColumnElement[Any] | InstrumentedAttribute[Any]]:
        return [column.desc() if self.newest_first else column for column in self.columns]

    async def page(
        self, session: AsyncSession, statement: Select[Item], *, cursor: str | None, limit: int
    ) -> Page[Item]:
        """The rows of a statement that selects one thing. Problem `invalid-request`: a foreign cursor."""
        found = await self.rows(session, statement, cursor=cursor, limit=limit)
        return found.map(lambda row: row[0])

    async def rows(
        self,
        session: AsyncSession,
        statement: Select[*tuple[Any, ...]],
        *,
        cursor: str | None,
        limit: int,
        given: Mapping[str, Any] | None = None,
    ) -> Page[Row[*tuple[Any, ...]]]:
        """As `page`, of a statement without an order; the rows have the order's columns at their end.

        `given` are the values of the statement's own parameters. Of columns it has what the session has flushed.
        """
        kept = self._kept.get(statement)
        if kept is None:
            kept = self._kept[statement] = self._in_order(statement)
        ordered = kept.statement
        if cursor is not None:
            ordered = ordered.where(self._behind(cursor))
        reader = session if kept.has_entities else await session.connection()
        found = (await reader.execute(ordered, {**(given or {}), _LIMIT.key: limit + 1})).all()
        items = found[:limit]
        more = len(found) > limit
        return Page(items, _to_cursor(items[-1][-len(self.columns) :]) if more else None)

    def _in_order(self, statement: Select[*tuple[Any, ...]]) -> _Ordered:
        has_entities = any(each["expr"] is each["entity"] for each in statement.column_descriptions)
        ordered = statement.add_columns(*self._labels).order_by(*self._order).limit(_LIMIT)
        return _Ordered(ordered, has_entities)

    def _behind(self, cursor: str) -> ColumnElement[bool]:
        values = _values_in(cursor, [column.type.python_type for column in self.columns])
        place = tuple_(*self.columns)
        last = tuple_(
            *(
                literal(value, column.type)
                for value, column in zip(values, self.columns, strict=True)
            )
        )
        return place < last if self.newest_first else place > last


def _to_cursor(values: Sequence[Any]) -> str:
    document = json.dumps(
        [_plain(each) for each in values], separators=(",", ":"), ensure_ascii=False
    )
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return value.isoformat() if isinstance(value, date) else value


def _values_in(cursor: str, types: Sequence[type[Any]]) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if isinstance(values, list) and len(values) == len(types):
            return [_value(each, type_) for each, type_ in zip(values, types, strict=True)]
    except (ValueError, OverflowError, RecursionError):
        pass
    raise _foreign_cursor()


def _value(value: object, type_: type[Any]) -> object:
    if type_ is str and isinstance(value, str) and "\0" not in value:
        value.encode()  # no lone surrogates: PostgreSQL knows neither
        return value
    if type_ is date and isinstance(value, str):
        return date.fromisoformat(value)
    # A bool is an int to Python.
    if type(value) is int and abs(value) <= _LARGEST_INTEGER:
        if type_ is datetime:
            return _EPOCH + timedelta(microseconds=value)
        if type_ is int:
            return value
    raise ValueError("no value of the column")


def _foreign_cursor() -> Problem:
    message = "Take the cursor from next_cursor unchanged, or omit it for the first page."
    return invalid_field("query.cursor", message)
