"""The movements of MRR by step, counted from all of their rows: for any zone, and as long as it takes."""

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Subquery,
    case,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from service.db.tables import Checkout, CheckoutTouches, MovementRow
from service.reports import led
from service.reports.asked import Asked, Dimensions
from service.reports.movement_sums import KINDS_OF, tenure_of
from service.reports.period import NotAsked
from service.reports.source_sums import LED
from service.reports.tallies import (
    BEFORE,
    CHANGED_IN,
    CHANGED_OUT,
    INVOLUNTARY,
    JOINED,
    LEFT,
    VOLUNTARY,
    Stay,
)

Amount = tuple[int, str, str, str, str, int, int]
"""Step, split, currency, kind, interval charged, how many of it, and minor units for these."""
Joined = tuple[int, str, str, str, int]
"""Step, split, currency, way, and how many readers."""
Ended = tuple[int, str, str, str, int]
"""Step, split, cause, tenure, and how many readers."""
MOST_STAYS = 200_000
"""Of more readers a figure of single stays isn't counted from the rows."""


async def money(session: AsyncSession, asked: Asked, *, after_discounts: bool) -> list[Amount]:
    """What was gained and lost."""
    sides = sides_of(asked).subquery("sides")
    amount = sides.c.net if after_discounts else sides.c.recurring
    dimensions = dimensions_of(sides)
    rows = (
        select(
            asked.step_at(sides.c.at).label("step"),
            asked.split_of(dimensions).label("split"),
            sides.c.currency, sides.c.kind, sides.c.interval, sides.c.every,
            (sides.c.sign * amount).label("amount"),
        )
        .where(sides.c.at < asked.until, *asked.filters(dimensions))
        .subquery("rows")
    )  # fmt: skip
    grouping = (
        rows.c.step, rows.c.split, rows.c.currency, rows.c.kind, rows.c.interval, rows.c.every,
    )  # fmt: skip
    found = await session.execute(select(*grouping, func.sum(rows.c.amount)).group_by(*grouping))
    return [(*key, int(total)) for *key, total in found]


async def readers(session: AsyncSession, asked: Asked, *, by_currency: bool) -> list[Joined]:
    """Who joined and left.

    What begins and ends at one instant cancels out, so a switch is neither.
    """
    sides = sides_of(asked).subquery("sides")
    dimensions = dimensions_of(sides)
    currency = sides.c.currency if by_currency else literal("")
    changes = changes_of(sides, asked.split_of(dimensions), currency, asked)
    edges = edges_of(changes)
    rows = select(
        asked.step_at(edges.c.at).label("step"), edges.c.split, edges.c.currency, edges.c.way
    ).subquery("rows")
    grouping = (rows.c.step, rows.c.split, rows.c.currency, rows.c.way)
    found = await session.execute(select(*grouping, func.count()).group_by(*grouping))
    return [(*key, count) for *key, count in found]


async def ends(session: AsyncSession, asked: Asked) -> list[Ended]:
    """Who left in the period, why and after how long."""
    found = await stays(session, asked)
    return await asyncio.to_thread(_ends, asked, found)


def _ends(asked: Asked, found: list[Stay]) -> list[Ended]:
    counts: Counter[tuple[int, str, str, str]] = Counter()
    starts = [each.since for each in asked.period.steps]
    for each in found:
        if each.until is None or each.way not in {VOLUNTARY, INVOLUNTARY}:
            continue
        step = bisect_right(starts, each.until) - 1
        if step != BEFORE:
            counts[step, each.split, each.cause, tenure_of(each.until - each.since)] += 1
    return [(*key, count) for key, count in counts.items()]


async def cohorts(session: AsyncSession, asked: Asked) -> dict[int, list[int]]:
    """By the step of the first payment: how many readers of it had a paid subscription in each step."""
    found = await stays(session, asked.among(()))
    if asked.chosen:
        wanted = await _begun(session, asked)
        firsts = {each.customer: each.since for each in reversed(found)}
        found = [each for each in found if (each.customer, firsts[each.customer]) in wanted]
    return await asyncio.to_thread(_cohorts, asked, found)


async def _begun(session: AsyncSession, asked: Asked) -> set[tuple[str, datetime]]:
    """Readers and instants at which they began to pay for what is asked for; of several the first by name."""
    sides = sides_of(asked).subquery("sides")
    dimensions = dimensions_of(sides)
    columns = [each.label(name) for name, each in dimensions.items()]
    began = (
        select(sides.c.customer, sides.c.at, *columns)
        .where(sides.c.at < asked.until)
        .group_by(sides.c.customer, sides.c.at, *columns)
        .having(func.sum(sides.c.sign) > 0)
        .order_by(sides.c.customer, sides.c.at, *columns)
    )
    found: dict[tuple[str, datetime], bool] = {}
    for customer, at, *values in await session.execute(began):
        of = dict(zip(dimensions, values, strict=True))
        fits = all(of[name] == value for name, value in asked.chosen.items())
        found.setdefault((customer, at), fits)
    return {key for key, fits in found.items() if fits}


def _cohorts(asked: Asked, found: list[Stay]) -> dict[int, list[int]]:
    theirs: defaultdict[str, list[Stay]] = defaultdict(list)
    for each in found:
        theirs[each.customer].append(each)
    starts = [each.since for each in asked.period.steps]
    cohorts: defaultdict[int, list[int]] = defaultdict(lambda: [0] * asked.steps)
    for stayed in theirs.values():
        first = bisect_right(starts, stayed[0].since) - 1
        if first != BEFORE:
            for number, step in enumerate(asked.period.steps):
                cohorts[first][number] += any(
                    _overlaps(each, step.since, step.until) for each in stayed
                )
    return cohorts


def _overlaps(stay: Stay, since: datetime, until: datetime) -> bool:
    return stay.since < until and (stay.until is None or stay.until > since)


def sides_of(asked: Asked) -> CompoundSelect[Any]:
    """Each movement as what it takes away and what it adds; with what led to the purchase, where it is asked."""
    row = MovementRow
    by_source = asked.among(led.SOURCES)
    is_by_source = bool(by_source.split or by_source.chosen)
    sources = led_by().items() if is_by_source else ()
    common = (
        row.customer, row.subscription_id, row.at, row.kind, row.cause, row.currency,
        *(column.label(name) for name, column in sources),
    )  # fmt: skip
    out = select(
        *common, literal(-1).label("sign"), row.from_plan.label("plan"),
        row.from_interval.label("interval"), row.from_interval_count.label("every"),
        row.from_recurring.label("recurring"), row.from_net.label("net"),
    ).where(row.from_plan.is_not(None))  # fmt: skip
    into = select(
        *common, literal(1), row.to_plan, row.to_interval, row.to_interval_count,
        row.to_recurring, row.to_net,
    ).where(row.to_plan.is_not(None))  # fmt: skip
    if not is_by_source:
        return union_all(out, into)
    bought = Checkout.stripe_subscription_id == row.subscription_id
    touches = CheckoutTouches.checkout_id == Checkout.id
    return union_all(
        *(
            each.outerjoin(Checkout, bought).outerjoin(CheckoutTouches, touches)
            for each in (out, into)
        )
    )


def led_by() -> Dimensions:
    """By the checkout; where an erasure deleted that, as the rollup has the subscription's latest that is in it."""
    nothing = dict.fromkeys(LED, led.UNKNOWN) | {"campaign": led.NO_CAMPAIGN}
    is_there = CheckoutTouches.checkout_id.is_not(None)
    return {
        name: case(
            (is_there, column), else_=func.coalesce(LED[name], *_known(LED[name], nothing[name]))
        )
        for name, column in led.dimensions(CheckoutTouches).items()
    }


def _known(column: InstrumentedAttribute[str | None], otherwise: str) -> tuple[Any, Any]:
    """What another movement of the subscription says, for one that came with the erasure."""
    other = aliased(MovementRow)
    said = getattr(other, column.key)
    of_another = (
        select(said)
        .where(other.subscription_id == MovementRow.subscription_id, said.is_not(None))
        .order_by(other.number.desc())
        .limit(1)
        .correlate(MovementRow)
        .scalar_subquery()
    )
    return of_another, literal(otherwise)


def dimensions_of(sides: Subquery) -> Dimensions:
    return {
        "plan": sides.c.plan,
        "interval_charged": sides.c.interval,
        "currency": sides.c.currency,
        **{name: sides.c[name] for name in led.SOURCES if name in sides.c},
    }


def changes_of(
    sides: Subquery, split: Any, currency: Any, asked: Asked, *of: ColumnElement[bool]
) -> Subquery:
    """How many more subscriptions a reader pays for at each instant, by which kinds, and one that changed."""
    rows = (
        select(
            sides.c.customer, sides.c.subscription_id, sides.c.at, sides.c.kind, sides.c.cause, sides.c.sign,
            split.label("split"), currency.label("currency"),
        )
        .where(sides.c.at < asked.until, *of, *asked.filters(dimensions_of(sides)))
        .subquery("sorted_sides")
    )  # fmt: skip
    whose = (rows.c.customer, rows.c.split, rows.c.currency)
    flags = [
        func.max(case((rows.c.kind == kind, 1), else_=0)).label(way)
        for way, kind in KINDS_OF.items()
    ]
    changes = (
        select(
            *whose, rows.c.at, func.sum(rows.c.sign).label("change"),
            func.min(case((rows.c.sign < 0, rows.c.cause))).label("cause"),
            func.max(rows.c.subscription_id).label("subscription_id"), *flags,
        )
        .group_by(*whose, rows.c.at)
        .subquery("changes")
    )  # fmt: skip
    after = func.sum(changes.c.change).over(
        partition_by=(changes.c.customer, changes.c.split, changes.c.currency),
        order_by=changes.c.at,
    )
    return select(changes, after.label("after")).subquery("counted")


def edges_of(changes: Subquery) -> Subquery:
    """The instants at which a reader becomes active, or stops being it."""
    after, before = changes.c.after, changes.c.after - changes.c.change

    def way(names: tuple[str, ...], otherwise: str) -> Any:
        return case(*((changes.c[name] == 1, name) for name in names), else_=otherwise)

    return (
        select(
            changes.c.customer, changes.c.at, changes.c.split, changes.c.currency,
            changes.c.cause, changes.c.subscription_id,
            case(
                (after == 0, way(LEFT[:-1], CHANGED_OUT)), else_=way(JOINED[:-1], CHANGED_IN)
            ).label("way"),
        )
        .where((after == 0) != (before == 0))
        .subquery("edges")
    )  # fmt: skip


async def stays(session: AsyncSession, asked: Asked) -> list[Stay]:
    """All times as active subscribers that began before the period's end, the oldest first.

    Raises NotAsked where there are too many to look at each.
    """
    sides = sides_of(asked).subquery("sides")
    edges = edges_of(changes_of(sides, asked.split_of(dimensions_of(sides)), literal(""), asked))
    columns = (edges.c.customer, edges.c.split, edges.c.at, edges.c.way, edges.c.cause)
    found = list(
        await session.execute(
            select(*columns)
            .order_by(edges.c.customer, edges.c.split, edges.c.at)
            .limit(MOST_STAYS + 1)
        )
    )
    if len(found) > MOST_STAYS:
        raise NotAsked("zone", too_many(asked))
    return await asyncio.to_thread(_stays, found)


def too_many(asked: Asked) -> str:
    """Why it can't be counted from the rows, and what to do."""
    if asked.period.zone.key == asked.home.key:
        return "What subscribers did isn't added up by day yet. Ask again in some minutes."
    return (
        f"There are too many subscribers to count them by days of {asked.period.zone.key}: choose "
        f"the zone {asked.home.key}, by whose days they are added up."
    )


def _stays(edges: Iterable[Any]) -> list[Stay]:
    found: defaultdict[tuple[str, str], list[Stay]] = defaultdict(list)
    for customer, split, at, way, cause in edges:
        theirs = found[customer, split]
        if way in LEFT:
            began = theirs.pop()
            theirs.append(Stay(customer, split, began.since, at, way, cause))
        else:
            theirs.append(Stay(customer, split, at, None, "", ""))
    together = [each for theirs in found.values() for each in theirs]
    return sorted(together, key=lambda each: (each.since, each.customer))
