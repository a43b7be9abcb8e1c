"""Levels by section, tag and schedule: the same at every surface, at every instant."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """With levels for a section and a tag."""
    rules = {"section_levels": {"Puzzles": "subscribers"}, "tag_levels": {"Election": "free"}}
    async with inside(database, settings.model_copy(update=rules), clocks) as made:
        yield made


async def shown(paywall: Paywall, slug: str) -> dict[str, Any]:
    """What each surface says of the article, with how long the public ones may be kept."""
    teaser = await paywall.client.get(f"/v1/articles/{slug}")
    listed = await paywall.client.get(f"/v1/articles?q={slug}")
    staff = await paywall.client.get(f"/v1/admin/articles/{slug}", headers=paywall.staff)
    seen = (await paywall.client.get(f"/v1/articles/{slug}/access")).json()
    levels = {
        teaser.json()["access"]["level"],
        listed.json()["items"][0]["access"]["level"],
        staff.json()["effective"]["level"],
    }
    (level,) = levels
    free = level == "free"
    assert (CANARY in teaser.text) is free
    assert teaser.json()["json_ld"]["isAccessibleForFree"] is free
    assert (seen["reason"] == "free") is free
    assert listed.headers["Cache-Control"] == teaser.headers["Cache-Control"]
    return {
        "level": level,
        "source": staff.json()["effective"]["source"],
        "until": staff.json()["effective"]["until"],
        "kept": teaser.headers["Cache-Control"],
        "reason": seen["reason"],
    }


async def test_a_schedule_changes_every_surface_at_its_instant(paywall: Paywall) -> None:
    schedule = {"free_hours": 1, "subscribers_after_days": 7, "free_after_days": 30}
    await paywall.publish("ferry", access={"level": "metered", "schedule": schedule})
    start = paywall.clocks.business()

    def expected(level: str, source: str, until: Any, kept: int, reason: str) -> dict[str, Any]:
        at = (start + until).isoformat().replace("+00:00", "Z") if until is not None else None
        return {"level": level, "source": source, "until": at,
                "kept": f"public, max-age={kept}, must-revalidate", "reason": reason}  # fmt: skip

    assert await shown(paywall, "ferry") == expected("free", "schedule", HOUR, 60, "free")
    paywall.clocks.travel(HOUR - timedelta(seconds=20))
    assert await shown(paywall, "ferry") == expected("free", "schedule", HOUR, 20, "free")
    paywall.clocks.travel(timedelta(seconds=20))
    assert await shown(paywall, "ferry") == expected("metered", "article", 7 * DAY, 60, "meter")
    paywall.clocks.travel(7 * DAY - HOUR)
    assert await shown(paywall, "ferry") == expected(
        "subscribers", "schedule", 30 * DAY, 60, "subscribers_only"
    )
    paywall.clocks.travel(23 * DAY)
    assert await shown(paywall, "ferry") == expected("free", "schedule", None, 60, "free")


@on_sqlite
async def test_a_token_of_the_meter_ends_with_the_metered_time(paywall: Paywall) -> None:
    published = paywall.clocks.business() - 7 * DAY + timedelta(minutes=5)
    schedule = {"subscribers_after_days": 7}
    await paywall.publish(
        "ferry", published_at=published.isoformat(), access={"schedule": schedule}
    )
    token = (await paywall.unlock("ferry")).json()["token"]
    assert (await paywall.full("ferry", token)).status_code == 200
    paywall.clocks.travel(timedelta(minutes=5))
    answer = await paywall.full("ferry", token)
    assert (answer.status_code, answer.json()["reason"]) == (403, "subscribers_only")
    assert (await paywall.client.get("/articles/ferry")).text.count(CANARY) == 0


@on_sqlite
async def test_sections_and_tags_have_levels(paywall: Paywall) -> None:
    await paywall.publish("crossword", section="Puzzles")
    await paywall.publish("results", section="Puzzles", tags=["Election"])
    await paywall.publish("own", section="Puzzles", access={"level": "metered"})
    found = [
        (seen["level"], seen["source"], seen["reason"])
        for seen in [await shown(paywall, slug) for slug in ("crossword", "results", "own")]
    ]
    assert found == [
        ("subscribers", "section", "subscribers_only"),
        ("free", "tag", "free"),
        ("metered", "article", "meter"),
    ]


@on_sqlite
@pytest.mark.parametrize(
    "schedule",
    [
        {"free_hours": 0},
        {"free_after_days": -1},
        {"free_after_days": 36_501},
        {"subscribers_after_days": 3, "free_after_days": 3},
        {"free_hours": 25, "subscribers_after_days": 1},
        {"free_hours": 1.5},
        {"free_minutes": 5},
    ],
)
async def test_schedules_that_make_no_sense_are_refused(
    paywall: Paywall, schedule: dict[str, Any]
) -> None:
    document = {"title": "T", "body": "<p>1</p>", "access": {"schedule": schedule}}
    answer = await paywall.client.put("/v1/admin/articles/x", json=document, headers=paywall.staff)
    assert answer.status_code == 422


async def test_a_schedule_is_stored_as_sent(paywall: Paywall) -> None:
    access = {"level": "subscribers", "plans": ["digital"], "schedule": {"free_after_days": 2}}
    for version in (1, 1):
        await paywall.publish("ferry", access=access)
        staff = await paywall.client.get("/v1/admin/articles/ferry", headers=paywall.staff)
        assert staff.json()["version"] == version
        assert staff.json()["access"]["schedule"] == {
            "free_hours": None, "subscribers_after_days": None, "free_after_days": 2,
        }  # fmt: skip
    await paywall.publish("ferry", access={"level": "subscribers", "schedule": {}})
    staff = await paywall.client.get("/v1/admin/articles/ferry", headers=paywall.staff)
    assert (staff.json()["version"], staff.json()["access"]["schedule"]) == (2, None)
