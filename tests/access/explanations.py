"""Explanations as a test asks for them, and compares them with what reading answered."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, get_args

from service.db.session import Database
from service.grants.grants import Source
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside

ADDRESS = "/v1/admin/explain"
LEVELS: list[dict[str, Any]] = [
    {"level": "free"}, {"level": "metered"}, {"level": "registered"}, {"level": "subscribers"},
    {"level": "subscribers", "plans": ["print"]},
    {"level": "metered", "schedule": {"free_hours": 2}},
    {"level": "metered", "schedule": {"subscribers_after_days": 1}},
]  # fmt: skip
GIVEN: list[Source] = sorted(set(get_args(Source)) - {"subscription", "comp", "crawler"})
"""Sources without a step of their own; of crawlers no grant is kept."""


def inside_with_few(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AbstractAsyncContextManager[Paywall]:
    """The application, where few articles may be read before the wall."""
    few = settings.model_copy(update={"meter_limit": 1, "registered_meter_limit": 2})
    return inside(database, few, clocks)


async def explained(paywall: Paywall, reader: str, slug: str, **query: str) -> dict[str, Any]:
    asked = {"reader": reader, "article": slug, **query}
    answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def used(meter: dict[str, Any] | None) -> int | None:
    return meter["used"] if meter is not None else None


def shown(explanation: dict[str, Any]) -> tuple[Any, ...]:
    if explanation["outcome"] == "hidden":
        return ("hidden", False, None, None)
    names = ("reason", "granted", "would_consume")
    return (*(explanation[name] for name in names), used(explanation["meter"]))
