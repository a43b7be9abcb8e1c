"""The lists behind a figure have as many rows as it says, for the addresses to which its page leads."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.operators.reports.behind import rows_behind
from service.operators.reports.schemas import CountedQuery
from service.problems import Problem
from service.reports.asked import Asked
from service.reports.cells import Cell, Line
from service.reports.counted_list import Counted, list_counted, listed_filters
from service.reports.period import Step
from service.reports.registry import BY_SLUG
from service.reports.report import listed_from
from service.reports.report_schemas import Report
from service.settings import Settings
from tests.reports.figures_asked import lines_of

_IN_TWO_PAGES = 3


async def lists_agree(database: Database, slug: str, what: Asked) -> list[str]:
    """Of each line the period, and the first step that has something; of money there is something where it isn't 0.

    Returns the addresses of the lists, empty where there is none.
    """
    addresses: list[str] = []
    figure = BY_SLUG[slug]
    lines = await lines_of(database, slug, what)
    listing = figure.listing
    assert listing is not None
    async with database.reading() as session:
        report = Report(figure, what, lines, listed_from=await listed_from(session, figure))
        for line in lines:
            if line.series not in listing.series:
                continue
            some = zip(line.cells, what.period.steps, strict=True)
            step = next(
                (pair for pair in some if _number(figure.series_of(line).unit, pair[0])), None
            )
            for cell, days in filter(None, ((line.total, what.period.whole), step)):
                addresses.append(await _agrees(session, report, line, cell, days))
    return addresses


async def _agrees(
    session: AsyncSession, report: Report, line: Line, cell: Cell, days: Step
) -> str:  # fmt: skip
    address = rows_behind(report, line, days)
    if not address and report.listed_from:
        by_hand = rows_behind(replace(report, listed_from=None), line, days)
        with pytest.raises(Problem, match="isn't kept any more"):
            await listed(session, by_hand, report.asked)
        return address
    if not address and report.figure.is_heat_map:
        assert report.asked.period.first.day > 1
        return address
    if not address:
        assert report.asked.split
        assert not line.split
        return address
    found = await listed(session, address, report.asked)
    unit = report.figure.series_of(line).unit
    if line.currency:
        value = cell.value if unit == "money" else cell.part
        assert {each.currency for each in found} <= {line.currency}
        assert sum(each.amount or 0 for each in found) == (value or 0), address
    else:
        assert len(found) == _number(unit, cell), address
    return address


def _number(unit: str, cell: Cell) -> int:
    """How many things a value counts."""
    match unit:
        case "readers" | "count":
            return abs(int(cell.value or 0))
        case "days":
            return int(cell.whole or 0)
        case _:
            return int(cell.part or 0)


async def listed(session: AsyncSession, address: str, what: Asked) -> list[Counted]:
    """All pages of the list at an address, the first of them short."""
    path, query = urlsplit(address)[2:4]
    figure = BY_SLUG[path.split("/")[3]]
    fields: dict[str, Any] = dict(parse_qsl(query))
    asked = CountedQuery.model_validate(fields)
    settings = Settings(
        _env_file=None, database_url="sqlite:///unused", time_zone=what.home.key
    )  # fmt: skip
    period = asked.asked(settings, what.now)
    # Random histories have plans that were never sold: what a filter may be is shown elsewhere.
    assert set(period.chosen) <= set(listed_filters(figure))
    found: list[Counted] = []
    cursor, limit = None, _IN_TWO_PAGES
    while True:
        page = await list_counted(session, figure, period, asked.series, cursor=cursor, limit=limit)
        assert {type(each.amount) for each in page.items} <= {int, type(None)}
        found += page.items
        if (cursor := page.next_cursor) is None:
            return found
        limit = 1000
