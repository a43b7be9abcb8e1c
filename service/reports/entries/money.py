"""Figures of money."""

from typing import get_args

from service.billing.movements import Kind
from service.reports.entries.parts import (
    BY_PRICE,
    BY_PRICE_AND_SOURCE,
    BY_SALE,
    MOVEMENTS,
    OF_MONEY,
    one,
    parts,
    several,
)
from service.reports.figure import Figure, Series
from service.reports.listed import Listing
from service.reports.metrics import COMMITTED_MRR, MRR, MRR_AFTER_DISCOUNTS, Definition
from service.reports.queries import listed_sales, money, promotions, subscribers

FIGURES: tuple[Figure, ...] = (
    Figure(
        "mrr", "Money", MRR, one("money"), "end", BY_PRICE_AND_SOURCE, subscribers.mrr, MOVEMENTS,
        is_sum_of_money=True,
    ),
    Figure(
        "mrr-after-discounts", "Money", MRR_AFTER_DISCOUNTS, one("money"), "end", BY_PRICE_AND_SOURCE,
        subscribers.mrr_after_discounts, MOVEMENTS, is_sum_of_money=True,
    ),
    Figure(
        "committed-mrr", "Money", COMMITTED_MRR, one("money"), "end", BY_PRICE,
        subscribers.committed_mrr, "movements, domain events and subscriptions", version=2,
        is_sum_of_money=True,
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
            churn_voluntary="Voluntary churn", churn_involuntary="Involuntary churn",
            pause="Pause", end="At the end",
        ),
        "mixed", BY_PRICE_AND_SOURCE, subscribers.mrr_movements, MOVEMENTS,
        parts=parts(*get_args(Kind)),
    ),
    Figure(
        "arr", "Money",
        Definition("ARR", "Annual recurring revenue: MRR × 12.", OF_MONEY),
        one("money"), "end", BY_PRICE_AND_SOURCE, subscribers.arr, MOVEMENTS, is_sum_of_money=True,
    ),
    Figure(
        "arpu", "Money",
        Definition(
            "Average revenue per subscriber",
            "MRR ÷ active subscribers, for each currency: a reader counts for each currency that "
            "they pay in.",
            "Active subscribers at the same instant.",
        ),
        one("money"), "end", BY_PRICE_AND_SOURCE, subscribers.revenue_a_reader, MOVEMENTS,
    ),
    Figure(
        "quick-ratio", "Money",
        Definition(
            "Quick ratio",
            "MRR gained (new, reactivation, expansion) for each unit of MRR lost (churn, "
            "contraction). Above 1 MRR grows.",
            "MRR lost by churn and contraction.",
        ),
        one("times"), "own", BY_PRICE_AND_SOURCE, subscribers.quick_ratio, MOVEMENTS,
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
        one("money"), "own", BY_PRICE_AND_SOURCE, subscribers.lifetime_value, MOVEMENTS,
    ),
    Figure(
        "dunning", "Money",
        Definition(
            "Failed payment recovery",
            "Invoices for your offers, by what happened after a charge failed, with the amount due "
            "on each. New: the first charge failed. Recovered: the invoice was paid. Lost: it is void "
            "or uncollectible, or Stripe plans no further attempt; dated by the last failed attempt. The first "
            "payment of a subscription is left out: a reader who is declined at checkout owes nothing. By decline "
            "reason: by the bank's last response; by failed attempts: by the number of failed charges.",
            "Invoices that were recovered or lost in the interval.",
        ),
        (
            *several("count", begun="New", recovered="Recovered", lost="Lost"),
            Series("rate", "Recovery rate", "percent"),
            *several(
                "money", begun_amount="New amount", recovered_amount="Recovered amount",
                lost_amount="Lost amount",
            ),
        ),
        "mixed", ("decline", "tries", "offer", "plan", "currency"), money.dunning,
        "invoices, charges and offers",
        version=2,
        listing=Listing(
            listed_sales.dunning_rows, tuple(listed_sales.SETTLED), ("begun",),
            more={listed_sales.OPEN: "Still open at the end"},
        ),
    ),
    Figure(
        "revenue", "Money",
        Definition(
            "Revenue",
            "What was charged for subscriptions, passes and gift subscriptions, what of it was refunded and disputed, and "
            "Stripe's fees for it, their tax among them: as the balance at Stripe has it, when it was "
            "booked there, in the currency that it is settled in. Charged less refunded, disputed and "
            "fees is net, exactly. A refund that failed and a dispute that was won come back as less, and "
            "a bank debit that failed after it was booked is taken off what was charged. Tax is that of paid "
            "invoices, when they were paid; it is part of what was charged, what is refunded isn't "
            "taken off it, and passes and gifts have none. Other money on the account, and fees that belong to "
            "no payment, are left out.",
            OF_MONEY,
        ),
        several(
            "money", subscriptions="Subscriptions", passes="Passes", gifts="Gifts", refunded="Refunded",
            disputed="Disputed", fees="Fees", fee_tax="Tax on fees", net="Net", tax="Tax",
        ),
        "sum", BY_SALE, money.revenue, "balance entries and invoices", version=3,
        parts=parts("subscriptions", "passes", "gifts"),
        is_sum_of_money=True,
    ),
    Figure(
        "refunds-and-disputes", "Money",
        Definition(
            "Refunds and disputes",
            "How many refunds were made and chargebacks opened on charges for what you sell, and for "
            "how much, in the currency charged; failed refunds and inquiries don't count. Beside them "
            "their shares of the charges that were paid in the same interval, by number and by amount.",
            "Charges paid in the interval.",
        ),
        (
            *several("count", charges="Paid charges", refunds="Refunds", disputes="Disputes"),
            *several(
                "percent", refund_rate="Refund rate", dispute_rate="Dispute rate",
            ),
            *several("money", charged="Charged", refunded="Refunded", disputed="Disputed"),
            *several(
                "percent", refunded_rate="Refund rate by amount", disputed_rate="Dispute rate by amount",
            ),
        ),
        "mixed", BY_SALE, money.refunds_and_disputes, "charges, refunds and disputes", version=2,
        listing=Listing(listed_sales.back_rows, tuple(listed_sales.BACK), ("refunds", "disputes")),
    ),
    Figure(
        "promotions", "Money",
        Definition(
            "Promotion codes",
            "How often coupons were given with what you sell, subscriptions, passes and gift subscriptions, by the "
            "promotion code that was redeemed; a coupon given without a code counts as such. Each use counts in "
            "the interval in which its discount began; that of a pass or a gift when it was paid. New subscribers: "
            "of these uses those whose subscription is a reader's first, and began to be paid with the code or "
            "after it. Still subscribed: those whose subscription isn't over now. Paid: what was paid for passes "
            "and gifts, and what paid invoices of the subscriptions took since then, up to now, tax included and "
            "before refunds. A subscription with two codes counts with each. Intro prices are no promotions.",
            "No denominator: numbers of uses, and amounts by currency.",
        ),
        (
            *several(
                "count", used="Used", passes="Used for passes", gifts="Used for gifts",
                new="New subscribers", still="Still subscribed",
            ),
            *several("money", paid="Paid"),
        ),
        "sum", ("code", "coupon", "plan", "currency"), promotions.promotions,
        "uses of promotion codes, movements, subscriptions, invoices and passes",
        version=2,
        listing=Listing(
            listed_sales.promotion_rows, ("used", "passes", "gifts", "new", "still", "paid"), ("used",)
        ),
    ),
    Figure(
        "payouts", "Money",
        Definition(
            "Payouts",
            "What Stripe pays to your bank, by the day on which it arrives; payouts that failed or were "
            "cancelled don't count. It pays out everything on the account, also what isn't for what "
            "you sell.",
            OF_MONEY,
        ),
        one("money"), "sum", (), money.payouts, "payouts", filters=("currency",), parts=parts(),
        is_sum_of_money=True,
    ),
)  # fmt: skip
