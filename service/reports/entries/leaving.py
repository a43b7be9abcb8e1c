"""Figures of leaving."""

from service.reports.entries.parts import (
    BY_PRICE,
    BY_PRICE_AND_SOURCE,
    MOVEMENTS,
    OF_READERS,
    one,
    parts,
    several,
)
from service.reports.figure import Figure, Series
from service.reports.listed import Listing
from service.reports.metrics import Definition
from service.reports.movement_sums import LATER, TENURES
from service.reports.queries import leaving, listed_readers, renewals, subscribers

_TRIALS_PAID = (
    "The first payment after a trial is no renewal; those recorded before the service "
    "recorded first payments after trials separately count as renewals."
)

FIGURES: tuple[Figure, ...] = (
    Figure(
        "subscriber-churn", "Leaving",
        Definition(
            "Subscriber churn",
            "Active subscribers who were lost, voluntarily or because payments failed. Pauses don't "
            "count. A reader who leaves and comes back was lost once. A separate series uses "
            "Stripe's denominator.",
            "Active subscribers at the start; Stripe's: these and all who joined or returned.",
        ),
        several(
            "percent", all="Lost", voluntary="Voluntary", involuntary="Payment failed",
            with_new="Lost (Stripe’s method)",
        ),
        "own", BY_PRICE_AND_SOURCE, subscribers.subscriber_churn, MOVEMENTS,
        listing=Listing(
            listed_readers.churn_rows, ("all", "voluntary", "involuntary", "with_new"), ("all",),
            counted_first=True,
        ),
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
        several(
            "percent", gross="Gross churn", net="Net churn", gross_retained="Gross retention",
            net_retained="Net retention",
        ),
        "own", BY_PRICE_AND_SOURCE, subscribers.mrr_churn, MOVEMENTS,
    ),
    Figure(
        "tenure", "Leaving",
        Definition(
            "Tenure at churn",
            "Readers who stopped being active subscribers, voluntarily or because payments failed, by how "
            "long they had been active without a break: up to 1, 7, 30 or 100 days, or longer.",
            OF_READERS,
        ),
        several(
            "readers", day_1="1 day", day_7="2 to 7 days", day_30="8 to 30 days",
            day_100="31 to 100 days", later="Longer",
        ),
        "sum", BY_PRICE_AND_SOURCE, leaving.tenure, MOVEMENTS, parts=parts(*TENURES, LATER),
        listing=Listing(
            listed_readers.tenure_rows, (*TENURES, LATER), (*TENURES, LATER), counted_first=True
        ),
    ),
    Figure(
        "reasons", "Leaving",
        Definition(
            "Churn reasons",
            "Readers who stopped being active subscribers, voluntarily or because payments failed, by the "
            "cause of the movement. Tenure is how long they had been active without a break.",
            OF_READERS,
        ),
        several(
            "readers", voluntary="Voluntary", payment_failed="Payment failed",
            dispute_lost="Lost dispute", refund="Refund", trial_used="Second trial on one card",
            duplicate="Duplicate purchase", erased="Account erased", other="Other",
        ),
        "sum", (*BY_PRICE_AND_SOURCE, "tenure"), leaving.reasons, MOVEMENTS,
        parts=parts(*leaving.CAUSES),
        listing=Listing(
            listed_readers.reason_rows, leaving.CAUSES, leaving.CAUSES, counted_first=True
        ),
    ),
    Figure(
        "feedback", "Leaving",
        Definition(
            "Cancellation feedback",
            "Subscriptions that their readers cancelled, when they asked for it, by the reason they gave at "
            "Stripe. Resumed subscriptions don't count, nor those that the service cancelled, as after a refund or an "
            "erased account; tenure is the day of the subscription. Those that ended before feedback was "
            "stored aren't known.",
            "No denominator: a count of subscriptions.",
        ),
        several(
            "count", too_expensive="Too expensive", unused="Not used enough", missing_features="Missing features",
            low_quality="Low quality", switched_service="Switched service", too_complex="Too complex",
            customer_service="Customer service", other="Other", none="No answer",
        ),
        "sum", (*BY_PRICE, "tenure"), leaving.feedback, "subscriptions",
        version=2, parts=parts(*leaving.FEEDBACK),
    ),
    Figure(
        "cohort-retention", "Leaving",
        Definition(
            "Cohort retention",
            "Readers by the month of their first payment: of each month's, the share with a paid "
            "subscription at any time of that month and of each later one. A reader who comes back "
            "counts again. The month of the first payment is 100 %. By plan, billing interval, currency or source: "
            "of those who first paid for that, whatever they pay for later.",
            "Readers who first paid in that month.",
        ),
        one("percent"), "own", (), leaving.cohort_retention, MOVEMENTS,
        filters=BY_PRICE_AND_SOURCE, is_heat_map=True, apart="cohort", rows="First paid in",
        listing=Listing(
            listed_readers.cohort_rows, ("all",), ("all",), when="First paid",
            told_apart={"all": "cohort"},
        ),
    ),
    Figure(
        "renewal-churn", "Leaving",
        Definition(
            "Renewal churn",
            "Subscriptions that ended voluntarily or because payments failed, and those whose renewal was "
            "paid, as shares of all that were due for renewal. "
            f"{_TRIALS_PAID} Choose the billing interval year for the renewal rate of annual plans. "
            "A renewal counts for the plan that the subscription has now.",
            "Subscriptions that ended or were renewed.",
        ),
        several("percent", all="Ended", renewed="Renewed"), "own", BY_PRICE,
        renewals.churn_of_the_due, "movements, domain events and subscriptions", version=3,
        listing=Listing(listed_readers.due_rows, ("all",), ("all",)),
    ),
    Figure(
        "ends-by-renewals", "Leaving",
        Definition(
            "Churn by number of renewals",
            "Subscriptions that ended voluntarily or because payments failed, by how often they had been "
            "renewed and paid. 0: they ended in their first paid period. "
            f"{_TRIALS_PAID} Renewals before the service kept events aren't known.",
            "No denominator: a count of subscriptions.",
        ),
        tuple(
            Series(name, f"{name} {'renewal' if name == '1' else 'renewals'}", "count")
            for name in (*renewals.RENEWALS, renewals.MORE)
        ),
        "sum", BY_PRICE, renewals.ends_by_renewals, "movements and domain events", version=2,
        parts=parts(*renewals.RENEWALS, renewals.MORE),
        listing=Listing(
            listed_readers.ended_rows, (*renewals.RENEWALS, renewals.MORE),
            (*renewals.RENEWALS, renewals.MORE),
        ),
    ),
)  # fmt: skip
