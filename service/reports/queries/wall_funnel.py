"""From a wall to a payment: who met it, began a checkout after it, and completed one."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Subquery, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, Article, Checkout, Offer
from service.metering.store import DEVICE, READER
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, none, share
from service.reports.queries import kept_rows
from service.reports.queries.holders import (
    NO_SECTION,
    BySplit,
    at_hand,
    by_step_and_whole,
    counted,
    place_of,
    splits_of,
)
from service.reports.queries.ledger import with_whose
from service.reports.queries.touched import SOURCES, with_split

AFTER = timedelta(days=7)
MOST_ROWS = 200_000
WALLS, OFFERS = ("wall", "audience", "prompt", "section"), ("offer",)
SPLITS = (*WALLS, *OFFERS, *SOURCES)
_NOT_OVER = f"The {AFTER.days} days after its last wall aren't over."


async def wall_funnel(session: AsyncSession, asked: Asked, most: int = MOST_ROWS) -> list[Line]:
    """Distinct holders who met a wall, and of these who began a checkout and completed one in time.

    Of more than `most` rows a sample of the holders is looked at, and a line says which share of them.
    """
    first, last = asked.period.first, min(asked.period.last, asked.today)
    gone = await kept_rows.gone_before(session, first, last)
    if gone is not None:
        return [line_of(lambda _: kept_rows.deleted(gone), asked.steps, "met")]
    digits = await kept_rows.sample(session, first, last, most)
    walls = _walls(asked, digits)
    met = await _met(session, walls)
    begun, paid = await _went_on(session, asked, walls)

    def lines(split: str) -> list[Line]:
        # Who met a wall and bought nothing chose no offer: all who met one are the whole of each.
        met_here = met["" if asked.split in OFFERS else split]
        started, completed = begun[split], paid[split]
        counts = {"met": met_here, "started": started, "paid": completed}

        def part(
            of: BySplit, whole: Callable[[int | None], int], words: str
        ) -> Callable[..., Cell]:
            return _once_over(asked, lambda at: share(of[split][at], whole(at), of=words))

        made: dict[str, Callable[[int | None], Cell]] = {
            name: _number(asked, of, at_once=name == "met") for name, of in counts.items()
        }
        walled = "holders who met a wall"
        made["started_rate"] = part(begun, lambda at: met_here[at], walled)
        made["paid_rate"] = part(paid, lambda at: met_here[at], walled)
        made["completed"] = part(paid, lambda at: started[at], "holders who began a checkout")
        return [line_of(make, asked.steps, name, split=split) for name, make in made.items()]

    found = begun if asked.split in OFFERS else met
    made = [line for split in splits_of(asked, found) for line in lines(split)]
    if digits:
        sample = Cell(kept_rows.rate(digits))
        made.append(line_of(lambda _: sample, asked.steps, "sample"))
    return made


def _number(asked: Asked, of: dict[int | None, int], *, at_once: bool) -> Callable[..., Cell]:
    def cell(at: int | None) -> Cell:
        return Cell(of.get(at, 0))

    return cell if at_once else _once_over(asked, cell)


def _once_over(asked: Asked, make: Callable[[int | None], Cell]) -> Callable[[int | None], Cell]:
    def cell(at: int | None) -> Cell:
        until = asked.until if at is None else asked.period.steps[at].until
        return none(_NOT_OVER) if until + AFTER > asked.now else make(at)

    return cell


def _walls(asked: Asked, digits: int) -> Subquery:
    """Each holder's first wall of a step and of the period, by the split."""
    entry = AccessEntry
    first, last = asked.period.first, min(asked.period.last, asked.today)
    dimensions: Dimensions = {
        "wall": entry.wall.expression,
        "audience": func.coalesce(entry.audience, literal("not known")),
        "prompt": func.coalesce(entry.prompt, literal("not known")),
        "section": func.coalesce(Article.section, literal(NO_SECTION)),
    }
    of_walls = asked.among(WALLS)
    rows = (
        select(entry.day, entry.at, entry.holder, of_walls.split_of(dimensions).label("split"))
        .outerjoin(Article, Article.id == entry.article_id)
        .where(
            entry.wall.is_not(None), kept_rows.on_days(first, last), *kept_rows.sampled(digits),
            *of_walls.filters(dimensions),
        )
        .subquery("walls")
    )  # fmt: skip
    theirs = with_split(with_whose(rows).subquery("whose_walls"), asked).subquery("split_walls")
    return by_step_and_whole(
        asked.step_on(theirs.c.day), theirs, func.min, {"wall_at": theirs.c.at}
    )


async def _met(session: AsyncSession, walls: Subquery) -> BySplit:
    found = counted()
    grouping = (walls.c.step, walls.c.split)
    for step, split, count in await session.execute(
        select(*grouping, func.count()).group_by(*grouping)
    ):
        found[split][place_of(step)] = count
    return found


async def _went_on(session: AsyncSession, asked: Asked, walls: Subquery) -> tuple[BySplit, BySplit]:
    """Of the holders who met a wall, who began a checkout in time, and who completed such a one."""
    of_offers = asked.among(OFFERS)
    dimensions: Dimensions = {"offer": Offer.name.expression}
    buyer = func.coalesce(
        literal(READER) + Checkout.reader_id, literal(DEVICE) + Checkout.device_id
    )
    clicks = (
        select(
            buyer.label("holder"), Checkout.created_at, Checkout.status,
            of_offers.split_of(dimensions).label("offer"),
        )
        .join(Offer, Offer.id == Checkout.offer_id)
        .where(
            Checkout.created_at >= asked.since, Checkout.created_at < asked.until + AFTER,
            *of_offers.filters(dimensions),
        )
        .subquery("clicks")
    )  # fmt: skip
    theirs = at_hand(with_whose(clicks).subquery("whose_clicks"))
    joined = (
        select(
            walls.c.step, walls.c.split, walls.c.whose, walls.c.wall_at,
            theirs.c.created_at, theirs.c.status, theirs.c.offer,
        )
        .join(theirs, theirs.c.whose == walls.c.whose)
        .where(theirs.c.created_at >= walls.c.wall_at)
    )  # fmt: skip
    begun: defaultdict[tuple[str, int | None], set[str]] = defaultdict(set)
    paid: defaultdict[tuple[str, int | None], set[str]] = defaultdict(set)
    for step, split, whose, wall_at, clicked_at, status, offer in await session.execute(joined):
        if clicked_at <= wall_at + AFTER:
            key = (offer if of_offers.split else split, place_of(step))
            begun[key].add(whose)
            if status == "completed":
                paid[key].add(whose)
    return _sizes(begun), _sizes(paid)


def _sizes(of: defaultdict[tuple[str, int | None], set[str]]) -> BySplit:
    found = counted()
    for (split, at), holders in of.items():
        found[split][at] = len(holders)
    return found
