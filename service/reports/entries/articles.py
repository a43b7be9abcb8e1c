"""Figures of articles."""

from service.reports.entries.parts import ARTICLES, HOLDER, several
from service.reports.figure import Figure, Series
from service.reports.metrics import Definition
from service.reports.queries import article_conversion, sales

FIGURES: tuple[Figure, ...] = (
    Figure(
        "articles", "Articles",
        Definition(
            "Top-selling articles",
            "The 30 articles at whose wall most was bought in the period: subscriptions and passes by "
            "the last wall that the buyer met before the click, a pass for one article by that article. "
            "What was bought twice, or as a second trial, and is given back isn't counted. "
            "Gifts for somebody else are counted apart. Beside them the walls that were met and the reads.",
            "No denominator: counts.",
        ),
        several("count", sales="Sales", gifts="Gifts", walls="Walls", reads="Reads"),
        "sum", (), sales.articles, "checkouts and the access ledger", filters=("section",), by_day=True,
        is_ranked=True, rows="Article", version=3,
        nameless=dict.fromkeys(("sales", "gifts", "walls", "reads"), ARTICLES),
    ),
    Figure(
        "article-conversion", "Articles",
        Definition(
            "Article conversion",
            "Readers who bought for the first time, the start of a trial included, and whose last wall "
            "before the click was the article's, as a share of its distinct holders: all who read it or met "
            "its wall. A gift for somebody else doesn't count, nor does a reader who had paid before without a "
            "checkout here. A pass for one article counts for that article. The 30 articles with most such purchases, then with "
            "most walls; beside them the reads by subscribers. Of more than 200,000 rows the holders "
            "are those of a sample, multiplied. " + HOLDER,
            "Distinct holders who read the article or met its wall.",
        ),
        (
            Series("rate", "Bought", "percent"), Series("bought", "First purchases", "count"),
            Series("holders", "Holders", "readers"),
            Series("subscribers", "Reads by subscribers", "count"),
            Series("sample", "Share of holders sampled", "percent"),
        ),
        "own", (), article_conversion.article_conversion,
        "checkouts, movements, passes and the access ledger", filters=("section",), by_day=True,
        is_ranked=True, rows="Article", version=2,
        nameless=dict.fromkeys(("bought", "holders", "subscribers"), ARTICLES),
    ),
)  # fmt: skip
