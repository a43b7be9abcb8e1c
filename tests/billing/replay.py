"""What Stripe told, told again: events in any order, to copies of the database as it was before them."""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import select

from service.billing.apply_event import apply_due_events
from service.billing.events import HANDLED
from service.billing.fulfil import fulfil
from service.billing.inbox import JOB, store_event
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Job, Reader
from service.payments.stripe_gateway import StripeGateway
from service.payments.stripe_objects import event_of
from service.simulator.delivery import signature
from tests.patience import PATIENCE
from tests.served import WEBHOOK_SECRET, Installation

RETURN = "return"
PASSING = {
    "id", "version", "synced_at", "created_at", "updated_at", "bound_at", "recorded_at", "pseudonym",
}  # fmt: skip
"""What may differ: when something was noted, ids of our own, and the figures' random pseudonym."""


def handled_events(site: Installation) -> list[dict[str, Any]]:
    found = site.simulator.world.store.find("event", [], oldest_first=True)
    return [event for event in found if event["type"] in HANDLED]


def post(site: Installation, event: dict[str, Any]) -> int:
    payload = json.dumps(event).encode()
    header = signature(payload, WEBHOOK_SECRET, int(site.clocks.wall().timestamp()))
    answer = httpx2.post(
        f"{site.url}/v1/webhooks/stripe",
        content=payload,
        headers={"Stripe-Signature": header},
        timeout=PATIENCE,
    )
    return answer.status_code


def kept(site: Installation, folder: Path) -> Path:
    """A copy of the site's SQLite database as it is now."""
    path = folder / "kept.db"
    original = str(site.settings.database_url).removeprefix("sqlite:///")
    with sqlite3.connect(original) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()
    return path


@dataclass(frozen=True)
class Replay:
    """Applies events to copies of the database as it was before them."""

    site: Installation
    gateway: StripeGateway
    session_id: str
    tables: Sequence[type[Base]]
    """Whose rows are the end state."""
    original: Path
    """The SQLite file before the events; it stays as it is."""

    async def end_state(self, order: Sequence[Any], *, at_once: bool = False) -> Any:
        """The rows after the steps in `order`; `at_once`: all stored in the same instant first."""
        copy = self.original.with_name("copy.db")
        for old in copy.parent.glob("copy.db*"):
            old.unlink()
        shutil.copyfile(self.original, copy)
        database = Database(f"sqlite:///{copy}")
        clocks, settings = self.site.clocks, self.site.settings
        for step in order:
            if step == RETURN:
                await fulfil(Context(settings, clocks, database), self.gateway, self.session_id)
                continue
            async with database.transaction() as session:
                await store_event(session, event_of(step), clocks.wall())
            if not at_once:
                await apply_due_events(Context(settings, clocks, database), self.gateway)
        await apply_due_events(Context(settings, clocks, database), self.gateway)
        state = await _state(database, self.tables)
        await database.dispose()
        return state


async def _state(database: Database, tables: Sequence[type[Base]]) -> Any:
    async with database.reading() as session:
        jobs = list(await session.scalars(select(Job).where(Job.kind == JOB)))
        assert {job.status for job in jobs} <= {"done"}, [(job.key, job.result) for job in jobs]
        readers = {reader.id: "reader" for reader in await session.scalars(select(Reader))}
        state = {}
        for table in tables:
            state[table.__tablename__] = [
                {
                    column.name: readers.get(value, value) if isinstance(value, str) else value
                    for column in table.__table__.columns
                    if column.name not in PASSING
                    for value in [getattr(row, column.name)]
                }
                for row in await session.scalars(select(table))
            ]
            state[table.__tablename__].sort(key=repr)
    return state
