"""The figures of this moment on /metrics: those of the registry, counted once a minute at most."""

import re
from datetime import timedelta

from service.db.session import Database
from service.reports.registry import FIGURES
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside
from tests.reports import rows
from tests.reports.figures_asked import store
from tests.reports.rows import NOW

LEVELS = [each for each in FIGURES if each.over_time == "end"]


async def gauges(paywall: Paywall) -> dict[tuple[str, str, str], float]:
    answer = (await paywall.client.get("/metrics")).text
    found = re.findall(
        r'^(paywall_\w+)\{currency="(\w*)",series="(\w+)"\} (\S+)$', answer, re.MULTILINE
    )
    return {(name, series, currency): float(value) for name, currency, series, value in found}


async def test_every_level_is_a_gauge_as_its_report_has_it(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    clocks.time = NOW
    readers, euro = [rows.reader() for _ in range(3)], rows.offer()
    dollar = rows.offer(currency="USD", amount=1200, interval="year")
    sold = [
        rows.subscription(reader, offer)
        for reader, offer in zip(readers, (euro, euro, dollar), strict=True)
    ]
    began = [
        rows.movement(each, 1, NOW - timedelta(days=9), customer=f"ctm_{n}")
        for n, each in enumerate(sold)
    ]
    await store(database, euro, dollar, *readers, *sold, *began)
    async with inside(database, settings, clocks) as paywall:
        found = await gauges(paywall)
        assert found["paywall_active_subscribers", "all", ""] == 3
        assert (
            found["paywall_mrr", "all", "EUR"]
            == found["paywall_committed_mrr", "all", "EUR"]
            == 1800
        )
        assert found["paywall_mrr", "all", "USD"] == 100
        assert found["paywall_arr", "all", "USD"] == 1200
        for figure in LEVELS:
            answer = await paywall.client.get(
                f"/v1/admin/reports/{figure.slug}?from=2026-03-10&to=2026-03-10&interval=day",
                headers=paywall.staff,
            )
            for line in answer.json()["lines"]:
                name = f"paywall_{figure.slug.replace('-', '_')}"
                key = (name, line["series"], line["currency"] or "")
                assert found.get(key) == line["total"]["value"], key
        await store(
            database,
            rows.movement(sold[0], 2, NOW - timedelta(days=1), kind="expansion", to_recurring=900),
        )
        assert await gauges(paywall) == found
        clocks.travel(timedelta(seconds=61))
        later = await gauges(paywall)
        assert later["paywall_mrr", "all", "EUR"] == 2700
