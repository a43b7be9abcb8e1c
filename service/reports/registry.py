"""Every figure once: what it means, how it is counted, and what asks the database for it.

Pages, JSON, CSV and docs/reports.md are made from the entries in `FIGURES`; a new figure is one more.
"""

from collections.abc import Mapping
from types import MappingProxyType

from service.access.reasons import REASONS
from service.reports.cells import Unit
from service.reports.figure import Figure, Series
from service.reports.metrics import (
    ACTIVE_SUBSCRIBERS,
    COMMITTED_MRR,
    MRR,
    MRR_AFTER_DISCOUNTS,
    Definition,
)
from service.reports.queries import habits, leaving, sales, subscribers, walls


def _all(unit: Unit, words: str = "All") -> tuple[Series, ...]:
    return (Series("all", words, unit),)


def _series(unit: Unit, **words: str) -> tuple[Series, ...]:
    return tuple(Series(key, text, unit) for key, text in words.items())


_LEDGER = "the access ledger by day"
_HOLDER = "A holder is a device, or a reader with the devices that they signed in or bought on."
_DAYS_TO_PAY = {
    f"within_{n}": f"Within {n} {'day' if n == 1 else 'days'}" for n in walls.DAYS_TO_PAY
}
_BY_PRICE = ("plan", "interval_charged", "currency")
_MOVEMENTS = "movements"
_OF_MONEY, _OF_READERS = MRR.denominator, ACTIVE_SUBSCRIBERS.denominator

FIGURES: tuple[Figure, ...] = (
    Figure(
        "active-subscribers", "Subscribers", ACTIVE_SUBSCRIBERS, _all("readers"), "end", _BY_PRICE,
        subscribers.active_subscribers, _MOVEMENTS,
    ),
    Figure(
        "joined-and-left", "Subscribers",
        Definition(
            "Joined and left",
            "How readers became active subscribers, and how they ceased to be it. New: for the first "
            "time. Returned: after they had left. By choice: the last subscription ended as the "
            "reader wished. Payment failed: after the last attempt to charge. A pause of collection "
            "and its end are shown apart. Changed: the subscription goes on, but has become free, or "
            "is paid again; where plans, intervals or currencies are told apart, readers who switched "
            "too. Together they are exactly the difference of active subscribers. A reader who "
            "leaves twice counts twice.",
            _OF_READERS,
        ),
        _series(
            "readers", start="At the start", new="New", reactivated="Returned", resumed="Resumed",
            changed_in="Changed, joined", involuntary="Payment failed", voluntary="By choice",
            paused="Paused", changed_out="Changed, left", end="At the end",
        ),
        "mixed", _BY_PRICE, subscribers.joined_and_left, _MOVEMENTS,
    ),
    Figure(
        "mrr", "Money", MRR, _all("money"), "end", _BY_PRICE, subscribers.mrr, _MOVEMENTS,
    ),
    Figure(
        "mrr-after-discounts", "Money", MRR_AFTER_DISCOUNTS, _all("money"), "end", _BY_PRICE,
        subscribers.mrr_after_discounts, _MOVEMENTS,
    ),
    Figure(
        "committed-mrr", "Money", COMMITTED_MRR, _all("money"), "end", (),
        subscribers.committed_mrr, "subscriptions as they are now",
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
            _OF_MONEY,
        ),
        _series(
            "money", start="At the start", new="New", reactivation="Reactivation",
            expansion="Expansion", resume="Resume", contraction="Contraction",
            churn_voluntary="Churn by choice", churn_involuntary="Churn, payment failed",
            pause="Pause", end="At the end",
        ),
        "mixed", _BY_PRICE, subscribers.mrr_movements, _MOVEMENTS,
    ),
    Figure(
        "arr", "Money",
        Definition("ARR", "Annual recurring revenue: MRR × 12.", _OF_MONEY),
        _all("money"), "end", _BY_PRICE, subscribers.arr, _MOVEMENTS,
    ),
    Figure(
        "arpu", "Money",
        Definition(
            "Average revenue per subscriber",
            "MRR ÷ active subscribers, for each currency: a reader counts for each currency that "
            "they pay in.",
            "Active subscribers at the same instant.",
        ),
        _all("money"), "end", _BY_PRICE, subscribers.revenue_a_reader, _MOVEMENTS,
    ),
    Figure(
        "subscriber-churn", "Leaving",
        Definition(
            "Subscriber churn",
            "Active subscribers who were lost, by choice or because payments failed. Pauses don't "
            "count. A reader who leaves and comes back was lost once. Beside it stands the same with "
            "Stripe's denominator.",
            "Active subscribers at the start; Stripe's: these and all who joined or returned.",
        ),
        _series(
            "percent", all="Lost", voluntary="By choice", involuntary="Payment failed",
            with_new="Lost, of these and new ones",
        ),
        "own", _BY_PRICE, subscribers.subscriber_churn, _MOVEMENTS,
    ),
    Figure(
        "mrr-churn", "Leaving",
        Definition(
            "MRR churn and retention",
            "Gross: MRR lost by churn and contraction. Net: the same less expansion and "
            "reactivation. Retained: what is left of the MRR at the start, 1 less the rate. Pauses "
            "don't count.",
            "MRR at the start.",
        ),
        _series(
            "percent", gross="Gross churn", net="Net churn", gross_retained="Gross retention",
            net_retained="Net retention",
        ),
        "own", _BY_PRICE, subscribers.mrr_churn, _MOVEMENTS,
    ),
    Figure(
        "quick-ratio", "Money",
        Definition(
            "Quick ratio",
            "MRR gained (new, reactivation, expansion) for each unit of MRR lost (churn, "
            "contraction). Above 1 MRR grows.",
            "MRR lost by churn and contraction.",
        ),
        _all("times"), "own", _BY_PRICE, subscribers.quick_ratio, _MOVEMENTS,
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
        _all("money"), "own", _BY_PRICE, subscribers.lifetime_value, _MOVEMENTS,
    ),
    Figure(
        "stop-rate", "Meter",
        Definition(
            "Meter stop rate",
            "Distinct holders who met a wall, any, to subscribe or to register, as a share of all who "
            "read or met one. " + _HOLDER,
            "Distinct holders with a read or a wall.",
        ),
        _series("percent", all="Met a wall", subscribe="To subscribe", register="To register"),
        "own", (), walls.stop_rate, _LEDGER, by_day=True,
    ),
    Figure(
        "paid-after-a-wall", "Meter",
        Definition(
            "Paid stop conversion",
            "Of the holders who met a wall to subscribe, those whose first payment ever came within "
            "1, 3, 7 or 30 days of the first such wall of the step. A payment is the start of what a "
            "subscription brings, after its trial, or a pass. There is a value once these days are "
            "over for everybody. " + _HOLDER,
            "Distinct holders who met a wall to subscribe.",
        ),
        _series("percent", **_DAYS_TO_PAY),
        "own", (), walls.paid_after_a_wall, "the access ledger by day, movements and passes",
        by_day=True,
    ),
    Figure(
        "registration-funnel", "Readers",
        Definition(
            "Registration funnel",
            "Holders who met a wall to register, and of them those who verified an address, and those "
            "who paid for the first time, within 30 days of the first such wall of the step. Mails that "
            "were asked for aren't kept, so that step isn't shown. " + _HOLDER,
            "Distinct holders who met a wall to register.",
        ),
        (
            Series("met", "Met a wall to register", "readers"),
            Series("registered", "Registered", "percent"), Series("paid", "Paid", "percent"),
        ),
        "own", (), walls.registration_funnel,
        "the access ledger by day, readers, movements and passes", by_day=True,
    ),
    Figure(
        "access-mix", "Readers",
        Definition(
            "Access mix",
            "Why reads were open: each reason's share of them. A re-read and a read by token count "
            "once a day, holder and article.",
            "Reads.",
        ),
        tuple(
            Series(name, REASONS[name].operators.capitalize(), "percent") for name in walls.GRANTED
        ),
        "own", (), walls.access_mix, _LEDGER, by_day=True,
    ),
    Figure(
        "meter-depth", "Meter",
        Definition(
            "Meter depth",
            "Distinct holders by how many metered articles they used. With the meter's own interval it "
            "is the depth of its windows. " + _HOLDER,
            "Not divided by anything: a count of holders.",
        ),
        tuple(Series(name, f"{name} {'article' if name == '1' else 'articles'}", "readers") for name in walls.DEPTHS),
        "own", (), walls.meter_depth, _LEDGER, by_day=True,
    ),
    Figure(
        "trial-conversion", "Subscribers",
        Definition(
            "Trial conversion",
            "Of the trials that ended, those whose first invoice was paid. Pending: the trial is over, "
            "and its first invoice isn't settled yet. A trial that is cancelled ends when its "
            "subscription ends.",
            "Trials that ended in the step, pending ones among them.",
        ),
        (
            Series("converted", "Converted", "percent"), Series("ended", "Ended", "count"),
            Series("paid", "Paid", "count"), Series("lost", "Lost", "count"),
            Series("pending", "Pending", "count"),
        ),
        "own", _BY_PRICE, sales.trial_conversion, "subscriptions and domain events",
    ),
    Figure(
        "registrations", "Readers",
        Definition(
            "Registrations",
            "Readers who verified an address. Readers who were erased since aren't known any more.",
            _OF_READERS,
        ),
        _all("readers"), "sum", (), sales.registrations, "readers",
    ),
    Figure(
        "tenure", "Leaving",
        Definition(
            "Tenure of those who left",
            "Readers who ceased to be active subscribers, by choice or because payments failed, by how "
            "long they had been active without a break: up to 1, 7, 30 or 100 days, or longer.",
            _OF_READERS,
        ),
        _series(
            "readers", day_1="1 day", day_7="2 to 7 days", day_30="8 to 30 days",
            day_100="31 to 100 days", later="Longer",
        ),
        "sum", _BY_PRICE, leaving.tenure, _MOVEMENTS,
    ),
    Figure(
        "reasons", "Leaving",
        Definition(
            "Why they leave",
            "Readers who ceased to be active subscribers, by choice or because payments failed, by the "
            "cause of the movement. What readers say of it at Stripe isn't stored.",
            _OF_READERS,
        ),
        _series(
            "readers", voluntary="By choice", payment_failed="Payment failed",
            dispute_lost="Lost dispute", refund="Refund", trial_used="Second trial of a card",
            duplicate="Bought twice", erased="Account erased", other="Other",
        ),
        "sum", _BY_PRICE, leaving.reasons, _MOVEMENTS,
    ),
    Figure(
        "cohort-retention", "Leaving",
        Definition(
            "Cohort retention",
            "Readers by the month of their first payment: of each month's, the share with a paid "
            "subscription at any time of that month and of each later one. A reader who comes back "
            "counts again. The month of the first payment is 100 %.",
            "Readers who first paid in that month.",
        ),
        _all("percent"), "own", (), leaving.cohort_retention, _MOVEMENTS, is_heat_map=True,
    ),
    Figure(
        "renewal-churn", "Leaving",
        Definition(
            "Churn of those due",
            "Subscriptions that ended by choice or because payments failed, of all that were due for "
            "renewal: these, and those whose renewal was paid.",
            "Subscriptions that ended or were renewed.",
        ),
        _all("percent"), "own", (), leaving.churn_of_the_due, "movements and domain events",
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
            _OF_MONEY,
        ),
        _series(
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
    Figure(
        "sources", "Readers",
        Definition(
            "Sources of subscriptions",
            "Subscriptions that were bought, by what led the buyer here first and what did last before "
            "the click: the campaign's source (utm_source), else the site with the link. What an erased "
            "reader came by isn't known any more.",
            "Not divided by anything: a count of purchases.",
        ),
        _series("count", first="First", last="Last"),
        "sum", (), sales.sources, "checkouts and their touches",
    ),
    Figure(
        "articles", "Articles",
        Definition(
            "Articles that sell",
            "The 30 articles at whose wall most was bought in the period: subscriptions and passes by "
            "the last wall that the buyer met before the click, a pass for one article by that article. "
            "Beside them the walls that were met and the reads.",
            "Not divided by anything: counts.",
        ),
        _series("count", sales="Sales", walls="Walls", reads="Reads"),
        "sum", (), sales.articles, "checkouts and the access ledger", by_day=True, is_ranked=True,
    ),
    Figure(
        "funnel", "Readers",
        Definition(
            "From a read to a payment",
            "Distinct holders who read or met a wall, those who met one, and distinct buyers (readers, "
            "else devices) who began a checkout and who completed one that they began in the step. "
            "Checkouts begin elsewhere than at a wall, too. " + _HOLDER,
            "Buyers who began a checkout.",
        ),
        (
            Series("holders", "Read or met a wall", "readers"),
            Series("walled", "Met a wall", "readers"),
            Series("started", "Began a checkout", "readers"),
            Series("paid", "Completed it", "readers"),
            Series("completed", "Completed of begun", "percent"),
        ),
        "own", (), habits.funnel, "the access ledger by day, and checkouts", by_day=True,
    ),
    Figure(
        "active-days", "Readers",
        Definition(
            "Active days of subscribers",
            "Of the readers who are active subscribers at the end of the step: the average number of "
            "days with a read among the last 30; who had none; and who had fewer than half of the days "
            "of the 30 before. Reads count on devices that belong to them, too. Readers who were erased "
            "since aren't known.",
            "Active subscribers at the end of the step.",
        ),
        (
            Series("days", "Days with a read", "days"), Series("asleep", "None in 30 days", "percent"),
            Series("at_risk", "Fewer than half", "percent"),
        ),
        "end", (), habits.active_days, "the access ledger by day, readers and movements", by_day=True,
    ),
)  # fmt: skip
BY_SLUG: Mapping[str, Figure] = MappingProxyType({each.slug: each for each in FIGURES})
