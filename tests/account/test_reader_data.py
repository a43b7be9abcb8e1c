"""Every column that may hold something of a reader is exported and erased; none is forgotten."""

import re

from sqlalchemy import Column

from service.account.merge import MOVED
from service.account.reader_data import FREE_OF_READER_DATA, HOLDINGS
from service.db.tables import (
    AddressChange,
    FewHabit,
    Reader,
    ReaderDevice,
    ReaderSession,
    ReaderUse,
    all_tables,
)

SUSPICIOUS = {
    "reader", "device", "email", "mail", "recipient", "holder", "customer", "label", "note", "phone",
    "network", "ip", "agent", "host", "referrer", "address",
}  # fmt: skip
HARMLESS = {
    "api_keys.label": "what the staff calls a key",
    "operator_devices.device_id": "a browser of the staff's",
    "operators.email": "the staff's addresses",
    "operators.weekly_mail": "whether somebody of the staff gets the week's mail",
    "unbound_subscriptions.customer_id": "Stripe's, of somebody who is no reader",
}
"""Columns of tables without reader data whose names look otherwise, and what they are."""
SECRET = re.compile(r"hash|secret|sealed|token|password")
NOT_MOVED = {
    "address_changes.reader_id": "only accounts have one, and they aren't merged away",
    "few_habits.reader_id": "the next night finds all anew",
    "reader_devices.reader_id": "moved one by one, since a device may be there already",
    "reader_sessions.reader_id": "they end",
    "reader_uses.reader_id": "they go: a report of a month needs no provisional reader's",
}


def columns() -> list[Column[object]]:
    return [column for table in all_tables().tables.values() for column in table.columns]


def names_a_reader(column: Column[object]) -> bool:
    return column.name == "reader_id" or any(
        key.column.table.name == Reader.__tablename__ for key in column.foreign_keys
    )


def test_every_table_is_told_of_once() -> None:
    held = [holding.table.__tablename__ for holding in HOLDINGS]
    told = [*held, *FREE_OF_READER_DATA]
    assert sorted(told) == sorted(all_tables().tables), "a table that reader_data.py doesn't know"
    assert len({holding.section for holding in HOLDINGS}) == len(HOLDINGS)


def untold(column: Column[object]) -> str:
    """What reader_data.py leaves open about the column; nothing where it covers it."""
    name = str(column)
    if column.table.name in FREE_OF_READER_DATA:
        if names_a_reader(column):
            return f"{name} names a reader"
        looks_harmless = SUSPICIOUS.isdisjoint(column.name.split("_")) or name in HARMLESS
        return "" if looks_harmless else f"{name} may hold something of a reader"
    (holding,) = (each for each in HOLDINGS if each.table.__tablename__ == column.table.name)
    told = {*holding.blank, *holding.rewritten, *holding.kept.split()}
    if not holding.goes and column.name not in told:
        return f"what does erasing do with {name}?"
    if SECRET.search(column.name) and column.name not in holding.hidden.split():
        return f"{name} is a secret in the export"
    return ""


def test_every_column_is_covered() -> None:
    assert [said for column in columns() if (said := untold(column))] == []


def test_nothing_is_told_of_that_is_gone() -> None:
    for holding in HOLDINGS:
        told = {*holding.blank, *holding.rewritten, *holding.kept.split(), *holding.shown}
        told |= set(holding.hidden.split())
        assert told <= set(holding.table.__table__.columns.keys()), holding.section
    assert set(HARMLESS) <= {str(column) for column in columns()}


def test_a_merge_takes_along_whatever_names_the_reader() -> None:
    naming = {str(column) for column in columns() if names_a_reader(column)}
    moved = {f"{column.class_.__tablename__}.{column.key}" for column in MOVED}
    assert set(NOT_MOVED) == {
        str(AddressChange.__table__.c.reader_id), str(FewHabit.__table__.c.reader_id),
        str(ReaderDevice.__table__.c.reader_id), str(ReaderSession.__table__.c.reader_id),
        str(ReaderUse.__table__.c.reader_id),
    }  # fmt: skip
    assert moved | set(NOT_MOVED) == naming, "columns that name a reader, and are left behind"
