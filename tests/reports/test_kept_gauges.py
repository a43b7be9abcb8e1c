"""Figures for Prometheus are counted once for all who ask at a time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from service.db.context import Context
from service.db.session import Database
from service.reports.kept_gauges import KeptGauges
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

pytestmark = on_sqlite


class Counting:
    """Counts when it is let to; `calls` is how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.goes_on = asyncio.Event()

    async def __call__(self, _: Context) -> Sequence[Metric]:
        self.calls += 1
        await self.goes_on.wait()
        if self.calls == 1:
            return [GaugeMetricFamily("paywall_mrr", "MRR")]
        raise RuntimeError("a mistake")


@pytest.fixture
def context(settings: Settings, clocks: MovingClocks, database: Database) -> Context:
    return Context(settings, clocks, database)


async def test_who_asks_side_by_side_gets_the_same_figures(context: Context) -> None:
    kept, count = KeptGauges(), Counting()
    first, second, third = (asyncio.create_task(kept.look(context, count)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    count.goes_on.set()
    assert [each.name for each in await second] == ["paywall_mrr"]
    assert await third is await second is await kept.look(context, count)
    assert count.calls == 1


async def test_what_could_not_be_counted_is_counted_by_who_asks_next(
    context: Context, clocks: MovingClocks
) -> None:
    kept, count = KeptGauges(), Counting()
    count.goes_on.set()
    await kept.look(context, count)
    clocks.travel(timedelta(minutes=2))
    for calls in (2, 3):
        with pytest.raises(RuntimeError):
            await kept.look(context, count)
        assert count.calls == calls
