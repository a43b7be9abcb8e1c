"""docs/reports.md: every figure is there, in the registry's words."""

import re
from pathlib import Path

from service.operators.reports.behind import list_behind
from service.reports.figure import OVER_TIME_WORDS, Figure
from service.reports.registry import FIGURES

TEXT = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"(?<=compares it -->\n).*(?=<!-- the end of what is from)", re.DOTALL)

_SQL = (Path(__file__).parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")

_LEFT_OUT = _SQL.partition("## Left to the API")[2]


def in_sql(figure: Figure) -> str:
    """The views that docs/sql.md asks for the figure."""
    query = re.search(
        rf"^### `{figure.slug}`\n\n(?:[^`\n]+\n\n)?```sql\n(.*?)```$",
        _SQL,
        re.MULTILINE | re.DOTALL,
    )
    assert query is not None, f"docs/sql.md has no query of {figure.slug}"
    views = sorted(set(re.findall(r"report_\w+", query[1])))
    partly = ", [in part](sql.md#left-to-the-api)" if f"`{figure.slug}`" in _LEFT_OUT else ""
    return f"{', '.join(f'`{each}`' for each in views)}, [the query](sql.md#{figure.slug}){partly}"


def behind(figure: Figure) -> str:
    """What can be listed behind it, and why something that counts can't."""
    found, why = list_behind(figure), sorted(set(figure.nameless.values()))
    parts = [", ".join(f"`{each}`" for each in found.series)] if found else []
    return f"- Rows behind: {'; '.join([*parts, *why])}\n" if parts or why else ""


def entry(figure: Figure) -> str:
    series = "; ".join(f"`{each.key}` {each.words} ({each.unit})" for each in figure.series)
    splits = ", ".join(f"`{each}`" for each in figure.splits) or "nothing"
    filters = "".join(f"- Filtered by: `{each}`\n" for each in figure.filters)
    return (
        f"### {figure.meaning.name}\n\n"
        f"`{figure.slug}`, version {figure.version}. {figure.meaning.definition}\n\n"
        f"- Denominator: {figure.meaning.denominator}\n"
        f"- Over time: {OVER_TIME_WORDS[figure.over_time]}\n"
        f"- Series: {series}\n"
        f"- Split and filtered by: {splits}\n{filters}"
        f"- From: {figure.source}\n"
        f"{behind(figure)}"
        f"- In SQL: {in_sql(figure)}\n"
    )


def reference() -> str:
    """The part of the page that the registry says."""
    return "\n".join(entry(each) for each in FIGURES)


def test_the_page_has_every_figure_in_the_registrys_words() -> None:
    found = _BLOCK.search(TEXT)
    assert found is not None
    assert found[0] == reference(), "write it anew: python -m tests.docs.write_reports"


def test_slugs_and_series_are_there_once() -> None:
    assert len({each.slug for each in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        keys = [each.key for each in figure.series]
        assert len(set(keys)) == len(keys)
