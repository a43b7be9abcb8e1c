"""Figures of those who read."""

from service.access.reasons import REASONS
from service.reports.entries.parts import (
    DEVICES,
    HOLDER,
    HOLDER_BY_DAY,
    IN_TIME,
    LEDGER,
    OF_READERS,
    SAMPLED_BY_SOURCE,
    one,
    parts,
    several,
)
from service.reports.figure import Figure, Series
from service.reports.led import SOURCES
from service.reports.listed import AT_END, Listing
from service.reports.metrics import Definition
from service.reports.queries import (
    first_walls,
    habits,
    listed_habits,
    listed_sales,
    sales,
    wall_funnel,
    walls,
)


def _followed(met: str) -> tuple[Series, ...]:
    """The series of those who were followed from what they met to a payment."""
    return (
        Series("met", met, "readers"), Series("started", "Started checkout", "readers"),
        Series("paid", "Completed checkout", "readers"), Series("started_rate", "Checkout rate", "percent"),
        Series("paid_rate", "Conversion rate", "percent"),
        Series("completed", "Checkout completion rate", "percent"),
        Series("sample", "Share of holders sampled", "percent"),
    )  # fmt: skip


FIGURES: tuple[Figure, ...] = (
    Figure(
        "registration-funnel", "Readers",
        Definition(
            "Registration funnel",
            "Holders who met a wall to register, and of them those who asked for a sign-in mail, those who verified "
            "an address, and those who paid for the first time, not for a gift, within 30 days of the first such wall of the interval. " + IN_TIME + "Beside them "
            "the average time from the wall to the verified address, and the average number of reads on "
            "the days in between. A holder who signs in to an account that they have already has asked, too, but doesn't register; "
            "a purchase verifies an address without a mail. "
            + SAMPLED_BY_SOURCE + "Those who met a wall are multiplied. " + HOLDER_BY_DAY,
            "Distinct holders who met a wall to register.",
        ),
        (
            Series("met", "Met a wall to register", "readers"),
            Series("asked", "Asked for a sign-in mail", "percent"),
            Series("registered", "Registered", "percent"), Series("paid", "Paid", "percent"),
            Series("days", "Time to register", "days"), Series("articles", "Reads on the way", "times"),
            Series("sample", "Share of holders sampled", "percent"),
        ),
        "own", SOURCES, first_walls.registration_funnel,
        "the access ledger by day, asks for sign-in mails, readers, movements and passes", version=9, by_day=True,
        nameless={"met": DEVICES},
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
        "own", ("section",), walls.access_mix, LEDGER, by_day=True,
    ),
    Figure(
        "registrations", "Readers",
        Definition(
            "Registrations",
            "Readers who verified an address, when they did so for the first time: a change of address is no "
            "registration. Readers who were erased since aren't known any more.",
            OF_READERS,
        ),
        one("readers"), "sum", SOURCES, sales.registrations, "readers", version=2, parts=parts(),
        listing=Listing(
            listed_sales.registration_rows, ("all",), ("all",), counted_first=True
        ),
    ),
    Figure(
        "sources", "Readers",
        Definition(
            "Subscription sources",
            "Subscriptions that were bought, by what led the buyer here first and what did last before "
            "the click: the campaign's source, else the site with the link. The start of a "
            "trial is a purchase; what was bought twice, or as a second trial, and is given back is none. What a "
            "reader came by who is erased within a month isn't known any more.",
            "No denominator: a count of purchases.",
        ),
        several("count", first="First", last="Last"),
        "sum", (), sales.sources, "checkouts, their touches and subscriptions",
        version=3, parts=(*parts("first"), *parts("last")),
        listing=Listing(
            listed_sales.source_rows, ("first", "last"), ("first",),
            told_apart={"first": "source", "last": "last_source"},
        ),
    ),
    Figure(
        "funnel", "Readers",
        Definition(
            "Conversion funnel",
            "Distinct holders who read or met a wall, those who met one, and distinct buyers (readers, "
            "else devices) who began a checkout for themselves and who completed one that they began in the interval. "
            "Checkouts begin elsewhere than at a wall, too. Who bought a gift for somebody else is counted apart. " + HOLDER_BY_DAY,
            "Buyers who began a checkout.",
        ),
        (
            Series("holders", "Read or met a wall", "readers"),
            Series("walled", "Met a wall", "readers"),
            Series("started", "Started checkout", "readers"),
            Series("paid", "Completed checkout", "readers"),
            Series("completed", "Checkout completion rate", "percent"),
            Series("gifts", "Bought a gift", "readers"),
        ),
        "own", (), habits.funnel, "the access ledger by day, and checkouts", by_day=True,
        version=3,
        nameless=dict.fromkeys(("holders", "walled", "started", "paid", "gifts"), DEVICES),
    ),
    Figure(
        "wall-funnel", "Readers",
        Definition(
            "Wall conversion funnel",
            "Distinct holders who met a wall, and of them those who began a checkout within 7 days of the "
            "first such wall of the interval, and those who completed one that they began then, gifts for others and "
            "what is given back left out. " + IN_TIME + "Told apart by "
            "the wall's kind, its words or the article's section, a holder counts for each that they met; "
            "by offer, all who met a wall are the whole of each. Of more than 200,000 rows a sixteenth of "
            "the holders is counted, or a sixteenth of that; numbers of holders are multiplied. " + HOLDER,
            "Distinct holders who met a wall; of those who completed it also those who began a checkout.",
        ),
        _followed("Met a wall"),
        "own", wall_funnel.SPLITS, wall_funnel.wall_funnel, "the access ledger, checkouts, offers and subscriptions",
        by_day=True, version=4, nameless=dict.fromkeys(("met", "started", "paid"), DEVICES),
    ),
    Figure(
        "prompt-funnel", "Readers",
        Definition(
            "Prompt conversion funnel",
            "Distinct holders who were shown what a wall, a countdown or a notice says, and of them those who began a "
            "checkout within 7 days of the first such showing of the interval, and those who completed one that they began "
            "then, gifts for others and what is given back left out. A prompt is shown where it comes with the answer "
            "to a read, or on a page of this service’s newspaper; there, beside an article that opens at once, the "
            "article’s first showing of the day counts. " + IN_TIME + "Told apart by the words, the reader or the "
            "article's section, a holder counts for each that they met; by offer, all who met a prompt are the whole "
            "of each. Of more than 200,000 rows a sixteenth of the holders is counted, or a sixteenth of that; numbers "
            "of holders are multiplied. " + HOLDER,
            "Distinct holders who were shown a prompt; of those who completed it also those who began a checkout.",
        ),
        _followed("Saw the prompt"),
        "own", wall_funnel.PROMPT_SPLITS, wall_funnel.prompt_funnel, "the access ledger, checkouts, offers and subscriptions",
        by_day=True, nameless=dict.fromkeys(("met", "started", "paid"), DEVICES),
    ),
    Figure(
        "active-days", "Readers",
        Definition(
            "Subscribers’ active days",
            "Of the readers who are active subscribers at the end of the interval, or of yesterday: the "
            "average number of days with a read among the last 30; who had none, of those who were active "
            "subscribers 30 days before, too; and who had fewer than half of the days of the 30 before. Reads count on devices that belong to them, too. Each day "
            "is counted in the night after it, and stays when readers are erased later.",
            "Active subscribers at the end of the interval; of those who had none, who were it 30 days before.",
        ),
        (
            Series("days", "Days with a read", "days"), Series("asleep", "No reads in 30 days", "percent"),
            Series("at_risk", "Activity halved", "percent"),
        ),
        "end", (), habits.active_days, "the access ledger by day, readers and movements", by_day=True,
        version=3,
        listing=Listing(
            listed_habits.habit_rows, ("days", "asleep", "at_risk"), ("days",),
            at_instant=dict.fromkeys(("days", "asleep", "at_risk", *listed_habits.BUCKETS), AT_END),
            when="First paid", more=listed_habits.BUCKET_WORDS, first_known=habits.first_known,
        ),
    ),
)  # fmt: skip
