"""Playing histories: a new local Stripe and empty tables for each."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import seed
from hypothesis import settings as Limits  # noqa: N812 the service has settings too
from hypothesis.stateful import run_state_machine_as_test
from pydantic import SecretStr
from sqlalchemy import delete, text

from service.db import migrate
from service.db.session import Database
from service.db.tables import all_tables
from service.settings import Settings
from service.simulator.app import create_simulator
from tests.billing.model.lives import Lives
from tests.billing.model.machine import BillingMachine
from tests.conftest import MovingClocks
from tests.patience import PATIENCE
from tests.stripe_at_hand import URL, gateway_to
from tests.wire import Wire


def play(limits: Limits, database_url: str | None, *, number: int | None = None) -> int:
    """Play as many histories as the limits say, on this migrated database or, None, on SQLite files.

    `number` is the seed; None: another one each time. Answers how many steps were played; raises what
    the first failing history found.
    """
    played, steps = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.db"
        asyncio.run(migrate.migrate(f"sqlite:///{template}"))
        with asyncio.Runner() as runner:

            async def begin() -> Lives:
                nonlocal played
                played += 1
                clocks = MovingClocks()
                here = database_url or f"sqlite:///{Path(folder) / 'lives.db'}"
                if database_url is None:
                    _copy(template, Path(folder) / "lives.db")
                else:
                    await _empty(database_url)
                stripe_at_hand = create_simulator(
                    database=None, public_url=URL, wall_now=clocks.wall
                )
                gateway = gateway_to(URL, http=Wire(stripe_at_hand.world))
                policy: Any = ("keep", "end_access", "cancel")[played % 3]
                settings = Settings(
                    _env_file=None,
                    database_url=here,
                    secret_key=SecretStr("a-secret-key-for-tests-of-enough-length"),
                    insecure_cookies=True,
                    publication="gazette",
                    mail_from="Gazette <hello@gazette.example>",
                    refund_policy=policy,
                    stripe_secret_key=SecretStr("sk_test_local"),
                ).model_copy(update={"stripe_timeout_seconds": PATIENCE})
                lives = Lives(here, gateway, stripe_at_hand, settings, clocks)
                await lives.begin()
                return lives

            class Here(BillingMachine):
                def teardown(self) -> None:
                    nonlocal steps
                    steps += self.lives.steps
                    super().teardown()

            Here.runner = runner
            Here.new_lives = staticmethod(begin)
            machine = Here if number is None else seed(number)(Here)
            run_state_machine_as_test(machine, settings=limits)
    return steps


def _copy(template: Path, place: Path) -> None:
    for old in place.parent.glob(f"{place.name}*"):
        old.unlink()
    shutil.copyfile(template, place)


async def _empty(url: str) -> None:
    """Row by row: to truncate makes files anew for every table, and takes longer than many a history."""
    database = Database(url)
    async with database.transaction() as session:
        # Without triggers rows may go in any order, whichever others point to them.
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        for table in all_tables().tables.values():
            await session.execute(delete(table))
    await database.dispose()
