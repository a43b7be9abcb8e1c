"""Figures of a period in which nothing happened: all by one rule."""

import pytest

from service.db.session import Database
from service.reports.cells import SAMPLE
from service.reports.figure import Figure
from service.reports.registry import FIGURES
from tests.databases import on_sqlite
from tests.reports.figures_asked import asked, lines_of

pytestmark = on_sqlite


@pytest.mark.parametrize(
    "figure",
    [each for each in FIGURES if not (each.is_ranked or each.is_heat_map)],
    ids=lambda each: each.slug,
)
async def test_counts_are_zero_and_shares_have_no_value(database: Database, figure: Figure) -> None:
    lines = await lines_of(database, figure.slug, asked("2026-03-01", "2026-03-31", "month"))
    units = {each.key: each.unit for each in figure.series if each.key != SAMPLE}
    assert [each.series for each in lines] == [key for key in units if units[key] != "money"]
    for line in lines:
        for cell in (*line.cells, line.total):
            if units[line.series] in {"count", "readers"}:
                assert cell.value == 0 or cell.why, line.series
            else:
                assert (cell.value, bool(cell.why)) == (None, True), line.series


@pytest.mark.parametrize(
    "slug", [each.slug for each in FIGURES if each.is_ranked and not each.is_heat_map]
)
async def test_there_are_no_articles_without_rows(database: Database, slug: str) -> None:
    assert await lines_of(database, slug, asked("2026-03-01", "2026-03-31", "month")) == []
