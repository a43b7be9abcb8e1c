"""Column types, naming rules and identifiers that all tables share."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, Integer, MetaData, text
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(naming_convention=_NAMES)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite, which knows no zones, stores the UTC value."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime can't be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """JSON text on SQLite, `jsonb` on PostgreSQL."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON())
        from sqlalchemy.dialects.postgresql import JSONB  # noqa: PLC0415 a service on SQLite needs none of it

        return dialect.type_descriptor(JSONB())


Amount = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"))]
"""Money in minor units. A thousand seats in a currency of small units pass 32 bits; SQLite's integers have 64."""


_WHERE = "where"


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows for which `where` is true, as `with_conditions` has it."""
    return Index(name, *columns, unique=unique, info={_WHERE: text(where)})


def with_conditions(metadata: MetaData) -> MetaData:
    """The same tables, whose partial indexes know their conditions.

    A condition is a dialect's, and to name PostgreSQL's imports it: a thirtieth of a start on SQLite.
    """
    for index in (each for table in metadata.tables.values() for each in table.indexes):
        where = index.info.get(_WHERE)
        if where is not None:
            index.dialect_kwargs.update(postgresql_where=where, sqlite_where=where)
    return metadata


def new_id(prefix: str) -> str:
    """A new identifier such as `rdr_2f…`: 96 random bits, no order, no meaning."""
    return f"{prefix}_{secrets.token_hex(12)}"
