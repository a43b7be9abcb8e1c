"""Figures of money."""

from service.reports.entries.parts import BY_PRICE, MOVEMENTS, OF_MONEY, one, several
from service.reports.figure import Figure, Series
from service.reports.metrics import COMMITTED_MRR, MRR, MRR_AFTER_DISCOUNTS, Definition
from service.reports.queries import leaving, sales, subscribers

FIGURES: tuple[Figure, ...] = (
    Figure(
        "mrr", "Money", MRR, one("money"), "end", BY_PRICE, subscribers.mrr, MOVEMENTS,
    ),
    Figure(
        "mrr-after-discounts", "Money", MRR_AFTER_DISCOUNTS, one("money"), "end", BY_PRICE,
        subscribers.mrr_after_discounts, MOVEMENTS,
    ),
    Figure(
        "committed-mrr", "Money", COMMITTED_MRR, one("money"), "end", (),
        subscribers.committed_mrr, "movements, domain events and subscriptions", version=2,
    ),
    Figure(
        "mrr-movements", "Money",
        Definition(
            "MRR movements",
            "What MRR has gained and lost: new, reactivation, expansion, contraction, churn "
            "(involuntary where all attempts to charge failed), pause and resume. A change of plan "
            "is an expansion or a contraction. So is a second subscription of the same reader, or "
            "its end. MRR at the start and all movements are exactly MRR at the end; each is rounded "
            "by itself.",
            OF_MONEY,
        ),
        several(
            "money", start="At the start", new="New", reactivation="Reactivation",
            expansion="Expansion", resume="Resume", contraction="Contraction",
            churn_voluntary="Churn by choice", churn_involuntary="Churn, payment failed",
            pause="Pause", end="At the end",
        ),
        "mixed", BY_PRICE, subscribers.mrr_movements, MOVEMENTS,
    ),
    Figure(
        "arr", "Money",
        Definition("ARR", "Annual recurring revenue: MRR × 12.", OF_MONEY),
        one("money"), "end", BY_PRICE, subscribers.arr, MOVEMENTS,
    ),
    Figure(
        "arpu", "Money",
        Definition(
            "Average revenue per subscriber",
            "MRR ÷ active subscribers, for each currency: a reader counts for each currency that "
            "they pay in.",
            "Active subscribers at the same instant.",
        ),
        one("money"), "end", BY_PRICE, subscribers.revenue_a_reader, MOVEMENTS,
    ),
    Figure(
        "quick-ratio", "Money",
        Definition(
            "Quick ratio",
            "MRR gained (new, reactivation, expansion) for each unit of MRR lost (churn, "
            "contraction). Above 1 MRR grows.",
            "MRR lost by churn and contraction.",
        ),
        one("times"), "own", BY_PRICE, subscribers.quick_ratio, MOVEMENTS,
    ),
    Figure(
        "lifetime-value", "Money",
        Definition(
            "Lifetime value",
            "Average revenue per subscriber ÷ subscriber churn, of whole months. Of the period: the "
            "average at the end of its last whole month ÷ all who were lost in its whole months as a "
            "share of all who were active when each began.",
            "Subscriber churn of the month.",
        ),
        one("money"), "own", BY_PRICE, subscribers.lifetime_value, MOVEMENTS,
    ),
    Figure(
        "dunning", "Money",
        Definition(
            "Open payments",
            "Begun: the first attempt to charge an invoice failed. Recovered: an invoice was paid after "
            "an attempt failed. Lost: the subscription brings nothing any more since all attempts "
            "failed. Beside them the share that was recovered.",
            "Payments that were recovered or lost in the step.",
        ),
        (
            Series("begun", "Begun", "count"), Series("recovered", "Recovered", "count"),
            Series("lost", "Lost", "count"), Series("rate", "Recovered of settled", "percent"),
        ),
        "mixed", (), leaving.dunning, "domain events and movements",
    ),
    Figure(
        "revenue", "Money",
        Definition(
            "Revenue",
            "What was charged for passes, by the time of payment, tax included and before refunds. "
            "Invoices, charges, fees, tax and payouts of Stripe aren't stored yet, so the other lines "
            "have no values.",
            OF_MONEY,
        ),
        several(
            "money", passes="Passes", subscriptions="Subscriptions", refunded="Refunded",
            fees="Fees", tax="Tax", net="Net",
        ),
        "sum", (), sales.revenue, "passes",
    ),
    Figure(
        "refunds-and-disputes", "Money",
        Definition(
            "Refunds and disputes",
            "How many refunds were made and disputes opened on subscriptions. A share of charges needs "
            "the charges, which aren't stored yet.",
            "Paid charges.",
        ),
        (
            Series("refunds", "Refunds", "count"), Series("disputes", "Disputes", "count"),
            Series("rate", "Of paid charges", "percent"),
        ),
        "mixed", (), sales.refunds_and_disputes, "domain events",
    ),
)  # fmt: skip
