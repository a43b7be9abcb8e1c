"""The movements of MRR added up by day and by what led to each purchase, as movement_rollup.py adds them up without.

A row says as whose it was added up, and what was taken to have led to it (`sourced_as`, `led_…`). A checkout that is
found later makes its rows due; an erasure, which deletes what led to a checkout, doesn't: the rows keep it.
"""

import asyncio
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import (
    Checkout,
    CheckoutTouches,
    MovementRow,
    Rollup,
    SourceCohortMonth,
    SourceEdgeDay,
    SourceMoneyDay,
)
from service.reports.led import NO_CAMPAIGN, SOURCES, UNKNOWN, dimensions
from service.reports.movement_rollup import MOST_LEFT, upsert
from service.reports.movement_sums import Values
from service.reports.source_sums import (
    SourceEdge,
    SourceMoney,
    SourceOverlap,
    SourceSums,
    led_as,
    source_change_of,
)

NAME, VERSION = "movements by source", 1
_READERS_AT_ONCE = {"sqlite": 500, "postgresql": 2_000}
"""Of one transaction. On both who writes movements of these readers waits: here they are locked."""
_UNMARKED_AT_ONCE = 20_000
_KEY = "source-rollup"
UNSOURCED = or_(
    MovementRow.sourced_as.is_(None), MovementRow.sourced_as != MovementRow.customer,
    MovementRow.source_due,
)  # fmt: skip
_NOTHING = (UNKNOWN, UNKNOWN, NO_CAMPAIGN)
_KEPT = (SourceMoneyDay, SourceEdgeDay, SourceCohortMonth)

log = structlog.get_logger()


async def roll_up_sources(
    context: Context, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Add up what isn't added up. Safe to repeat and to interrupt, anywhere and beside writers.

    `progress` gets the number of readers that were added up, again and again.
    """
    async with context.database.reading() as session:
        made = await session.get(Rollup, NAME)
        if made is not None and _fits(made, context.settings.zone) and not await _left(session, 1):
            return
    if made is None or not _fits(made, context.settings.zone):
        await begin_sources_anew(context)
    done = 0
    while number := await _roll_some(context):
        done += number
        progress(done)
    log.info("movements.rolled_up_by_source", readers=done)


async def begin_sources_anew(context: Context) -> None:
    """Forget what was added up. Figures come from the rows until it is done again."""
    row = MovementRow
    async with context.database.serialised(_KEY) as session:
        await session.execute(delete(Rollup).where(Rollup.name == NAME))
    while True:
        async with context.database.serialised(_KEY) as session:
            some = select(row.subscription_id).where(row.sourced_as.is_not(None))
            ids = list(await session.scalars(some.limit(_UNMARKED_AT_ONCE)))
            if not ids:
                for table in _KEPT:
                    await session.execute(delete(table))
                zone = context.settings.zone.key
                now = context.clocks.wall()
                await session.merge(Rollup(name=NAME, zone=zone, version=VERSION, made_at=now))
                return
            await session.execute(
                update(row)
                .where(row.subscription_id.in_(some.limit(_UNMARKED_AT_ONCE)))
                .values(sourced_as=None)
                .execution_options(synchronize_session=False)
            )


async def not_sourced(session: AsyncSession, home: ZoneInfo) -> SourceSums | None:
    """What is to be added to the rollup for all rows; None: there is none of this zone, or too much is."""
    made = await session.get(Rollup, NAME)
    if made is None or not _fits(made, home):
        return None
    left = await _left(session, MOST_LEFT + 1)
    if len(left) > MOST_LEFT:
        return None
    if not left:
        return SourceSums()
    rows = list(await session.scalars(select(MovementRow).where(MovementRow.customer.in_({*left}))))
    return await asyncio.to_thread(source_change_of, rows, await _led(session, rows), home)


async def _left(session: AsyncSession, most: int) -> list[str]:
    """Whose rows aren't added up, a reader a row."""
    some = select(MovementRow.customer).where(UNSOURCED).order_by(MovementRow.customer).limit(most)
    return list(await session.scalars(some))


def _fits(made: Rollup, zone: ZoneInfo) -> bool:
    return (made.zone, made.version) == (zone.key, VERSION)


async def _roll_some(context: Context) -> int:
    async with context.database.serialised(_KEY) as session:
        made = await session.get(Rollup, NAME)
        if made is None or not _fits(made, context.settings.zone):
            return 0  # another process begins anew
        some = (
            select(MovementRow.customer).where(UNSOURCED).distinct().order_by(MovementRow.customer)
        )
        at_once = _READERS_AT_ONCE[context.database.dialect]
        whose = list(await session.scalars(some.limit(at_once)))
        if not whose:
            return 0
        # Locked first, and what led to them is looked up by the next statement: it sees each checkout that
        # was found until then, and who finds one later waits and makes its rows due.
        rows = list(
            await session.scalars(
                select(MovementRow)
                .where(MovementRow.customer.in_(whose))
                .order_by(MovementRow.subscription_id, MovementRow.number)
                .with_for_update()
                .execution_options(populate_existing=True)
            )
        )
        led = await _led(session, rows)
        change = await asyncio.to_thread(source_change_of, rows, led, context.settings.zone)
        await _add(session, change)
        await _mark(session, rows, led)
    return len(whose)


async def _led(session: AsyncSession, rows: Sequence[MovementRow]) -> dict[str, Values]:
    """By subscription: by its checkout, else as it was known before."""
    led: dict[str, Values] = {row.subscription_id: _NOTHING for row in rows}
    led |= {row.subscription_id: led_as(row) for row in rows if row.led_source is not None}
    touches = dimensions(CheckoutTouches)
    found = await session.execute(
        select(Checkout.stripe_subscription_id, *(touches[name] for name in SOURCES))
        .join(CheckoutTouches, CheckoutTouches.checkout_id == Checkout.id)
        .where(Checkout.stripe_subscription_id.in_(led))
    )
    for subscription_id, *values in found:
        led[subscription_id] = tuple(values)
    return led


async def _mark(session: AsyncSession, rows: Sequence[MovementRow], led: dict[str, Values]) -> None:
    row = MovementRow
    marks = [
        {
            "of_id": each.subscription_id, "of_number": each.number, "whose": each.customer,
            **dict(zip(("first", "last", "campaign"), led[each.subscription_id], strict=True)),
        }
        for each in rows
        if each.sourced_as != each.customer or each.source_due or led_as(each) != led[each.subscription_id]
    ]  # fmt: skip
    if marks:
        connection = await session.connection()
        await connection.execute(
            update(row)
            .where(row.subscription_id == bindparam("of_id"), row.number == bindparam("of_number"))
            .values(
                sourced_as=bindparam("whose"), led_source=bindparam("first"),
                led_last_source=bindparam("last"), led_campaign=bindparam("campaign"), source_due=False,
            ),
            marks,
        )  # fmt: skip


async def _add(session: AsyncSession, change: SourceSums) -> None:
    money = [
        (*key, number, change.net[key])
        for key, number in change.recurring.items()
        if number or change.net[key]
    ]
    edges = [(*key, number) for key, number in change.readers.items() if number]
    cohorts = [(*key, number) for key, number in change.cohorts.items() if number]
    await upsert(session, SourceMoneyDay, SourceMoney._fields, money, "recurring", "net")
    await upsert(session, SourceEdgeDay, SourceEdge._fields, edges, "readers")
    await upsert(session, SourceCohortMonth, SourceOverlap._fields, cohorts, "change")
