"""Renewals that are counted by day and by what the subscriptions are now, for reports.

A night's count adds them up (reports/renewal_rollup.py). A subscription that is switched afterwards takes along
what was counted of it.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.ends import RENEWED
from service.billing.state import StateChange, StoredState
from service.db.bulk import insert_rows
from service.db.tables import DomainEvent, PriceRenewalDay, Rollup
from service.db.turns import take_key

NAME, VERSION = "renewals", 2
RENEWALS_LOCK = "renewal-rollup"
"""Held while renewals are added up, or taken along."""
Price = tuple[str, str, str]
"""Plan, interval and currency."""
_KEY = ("day", "plan", "interval", "currency")


async def take_renewals_along(session: AsyncSession, change: StateChange) -> None:
    """Where a change makes the subscription another one, move what is counted of it.

    Call it in the transaction that stores the change, before rows of movements are changed in it: those who
    hold the lock wait for such rows.
    """
    if change.before is None or _price_of(change.before) == _price_of(change.after):
        return
    await take_key(session, RENEWALS_LOCK)
    made = await session.get(Rollup, NAME, populate_existing=True)
    if made is None or made.version != VERSION:
        return
    zone, counts = ZoneInfo(made.zone), Counter[tuple[date, Price]]()
    for at in await session.scalars(
        select(DomainEvent.occurred_at).where(
            DomainEvent.subject_id == change.after.id, RENEWED,
            DomainEvent.recorded_at < made.made_at,
        )
    ):  # fmt: skip
        day = at.astimezone(zone).date()
        counts[day, _price_of(change.before)] -= 1
        counts[day, _price_of(change.after)] += 1
    await add_renewals(session, counts)


async def add_renewals(session: AsyncSession, counts: Mapping[tuple[date, Price], int]) -> None:
    """Add these to what is counted."""
    rows = [(day, *price, number) for (day, price), number in sorted(counts.items())]
    name = PriceRenewalDay.__tablename__
    ending = (
        f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET renewed = {name}.renewed + excluded.renewed"
    )
    connection = await session.connection()
    await connection.run_sync(
        lambda sync: insert_rows(sync, PriceRenewalDay, (*_KEY, "renewed"), rows, ending)
    )


def _price_of(state: StoredState) -> Price:
    return state.plan, state.interval, state.currency
