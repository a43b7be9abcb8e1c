"""Figures of subscribers."""

from service.reports.entries.parts import (
    BY_PRICE_AND_SOURCE,
    MOVEMENTS,
    OF_READERS,
    one,
    parts,
    several,
)
from service.reports.figure import Figure, Series
from service.reports.listed import AT_END, AT_START, Listing
from service.reports.metrics import ACTIVE_SUBSCRIBERS, Definition
from service.reports.movement_sums import PRICE_CLASSES
from service.reports.queries import (
    listed_readers,
    listed_sales,
    sales,
    subscribers,
    usage_rights,
)
from service.reports.tallies import JOINED, LEFT

FIGURES: tuple[Figure, ...] = (
    Figure(
        "active-subscribers", "Subscribers", ACTIVE_SUBSCRIBERS, one("readers"), "end", BY_PRICE_AND_SOURCE,
        subscribers.active_subscribers, MOVEMENTS,
        listing=Listing(
            listed_readers.active_rows, ("all",), ("all",), at_instant={"all": AT_END}, when="First paid",
            counted_first=True,
        ),
    ),
    Figure(
        "joined-and-left", "Subscribers",
        Definition(
            "Joined and left",
            "How readers became active subscribers and how they stopped being one. New: for the first "
            "time. Returned: after they had left. Voluntary: the last subscription ended as the "
            "reader wished. Payment failed: after the last attempt to charge. A pause of collection "
            "and its end are shown separately. Switched: the subscription continues, but has become free or "
            "is paid again; broken down by plan, billing interval or currency, readers who switched "
            "too. Together they add up to the change in active subscribers. A reader who "
            "leaves twice counts twice.",
            OF_READERS,
        ),
        several(
            "readers", start="At the start", new="New", reactivated="Returned", resumed="Resumed",
            changed_in="Switched in", involuntary="Payment failed", voluntary="Voluntary",
            paused="Paused", changed_out="Switched out", end="At the end",
        ),
        "mixed", BY_PRICE_AND_SOURCE, subscribers.joined_and_left, MOVEMENTS,
        parts=parts(*JOINED, *LEFT),
        listing=Listing(
            listed_readers.joined_and_left_rows, ("start", *JOINED, *LEFT, "end"), (*JOINED, *LEFT),
            at_instant={"start": AT_START, "end": AT_END}, counted_first=True,
        ),
    ),
    Figure(
        "trial-conversion", "Subscribers",
        Definition(
            "Trial conversion",
            "Of the trials that ended, those whose first invoice was paid. Pending: the trial is over, "
            "and its first invoice isn't settled yet; Stripe makes the subscription active an hour "
            "before it charges. A trial that is cancelled ends when its subscription ends. Free time "
            "that is given later, in the middle of a subscription, is no trial.",
            "Trials that ended in the interval, pending ones among them.",
        ),
        (
            Series("converted", "Converted", "percent"), Series("ended", "Ended", "count"),
            Series("paid", "Paid", "count"), Series("lost", "Lost", "count"),
            Series("pending", "Pending", "count"),
        ),
        "own", BY_PRICE_AND_SOURCE, sales.trial_conversion,
        "subscriptions, movements, domain events, invoices and checkouts' touches", version=2,
        parts=parts("paid", "lost", "pending", of="ended"),
        listing=Listing(
            listed_sales.trial_rows, ("converted", "ended", "paid", "lost", "pending"), ("ended",),
            when="Ended",
        ),
    ),
    Figure(
        "usage-rights", "Subscribers",
        Definition(
            "Paid usage rights",
            "For audit bureaux such as IVW and AAM: the average number of paid usage rights at the end of a "
            "day, of the days that are over; months are whole numbers, as they are reported. A right counts "
            "that brings at least one cent (a minor unit of its currency) a day: a subscription after its "
            "discounts, without its trial, or a pass (single). Subscriptions by what is charged of the "
            "listed price. Comps and gifts don't count. A reader with two subscriptions has two rights.",
            "Days of the interval that are over.",
        ),
        several(
            "count", all="All", subscriptions="Subscriptions", single="Single (passes)",
            full="Subscriptions at the full price", half="At half of it or more",
            quarter="At a quarter or more", less="At less than a quarter",
        ),
        "own", ("plan", "currency"), usage_rights.usage_rights, "movements and passes",
        parts=(
            *parts("subscriptions", usage_rights.SINGLE, of="all"),
            *parts(*PRICE_CLASSES, of="subscriptions"),
        ),
        nameless=dict.fromkeys(
            ("all", "subscriptions", usage_rights.SINGLE, *PRICE_CLASSES),
            "This is an average over many days: there is no list behind it.",
        ),
    ),
)  # fmt: skip
