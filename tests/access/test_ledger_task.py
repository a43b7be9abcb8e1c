"""The ledger's rows are written without a pause where more come meanwhile than a pause may add to."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from service.background import steady_tasks
from service.db.session import Database
from service.jobs.runner import Wakes
from service.metering import ledger as module
from service.metering.ledger import LEDGER_TASK, Ledger, entry_at
from service.running import Running
from tests.databases import on_sqlite
from tests.inside import Paywall

T = TypeVar("T")


class Busy(Database):
    """While a batch is written, this number of walls is met."""

    def __init__(self, url: str, paywall: Paywall) -> None:
        super().__init__(url)
        self.ledger, self.zone = paywall.app.running.get(Ledger), paywall.settings.zone
        self.met = 0

    def meet(self) -> None:
        """Meet a wall."""
        at = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
        self.ledger.note(
            entry_at(
                at, self.zone, holder="dev_d", article_id="a", reader_id=None, device_id="dev_d",
                reason="subscribers_only", granted=False, wall="subscribe",
            )
        )  # fmt: skip

    async def in_one_go(self, work: Callable[[Connection], T]) -> T:
        for _ in range(self.met):
            self.meet()
        return await super().in_one_go(work)


@on_sqlite
async def test_a_batch_that_came_while_others_were_written_waits_for_no_pause(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    busy = Busy(paywall.database.url, paywall)
    parts = (each for each in paywall.app.running.parts if not isinstance(each, Database))
    running = Running(*parts, busy)
    (task,) = (each for each in steady_tasks(running) if each.name == LEDGER_TASK)
    woken = running.get(Wakes).event(LEDGER_TASK)
    busy.meet()
    busy.met = 3
    await task.run()
    assert woken.is_set()
    woken.clear()
    busy.met = 2
    await task.run()
    assert not woken.is_set(), "what came is less than a batch"
    await busy.dispose()
