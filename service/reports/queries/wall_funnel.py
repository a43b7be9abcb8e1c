"""From a wall, or a prompt, to a payment: who met it, began a checkout after it, and completed one."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Checkout, Offer
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, share
from service.reports.led import SOURCES
from service.reports.queries import kept_rows
from service.reports.queries.clicks import by_buyer
from service.reports.queries.counting import WHOLE
from service.reports.queries.holders import at_hand, by_step_and_whole, place_of, splits_of
from service.reports.queries.met_walls import WALLS, has_prompt, is_wall, met
from service.reports.queries.purchases import is_purchase
from service.reports.queries.waited import Met, Place, had_since, once_over

AFTER = timedelta(days=7)
OFFERS = ("offer",)
SPLITS = (*WALLS, *OFFERS, *SOURCES)
PROMPT_SPLITS = tuple(each for each in SPLITS if each != "wall")
_SERIES = ("met", "started", "paid", "started_rate", "paid_rate", "completed")
_Counts = defaultdict[Place | None, int]
_BySplit = defaultdict[str, _Counts]


async def wall_funnel(
    session: AsyncSession, asked: Asked, most: int = kept_rows.MOST_ROWS
) -> list[Line]:
    """Distinct holders who met a wall, and of these who began a checkout and completed one in time."""
    return await _funnel(session, asked, most, is_wall(), "wall")


async def prompt_funnel(
    session: AsyncSession, asked: Asked, most: int = kept_rows.MOST_ROWS
) -> list[Line]:
    """The same of what walls, countdowns and notices say."""
    return await _funnel(session, asked, most, has_prompt(), "prompt")


async def _funnel(
    session: AsyncSession, asked: Asked, most: int, condition: ColumnElement[bool], what: Met
) -> list[Line]:
    """From the ledger's rows of this condition, which are of `what`.

    Of more than `most` rows a sample of the holders is looked at, and a line says which share of them. Numbers of
    holders are multiplied.
    """
    first, last = asked.period.first, min(asked.period.last, asked.today)
    gone = await kept_rows.gone_before(session, first, last)
    if gone is not None:
        return [line_of(lambda _: kept_rows.deleted(gone), asked.steps, name) for name in _SERIES]
    digits = await kept_rows.sample(session, first, last, most)
    firsts = _firsts(asked, digits, condition)
    found_met = await _met(session, asked, firsts)
    begun, paid = await _went_on(session, asked, firsts, digits)
    enlarged = kept_rows.rate(digits).denominator

    def lines(split: str) -> list[Line]:
        # Who met one and bought nothing chose no offer: all who met one are the whole of each.
        met_here = found_met["" if asked.split in OFFERS else split]
        started, completed = begun[split], paid[split]

        def number(of: _Counts) -> Callable[[int | None], Cell]:
            return once_over(asked, AFTER, lambda at: Cell(of[at] * enlarged), what)

        def part(of: _Counts, whole: _Counts, words: str) -> Callable[[int | None], Cell]:
            return once_over(asked, AFTER, lambda at: share(of[at], whole[at], of=words), what)

        holders = f"holders who met a {what}"
        made: dict[str, Callable[[int | None], Cell]] = {
            "met": lambda at: Cell(met_here[at] * enlarged),
            "started": number(started),
            "paid": number(completed),
            "started_rate": part(started, met_here, holders),
            "paid_rate": part(completed, met_here, holders),
            "completed": part(completed, started, "holders who began a checkout"),
        }
        return [line_of(make, asked.steps, name, split=split) for name, make in made.items()]

    found = begun if asked.split in OFFERS else found_met
    made = [line for split in splits_of(asked, found) for line in lines(split)]
    return [*made, *kept_rows.sample_line(asked, digits)]


def _firsts(asked: Asked, digits: int, condition: ColumnElement[bool]) -> Subquery:
    """Each holder's first such row of a step and of the period, by the split."""
    theirs = met(asked, digits, condition)
    return by_step_and_whole(
        asked.step_on(theirs.c.day),
        theirs,
        func.min,
        {"met_at": theirs.c.at, "met_on": theirs.c.day},
    )


async def _met(session: AsyncSession, asked: Asked, firsts: Subquery) -> _BySplit:
    """By step, over the period as a whole, and up to its last day that is so long over."""
    found, last = _nobody(), had_since(asked, AFTER)
    rows = select(firsts.c.step, firsts.c.split, (firsts.c.met_on <= last).label("had")).subquery()
    by = (rows.c.step, rows.c.split, rows.c.had)
    for step, split, had, count in await session.execute(select(*by, func.count()).group_by(*by)):
        found[split][place_of(step)] += count
        if step == WHOLE and had:
            found[split][last] = count
    return found


async def _went_on(
    session: AsyncSession, asked: Asked, firsts: Subquery, digits: int
) -> tuple[_BySplit, _BySplit]:
    """Of the holders who met it, who began a checkout in time, and who completed such a one."""
    of_offers = asked.among(OFFERS)
    dimensions: Dimensions = {"offer": Offer.id.expression}

    def only(rows: Select[Any]) -> Select[Any]:
        return rows.join(Offer, Offer.id == Checkout.offer_id).where(
            Checkout.created_at >= asked.since,
            Checkout.created_at < asked.until + AFTER,
            *of_offers.filters(dimensions),
        )

    clicks = by_buyer(
        Checkout.created_at.expression, is_purchase().label("is_paid"),
        of_offers.split_of(dimensions).label("offer"), digits=digits, only=only,
    )  # fmt: skip
    theirs = at_hand(clicks.subquery("whose_clicks"))
    joined = (
        select(
            firsts.c.step, firsts.c.split, firsts.c.whose, firsts.c.met_at, firsts.c.met_on,
            theirs.c.created_at, theirs.c.is_paid, theirs.c.offer,
        )
        .join(theirs, theirs.c.whose == firsts.c.whose)
        .where(theirs.c.created_at >= firsts.c.met_at)
    )  # fmt: skip
    begun: defaultdict[tuple[str, Place], set[str]] = defaultdict(set)
    paid: defaultdict[tuple[str, Place], set[str]] = defaultdict(set)
    last = had_since(asked, AFTER)
    for step, split, whose, met_at, met_on, clicked_at, is_paid, offer in await session.execute(
        joined
    ):
        if clicked_at <= met_at + AFTER and (step != WHOLE or met_on <= last):
            key = (offer if of_offers.split else split, last if step == WHOLE else step)
            begun[key].add(whose)
            if is_paid:
                paid[key].add(whose)
    return _sizes(begun), _sizes(paid)


def _nobody() -> _BySplit:
    return defaultdict(lambda: defaultdict(int))


def _sizes(of: defaultdict[tuple[str, Place], set[str]]) -> _BySplit:
    found = _nobody()
    for (split, at), holders in of.items():
        found[split][at] = len(holders)
    return found
