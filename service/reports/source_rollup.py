"""The movements of MRR added up by day and by what led to each purchase, as reader_rollup.py does it.

A row says as whose it was added up, and what was taken to have led to it (`sourced_as`, `led_…`). A checkout that is
found later makes its rows due; an erasure, which deletes what led to a checkout, doesn't: the rows keep it.
"""

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import (
    Checkout,
    CheckoutTouches,
    MovementRow,
    SourceCohortMonth,
    SourceEdgeDay,
    SourceMoneyDay,
)
from service.reports.led import NO_CAMPAIGN, SOURCES, UNKNOWN, dimensions
from service.reports.movement_sums import Values
from service.reports.reader_rollup import Marks, ReaderRollup, add_money, add_numbers, mark_of
from service.reports.source_sums import (
    LED,
    SourceEdge,
    SourceMoney,
    SourceOverlap,
    SourceSums,
    led_as,
    source_change_of,
)

_NOTHING = (UNKNOWN, UNKNOWN, NO_CAMPAIGN)
_LED = tuple(each.key for each in LED.values())


async def _change(
    session: AsyncSession, rows: Sequence[MovementRow], zone: ZoneInfo
) -> tuple[SourceSums, Marks]:
    # The rows are locked by now, and this statement sees each checkout that was found until then: who finds one
    # later waits and makes its rows due.
    led = await _led(session, rows)
    marks = [
        mark_of(
            each, sourced_as=each.customer, source_due=False,
            **dict(zip(_LED, led[each.subscription_id], strict=True)),
        )
        for each in rows
        if each.sourced_as != each.customer or each.source_due or led_as(each) != led[each.subscription_id]
    ]  # fmt: skip
    return await asyncio.to_thread(source_change_of, rows, led, zone), marks


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


async def _add(session: AsyncSession, change: SourceSums) -> None:
    await add_money(session, SourceMoneyDay, SourceMoney._fields, change.recurring, change.net)
    await add_numbers(session, SourceEdgeDay, SourceEdge._fields, change.readers, "readers")
    await add_numbers(session, SourceCohortMonth, SourceOverlap._fields, change.cohorts, "change")


BY_SOURCE = ReaderRollup(
    name="movements by source",
    version=1,
    lock="source-rollup",
    event="movements.rolled_up_by_source",
    left=or_(
        MovementRow.sourced_as.is_(None), MovementRow.sourced_as != MovementRow.customer,
        MovementRow.source_due,
    ),
    mark=MovementRow.sourced_as,
    marks=("sourced_as", *_LED, "source_due"),
    tables=(SourceMoneyDay, SourceEdgeDay, SourceCohortMonth),
    # Here readers are locked: who writes movements of one waits for all.
    at_once={"sqlite": 500, "postgresql": 2_000},
    locks_rows=True,
    nothing=SourceSums,
    change=_change,
    add=_add,
)  # fmt: skip
