"""Checkouts that readers and devices began, by whose they are."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, union_all

from service.db.tables import Checkout
from service.metering.store import DEVICE, READER
from service.reports.queries import kept_rows
from service.reports.queries.ledger import with_whose
from service.reports.queries.purchases import is_for_oneself


def by_buyer(
    *columns: ColumnElement[Any],
    digits: int,
    only: Callable[[Select[Any]], Select[Any]] = lambda rows: rows,
) -> Select[Any]:
    """Of checkouts for oneself, by whose they are; with `digits` of a sample of the holders (kept_rows.py)."""
    row = Checkout
    buyer = func.coalesce(literal(READER) + row.reader_id, literal(DEVICE) + row.device_id)
    rows = only(select(buyer.label("holder"), *columns).where(is_for_oneself()))
    return with_whose(union_all(*_of_sample(rows, digits)).subquery("clicks"), digits)


def _of_sample(rows: Select[Any], digits: int) -> list[Select[Any]]:
    """As `kept_rows.of_sample`, by the columns that have an index."""
    if not digits:
        return [rows]
    row, is_anonymous = Checkout, Checkout.reader_id.is_(None)
    by_name = kept_rows.is_sampled_device(row.device_id.expression, digits)
    linked = row.device_id.in_(kept_rows.sampled_devices(digits))
    return [
        rows.where(kept_rows.is_sampled_reader(row.reader_id.expression, digits)),
        rows.where(is_anonymous, by_name),
        rows.where(is_anonymous, ~by_name, linked),
    ]
