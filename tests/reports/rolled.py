"""Movements that are added up, or not, or of which some came late."""

from typing import Literal, get_args
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import delete, update

from service.db.context import Context
from service.db.session import Database
from service.db.tables import CohortMonth, EdgeDay, MoneyDay, MovementRow, RightDay, Rollup
from service.reports.movement_rollup import MOVEMENTS
from service.settings import Settings
from tests.conftest import MovingClocks

Rolled = Literal["no", "before the last rows", "again after the last rows", "all"]
ways = st.sampled_from(get_args(Rolled))
_BEFORE = "ctm_before"


def context_in(database: Database, zone: ZoneInfo) -> Context:
    settings = Settings(_env_file=None, database_url=database.url, time_zone=zone.key)
    return Context(settings, MovingClocks(), database)


async def store_rolled(
    database: Database, history: list[MovementRow], rolled: Rolled, zone: ZoneInfo
) -> None:
    """These movements alone, added up by days of the zone as `rolled` says.

    The last rows are those from the third of each subscription on; and the first subscription was
    another reader's, who joined its present one.
    """
    context = context_in(database, zone)
    async with database.transaction() as session:
        for table in (MovementRow, MoneyDay, RightDay, EdgeDay, CohortMonth, Rollup):
            await session.execute(delete(table))
    early = [row for row in history if row.number <= 2 or rolled in {"no", "all"}]
    async with database.transaction() as session:
        for row in early:
            copy = _copy(row)
            if rolled != "no" and row.subscription_id == "sub_0":
                copy.customer = _BEFORE
            session.add(copy)
    if rolled == "no":
        return
    await MOVEMENTS.roll_up(context)
    await _complete(database, history, early)
    if rolled != "before the last rows":
        await MOVEMENTS.roll_up(context)


async def _complete(
    database: Database, history: list[MovementRow], early: list[MovementRow]
) -> None:
    known = {(row.subscription_id, row.number) for row in early}
    async with database.transaction() as session:
        session.add_all(
            _copy(row) for row in history if (row.subscription_id, row.number) not in known
        )
        whose = next((row.customer for row in history if row.subscription_id == "sub_0"), _BEFORE)
        joining = update(MovementRow).where(MovementRow.customer == _BEFORE)
        await session.execute(joining.values(customer=whose))


def _copy(row: MovementRow) -> MovementRow:
    return MovementRow(**{c.key: getattr(row, c.key) for c in MovementRow.__table__.columns})
