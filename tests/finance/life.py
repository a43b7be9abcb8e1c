"""A desk after the life of tests/finance/events.py, of which everything is heard: lived once, and taken up again."""

import asyncio
import contextlib
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from service.db.session import Database
from service.settings import Settings
from tests.billing.desk import Desk, desk_on
from tests.conftest import MovingClocks, settings_of
from tests.finance.events import live
from tests.stripe_at_hand import stripe_at_hand

OURS, STRIPES, REST = "ours.db", "stripe.db", "rest.json"


def keep_a_life(migrated_file: Path, folder: Path) -> None:
    """Live it on SQLite; the folder then has both databases and what else a desk knows."""
    folder.mkdir()
    place = folder / "lived.db"
    shutil.copyfile(migrated_file, place)
    asyncio.run(_live(place, folder))
    with (
        contextlib.closing(sqlite3.connect(place)) as lived,
        contextlib.closing(sqlite3.connect(folder / OURS)) as kept,
    ):
        lived.backup(kept)


async def _live(place: Path, folder: Path) -> None:
    url, clocks = f"sqlite:///{place}", MovingClocks()
    database = Database(url)
    async with desk_on(database, settings_of(url), clocks) as desk:
        await live(desk)
        await desk.hear()
        stripes = desk.at_stripe.simulator.world.store.connection.serialize()
        (folder / STRIPES).write_bytes(stripes)
        rest = [clocks.time.isoformat(), desk.price, desk.other_price, sorted(desk.heard)]
        (folder / REST).write_text(json.dumps(rest))
    await database.dispose()


@asynccontextmanager
async def life_taken_up(
    kept: Path, database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Desk]:
    """`database` is on SQLite, and nobody has used it yet."""
    shutil.copyfile(kept / OURS, settings.database_url.removeprefix("sqlite:///"))
    time, first, second, heard = json.loads((kept / REST).read_text())
    clocks.time = datetime.fromisoformat(time)
    async with stripe_at_hand(clocks) as at_stripe:
        connection = at_stripe.simulator.world.store.connection
        connection.deserialize((kept / STRIPES).read_bytes())
        yield Desk(
            database, at_stripe.gateway, settings, clocks, at_stripe, at_stripe.dashboard,
            first, second, set(heard),
        )  # fmt: skip
