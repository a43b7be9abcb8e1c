"""What readers did, as the reports count it from what was recorded of them on the way."""

from typing import Any

from service.reports.registry import FIGURES
from tests.lifecycle.paper import (
    ANOTHER_GOOD_CARD,
    CARD_OF_A_NEWCOMER,
    CARD_WITHOUT_MONEY,
    Paper,
    told_on,
)

pytestmark = [told_on("sqlite")]

SPRING, MID_MARCH = "from=2026-03-01&to=2026-06-30", "from=2026-03-01&to=2026-03-15"


def test_figures_of_readers_who_came_paid_owed_and_left(paper: Paper) -> None:
    """Six meet a wall or buy: a trial that is paid, one that isn't, a payment that is recovered, one
    that is lost, one who leaves by choice, and one who only reads.
    """
    ana, ben, cy, di, eve, fay = map(paper.reader, ("ana", "ben", "cy", "di", "eve", "fay"))
    for each in (ana, ben, cy, fay):
        assert each.reads() is None
    ana.buys("trial", campaign={"source": "letter"})
    ben.buys("trial", card=CARD_OF_A_NEWCOMER)
    paper.at_stripe.subscriptions.update(ben.subscription.id, {"cancel_at_period_end": True})
    for each in (cy, di, eve):
        each.buys("monthly")
    for each in (cy, eve):
        each.gives_card(CARD_WITHOUT_MONEY)
    paper.passes(days=15)
    paper.at_stripe.subscriptions.cancel(di.subscription.id)
    paper.passes(days=17)
    paper.passes(days=4)
    cy.gives_card(ANOTHER_GOOD_CARD)
    paper.passes(days=15)
    assert (cy.subscription.status, eve.subscription.status) == ("active", "canceled")

    assert totals(paper, "trial-conversion") == {
        "converted": (1, 2),
        "ended": 2,
        "paid": 1,
        "lost": 1,
    }
    assert totals(paper, "joined-and-left") == {
        "new": 4, "voluntary": -1, "involuntary": -1, "end": 2,
    }  # fmt: skip
    assert totals(paper, "mrr", by="currency") == {"EUR": 900, "USD": 900}
    assert totals(paper, "reasons") == {"voluntary": 1, "payment_failed": 1}
    assert totals(paper, "tenure") == {"day_30": 1, "day_100": 1}
    assert totals(paper, "dunning") == {
        "begun": 2, "recovered": 1, "lost": 1, "rate": (1, 2),
        "begun_amount": 1800, "recovered_amount": 900, "lost_amount": 900,
    }  # fmt: skip
    assert totals(paper, "renewal-churn") == {"all": (2, 4), "renewed": (2, 4)}
    assert totals(paper, "sources", by="split") == {"letter": 1, "direct or unknown": 4}
    assert totals(paper, "funnel", MID_MARCH) == {
        "holders": 4, "walled": 4, "started": 5, "paid": 5, "completed": (5, 5),
    }  # fmt: skip
    assert totals(paper, "paid-after-a-wall", MID_MARCH) == {
        "within_1": (1, 4), "within_3": (1, 4), "within_7": (1, 4), "within_30": (2, 4),
        "left_at_checkout": (1, 4), "left_at_wall": (1, 4),
    }  # fmt: skip
    sold = paper.newsroom("GET", f"reports/articles?{MID_MARCH}")["lines"]
    assert {(each["series"], each["split"], each["total"]["value"]) for each in sold} >= {
        ("sales", "Letter from the harbour", 3), ("walls", "Letter from the harbour", 4),
    }  # fmt: skip


def test_every_figure_is_computed_from_real_rows(paper: Paper) -> None:
    """By each split: tests/reports."""
    for figure in FIGURES:
        report = paper.newsroom("GET", f"reports/{figure.slug}?{SPRING}")
        assert report["figure"]["slug"] == figure.slug


def totals(paper: Paper, slug: str, period: str = SPRING, *, by: str = "series") -> dict[str, Any]:
    """The period's value of each line that has one; of a share what it is made of. By sources the
    last ones alone: what came first is written in the background.
    """
    lines = paper.newsroom("GET", f"reports/{slug}?{period}&interval=month")["lines"]
    found: dict[str, Any] = {}
    for each in lines:
        total = each["total"]
        value = (total["part"], total["whole"]) if total["whole"] is not None else total["value"]
        if value:
            found[each[by]] = value
    return found
