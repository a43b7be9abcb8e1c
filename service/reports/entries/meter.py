"""Figures of the meter and its walls."""

from service.reports.entries.parts import (
    DEVICES,
    HOLDER,
    HOLDER_BY_DAY,
    IN_TIME,
    LEDGER,
    SAMPLED_BY_SOURCE,
    parts,
    several,
)
from service.reports.figure import Figure, Series
from service.reports.led import SOURCES
from service.reports.metrics import Definition
from service.reports.queries import first_walls, walls, what_if
from service.reports.queries.depths import METER
from service.reports.queries.met_walls import WALLS
from service.reports.returns import DAYS_TO_PAY

_DAYS_TO_PAY = {f"within_{n}": f"Within {n} {'day' if n == 1 else 'days'}" for n in DAYS_TO_PAY}
FIGURES: tuple[Figure, ...] = (
    Figure(
        "stop-rate", "Meter",
        Definition(
            "Meter stop rate",
            "Distinct holders who met a wall, any, to subscribe or to register, as a share of all who "
            "read or met one. By section, in which the article is now, it is of the ledger's own rows, and "
            "a holder counts in each section; of more than 200,000 rows a sixteenth of the holders is "
            "counted, or a sixteenth of that. " + SAMPLED_BY_SOURCE + HOLDER_BY_DAY,
            "Distinct holders with a read or a wall.",
        ),
        several(
            "percent", all="Met a wall", subscribe="To subscribe", register="To register",
            sample="Share of holders sampled",
        ),
        "own", (*SOURCES, "section"), walls.stop_rate, LEDGER, by_day=True, version=4,
    ),
    Figure(
        "paid-after-a-wall", "Meter",
        Definition(
            "Paid stop conversion",
            "Of the holders who met a wall to subscribe, those whose first payment ever came within "
            "1, 3, 7 or 30 days of the first such wall of the interval. A payment is the start of what a "
            "subscription brings, after its trial, or a pass; a gift for somebody else is none. " + IN_TIME + "Of those who didn't pay within 30 days, those who began a checkout for themselves "
            "after that wall left there, the others at the wall. Told apart by the wall's kind, walls to register "
            "count, too. By kind, words, audience or section it is of the ledger's own rows, and a holder counts for "
            "each that they met; of more than 200,000 rows a sixteenth of the holders is counted, or a sixteenth of "
            "that. " + SAMPLED_BY_SOURCE + HOLDER_BY_DAY,
            "Distinct holders who met a wall to subscribe.",
        ),
        several(
            "percent", **_DAYS_TO_PAY, left_at_checkout="Abandoned at checkout",
            left_at_wall="Left at the wall", sample="Share of holders sampled",
        ),
        "own", (*SOURCES, *WALLS), first_walls.paid_after_a_wall,
        "the access ledger by day, checkouts, movements and passes", version=8, by_day=True,
    ),
    Figure(
        "meter-depth", "Meter",
        Definition(
            "Meter depth",
            "Distinct holders of each day, week or month by how many metered articles they used, up to "
            "yesterday. Of the period: of all its intervals together. With the meter's own interval it is "
            "the depth of its windows. By meter: a section’s own meter and the publication’s are told apart, as long "
            "as the ledger keeps the rows, and a holder counts once for each of them. By source or meter of more than a "
            "million reads and walls, or 40,000 holders, they are those of a sample, multiplied. " + HOLDER,
            "No denominator: a count of holders.",
        ),
        (
            *(
                Series(name, f"{name} {'article' if name == '1' else 'articles'}", "readers")
                for name in walls.DEPTHS
            ),
            Series("sample", "Share of holders sampled", "percent"),
        ),
        "sum", (*SOURCES, METER), walls.meter_depth, LEDGER, by_day=True, version=4,
        parts=parts(*walls.DEPTHS), overlapping=(METER,), nameless=dict.fromkeys(walls.DEPTHS, DEVICES),
    ),
    Figure(
        "what-if-meter", "Meter",
        Definition(
            "Stop rate by meter limit",
            "The meter stop rate with a limit of 1 to 10 articles, for anonymous devices and for "
            "registered readers: what each tried to read is decided again with that limit. As it was: "
            "what happened. What readers would have tried after a wall that they didn't meet isn't "
            "known, nor what counts against a reader since a device brought it along at sign-in. "
            "Each device and each reader is a holder of its own here, as each has its own limit. Of "
            "more than 50,000 rows a sixteenth of the holders is replayed, or a sixteenth of that.",
            "Distinct holders of the kind, with a read or a wall.",
        ),
        (
            Series("anonymous", "Anonymous", "percent"), Series("registered", "Registered", "percent"),
            Series("sample", "Share of holders sampled", "percent"),
        ),
        "own", (), what_if.what_if, "the access ledger", by_day=True, is_heat_map=True,
        is_ranked=True,
    ),
)  # fmt: skip
