"""Which figures have a list behind them; that it has as many rows is shown with each figure (lists_behind.py)."""

from service.operators.reports.behind import list_behind
from service.reports.registry import FIGURES


def test_what_counts_people_leads_to_them_or_says_why_not() -> None:
    """Figures by hand where no list can be: a new one needs a list or a reason."""
    lacking = {
        (figure.slug, each.key)
        for figure in FIGURES
        for each in figure.series
        if each.unit in {"readers", "count"}
        and each.key not in figure.nameless
        and each.key not in getattr(list_behind(figure), "series", ())
    }
    assert not lacking
    for figure in FIGURES:
        keys = {each.key for each in figure.series}
        assert figure.nameless.keys() <= keys
        if figure.listing is not None:
            assert set(figure.listing.series) <= keys
            assert set(figure.listing.of_all) <= set(figure.listing.series)
    assert {each.slug for each in FIGURES if each.nameless} == {
        "usage-rights", "registration-funnel", "funnel", "wall-funnel", "meter-depth", "articles",
        "article-conversion",
    }  # fmt: skip
