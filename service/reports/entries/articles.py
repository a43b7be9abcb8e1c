"""Figures of articles."""

from service.reports.entries.parts import several
from service.reports.figure import Figure
from service.reports.metrics import Definition
from service.reports.queries import sales

FIGURES: tuple[Figure, ...] = (
    Figure(
        "articles", "Articles",
        Definition(
            "Articles that sell",
            "The 30 articles at whose wall most was bought in the period: subscriptions and passes by "
            "the last wall that the buyer met before the click, a pass for one article by that article. "
            "Beside them the walls that were met and the reads.",
            "Not divided by anything: counts.",
        ),
        several("count", sales="Sales", walls="Walls", reads="Reads"),
        "sum", (), sales.articles, "checkouts and the access ledger", by_day=True, is_ranked=True,
    ),
)  # fmt: skip
