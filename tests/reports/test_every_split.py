"""Each figure by each of its splits, where there are rows, on both databases.

It tells the values of that split apart and of no other, they add up to the whole, and a filter by one of them
gives what the split has of it. What each value is the recomputations say.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from service.db.session import Database
from service.db.tables import Offer
from service.reports.cells import Cell, Line, Unit
from service.reports.figure import Figure
from service.reports.led import SOURCES
from service.reports.registry import FIGURES
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.lists_behind import lists_agree
from tests.reports.one_of_each import some_of_each
from tests.reports.rows import NOW

MARCH = ("2026-03-01", "2026-03-31", "month")
LATER = NOW + timedelta(days=100)
UNKNOWN = "direct or unknown"
VALUES = {
    "plan": {"digital", "weekend"}, "interval_charged": {"month", "year"}, "currency": {"CHF", "EUR"},
    "source": {"letter", "search.example", UNKNOWN},
    "last_source": {"radio", "late.example", UNKNOWN}, "campaign": {"spring", "no campaign"},
    "tenure": {"day_7", "day_100"}, "method": {"card", "sepa_debit", "unknown"},
    "country": {"DE", "US", "unknown"}, "decline": {"insufficient_funds", "lost_card"},
    "tries": {"1", "2"}, "code": {"RADIO", "MAIL"}, "coupon": {"coupon of RADIO", "coupon of MAIL"},
    "section": {"News", "no section"}, "wall": {"subscribe", "register"},
    "audience": {"lapsed", "trial"}, "prompt": {"prompt 0", "prompt 1"},
    "meter": {"sport", "the publication’s"},
}  # fmt: skip
"""Of the rows stored, by split; offers have names of their own."""
OF_NOBODY_KNOWN = {UNKNOWN, "no campaign", "unknown", "no section", "the publication’s"}
OF_HOLDERS = {"wall-funnel", "prompt-funnel", "stop-rate", "paid-after-a-wall", "meter-depth"}
OVERLAPPING = {"wall", "audience", "prompt", "section", "offer", "meter"}
"""Splits in whose values the same holder counts more than once; by meters also with another depth."""
Number = tuple[Any, Any]


async def test_each_split_tells_its_values_apart(database: Database) -> None:
    added = some_of_each()
    offers = {each.id for each in added if isinstance(each, Offer)}
    await store(database, *added)
    for figure in FIGURES:
        whole = await lines_of(database, figure.slug, asked(*MARCH, now=LATER))
        for split in figure.splits:
            what = asked(*MARCH, now=LATER, split=split)
            found = await lines_of(database, figure.slug, what)
            named = {each.split for each in found}
            about = (figure.slug, split)
            if split == "offer":
                assert len(named) > 1, about
                assert named <= offers, about
            else:
                assert named == VALUES[split], about
            _agree(figure, split, whole, found)
            chosen = min(named & OF_NOBODY_KNOWN or named)
            only = replace(asked(*MARCH, now=LATER), chosen={split: chosen})
            filtered = await lines_of(database, figure.slug, only)
            some = [each for each in found if each.split == chosen]
            assert _numbers(figure, filtered) == _numbers(figure, some), (*about, chosen)


def _agree(figure: Figure, split: str, whole: list[Line], found: list[Line]) -> None:
    expected, parts = _numbers(figure, whole), _numbers(figure, found)
    if figure.slug not in OF_HOLDERS or split not in OVERLAPPING:
        assert parts == expected, (figure.slug, split)
    elif split != "meter":
        assert parts.keys() == expected.keys(), (figure.slug, split)
        for key, (part, of) in expected.items():
            assert parts[key][0] >= part, (figure.slug, split, key)
            assert parts[key][1] >= of, (figure.slug, split, key)


def _numbers(figure: Figure, lines: list[Line]) -> dict[tuple[str, str], Number]:
    """The period's sums over the split's values, by series and currency; those that aren't 0."""
    found: dict[tuple[str, str], Number] = {}
    for line in lines:
        key = (line.series, line.currency)
        number = _number(figure.series_of(line).unit, line.total)
        part, of = found.get(key, (0, 0))
        found[key] = (part + number[0], of + number[1])
    return {key: number for key, number in found.items() if any(number)}


def _number(unit: Unit, cell: Cell) -> Number:
    """A count's whole is what it is of, such as days, which a split doesn't divide."""
    if cell.whole is None:
        return cell.value or 0, 0
    return cell.part or 0, 0 if unit == "count" else cell.whole


async def test_what_led_here_or_nothing_known_is_counted_and_listed(database: Database) -> None:
    await store(database, *some_of_each())
    for name in SOURCES:
        for value in VALUES[name]:
            what = replace(asked(*MARCH, now=LATER), chosen={name: value})
            for slug in ("trial-conversion", "joined-and-left", "registrations"):
                found = await lines_of(database, slug, what)
                assert any(each.total.value for each in found), (slug, name, value)
                addresses = await lists_agree(database, slug, what)
                assert any(addresses), (slug, name, value)
