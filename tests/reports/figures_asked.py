"""Asking a figure the short way, and its values by series."""

from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from service.db.base import Base
from service.db.session import Database
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, Number
from service.reports.period import parse_period
from service.reports.registry import BY_SLUG
from tests.reports import rows
from tests.reports.rows import NOW

HOME = ZoneInfo("Europe/Lisbon")


def asked(
    first: str, last: str, interval: str = "", *, now: datetime = NOW, zone: str = "",
    split: str = "", home: ZoneInfo = HOME, **chosen: str,
) -> Asked:  # fmt: skip
    fields = {"from": first, "to": last, "interval": interval, "zone": zone}
    period = parse_period(fields, today=now.date(), zone=home)
    return Asked(period, now, home, split, chosen)


async def lines_of(database: Database, slug: str, what: Asked) -> list[Line]:
    async with database.reading() as session:
        return await BY_SLUG[slug].lines(session, what)


async def store(database: Database, *added: Base) -> None:
    async with database.transaction() as session:
        await rows.put(session, *added)


Values = dict[tuple[str, str, str], list[Number | None]]


def values(lines: list[Line]) -> Values:
    """By series, split and currency: the value of each step, then the period's."""
    return {
        (line.series, line.split, line.currency): [each.value for each in (*line.cells, line.total)]
        for line in lines
    }


def totals(lines: list[Line]) -> dict[str, Cell]:
    """The period's cell by series, of lines that aren't split."""
    return {line.series: line.total for line in lines}


def exact(text: str) -> Fraction:
    return Fraction(text)
