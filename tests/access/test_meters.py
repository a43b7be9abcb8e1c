"""Meters as the rules choose them, over HTTP: windows, entries, former subscribers, meters of their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.access.test_one_reading import verified_reader
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.reports import rows

pytestmark = on_sqlite
DAY = timedelta(days=1)
NEWSLETTER = {"source": "briefing", "medium": "email"}
USUAL = {"window": "month", "anonymous": 2, "registered": 3}


async def put(paywall: Paywall, **parts: Any) -> None:
    rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    body = {**rules, **parts}
    answer = await paywall.client.put("/v1/admin/rules", json=body, headers=paywall.staff)
    assert answer.status_code == 200, answer.text


async def read(
    paywall: Paywall, slug: str, campaign: dict[str, str] | None = None
) -> httpx2.Response:
    """The read, after a look that must say the same."""
    utm = {f"utm_{name}": value for name, value in (campaign or {}).items()}
    look = await paywall.client.get(f"/v1/articles/{slug}/access", params=utm)
    body = {"campaign": campaign} if campaign else {}
    answer = await paywall.client.post(f"/v1/articles/{slug}/unlock", json=body)
    assert look.json()["reason"] == answer.json()["reason"]
    return answer


async def reads(
    paywall: Paywall, slugs: Sequence[str], campaign: dict[str, str] | None = None
) -> list[int]:
    return [(await read(paywall, slug, campaign)).status_code for slug in slugs]


async def test_a_rolling_window_begins_with_the_first_article(paywall: Paywall) -> None:
    await put(paywall, meter={**USUAL, "window": "rolling", "days": 10})
    began = paywall.clocks.business()
    assert await reads(paywall, "a") == [200]
    paywall.clocks.travel(9 * DAY)
    assert await reads(paywall, "bca") == [200, 402, 200]
    walled = (await read(paywall, "d")).json()
    meter = walled["meter"]
    assert (meter["limit"], meter["used"], meter["remaining"]) == (2, 2, 0)
    assert datetime.fromisoformat(meter["window_start"]) == began
    assert datetime.fromisoformat(meter["resets_at"]) == began + 10 * DAY
    end = f"{began + 10 * DAY:%-d %B %Y}"
    assert walled["wall"]["note"] == (
        f"You have read your 2 free articles in this 10-day period. You get new ones on {end}."
    )
    paywall.clocks.travel(DAY)
    again = (await read(paywall, "d")).json()
    assert (again["meter"]["used"], again["consumed"]) == (1, True)
    assert datetime.fromisoformat(again["meter"]["window_start"]) == began + 10 * DAY
    starts = [row.window_start for row in await paywall.ledger() if row.consumed]
    assert starts == [began, began, began + 10 * DAY]


async def test_each_new_device_begins_a_rolling_window_of_its_own(paywall: Paywall) -> None:
    await put(paywall, meter={**USUAL, "window": "rolling", "days": 10})
    for _ in range(3):
        paywall.clocks.travel(timedelta(seconds=20))
        async with paywall.new_client() as stranger:
            meter = (await stranger.post("/v1/articles/a/unlock")).json()["meter"]
        assert datetime.fromisoformat(meter["window_start"]) == paywall.clocks.business()


async def test_an_entry_has_another_limit_on_the_same_count(paywall: Paywall) -> None:
    entries = [{"entry": "newsletter", "anonymous": 4}, {"entry": "social", "anonymous": 1}]
    await put(paywall, meter={**USUAL, "entries": entries})
    assert await reads(paywall, "abc") == [200, 200, 402]
    assert await reads(paywall, "cd", NEWSLETTER) == [200, 200]
    # Who says so of themselves gets that limit, and no more.
    assert await reads(paywall, "e", NEWSLETTER) == [402]
    assert await reads(paywall, "ea", {"medium": "social"}) == [402, 200]
    assert len([row for row in await paywall.ledger() if row.consumed]) == 4


async def test_sections_and_tags_have_a_meter_of_their_own_or_none(paywall: Paywall) -> None:
    for slug in ("m1", "m2", "m3"):
        await paywall.publish(slug, section="Magazine")
    await paywall.publish("open", tags=["Service"])
    await put(
        paywall, meter=USUAL,
        meters=[
            {"name": "magazine", "sections": ["Magazine"], "window": "rolling", "days": 3,
             "anonymous": 1, "registered": 2},
            {"name": "service", "tags": ["Service"], "window": "month", "anonymous": None,
             "registered": 0},
        ],
    )  # fmt: skip
    assert await reads(paywall, ["a", "m1", "m2", "b", "c"]) == [200, 200, 402, 200, 402]
    opened = await read(paywall, "open")
    assert (opened.json()["reason"], opened.json()["meter"]) == ("free", None)
    teaser = (await paywall.client.get("/v1/articles/open")).json()
    assert (teaser["access"]["metered"], teaser["json_ld"]["isAccessibleForFree"]) == (False, True)
    rows_of = [(row.meter_name, row.consumed) for row in await paywall.ledger()]
    assert rows_of.count(("magazine", True)) == 1
    assert rows_of.count((None, True)) == 2
    assert ("magazine", False) in rows_of
    # Each has its own end.
    paywall.clocks.travel(3 * DAY)
    assert await reads(paywall, ["m2", "c"]) == [200, 402]


@pytest.mark.parametrize(
    ("status", "former", "limit"),
    [
        (None, 1, 3),
        ("canceled", 1, 1),
        ("canceled", 0, 0),
        ("canceled", None, 3),
        ("active", 1, 3),
        ("incomplete_expired", 1, 3),
    ],
)
async def test_former_subscribers_have_a_limit_of_their_own(
    paywall: Paywall, status: str | None, former: int | None, limit: int
) -> None:
    await put(paywall, meter={**USUAL, "former": former})
    reader_id = await verified_reader(paywall)
    if status is not None:
        offer, reader = rows.offer(plan="other"), rows.reader(email=None)
        reader.id = reader_id
        bought = rows.subscription(
            reader, offer, status=status, started_at=paywall.clocks.business() - DAY
        )
        async with paywall.database.transaction() as session:
            session.add(offer)
            await session.flush()
            session.add(bought)
    assert await reads(paywall, "abcd") == [200] * limit + [402] * (4 - limit)
    said = await paywall.client.get(
        "/v1/admin/explain", params={"reader": reader_id, "article": "e"}, headers=paywall.staff
    )
    who = (
        "former subscribers"
        if status == "canceled" and former is not None
        else "registered readers"
    )
    assert f"{limit} of {limit} used by the limit of {who}" in str(said.json()["trail"])


async def test_explain_takes_the_entry(paywall: Paywall) -> None:
    entries = [{"entry": "newsletter", "registered": 4}]
    await put(paywall, meter={**USUAL, "registered": 0, "entries": entries})
    reader_id = await verified_reader(paywall)
    found = {}
    for entry in ("direct", "newsletter", "other"):
        asked = {"reader": reader_id, "article": "a", "entry": entry}
        said = await paywall.client.get("/v1/admin/explain", params=asked, headers=paywall.staff)
        found[entry] = (said.json()["granted"], said.json()["meter"]["limit"])
    assert found == {"direct": (False, 0), "newsletter": (True, 4), "other": (False, 0)}


async def test_a_wall_and_a_look_consume_nothing(paywall: Paywall) -> None:
    await put(paywall, meter={**USUAL, "window": "rolling", "days": 5, "anonymous": 0})
    assert await reads(paywall, "abca") == [402] * 4
    prefetch = {"Sec-Purpose": "prefetch"}
    await put(paywall, meter={**USUAL, "window": "rolling", "days": 5})
    for _ in range(3):
        await paywall.client.get("/v1/articles/a/access")
        await paywall.client.head("/v1/articles/a")
        answer = await paywall.client.post("/v1/articles/a/unlock", headers=prefetch)
        assert answer.status_code == 403
    assert not [row for row in await paywall.ledger() if row.consumed]
    look = (await paywall.client.get("/v1/articles/a/access")).json()
    assert (look["would_consume"], look["meter"]["used"]) == (True, 0)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"meter": {**USUAL, "former": -1}}, "meter.former"),
        ({"meter": {**USUAL, "window": "rolling"}}, "meter"),
        ({"meter": {**USUAL, "window": "rolling", "days": 367}}, "meter.days"),
        ({"meter": {**USUAL, "entries": [{"entry": "letter", "anonymous": 1}]}}, "entries.0.entry"),
        ({"meter": {**USUAL, "entries": [{"entry": "search"}]}}, "entries.0"),
        ({"meter": {**USUAL, "entries": 2 * [{"entry": "search", "anonymous": 1}]}}, "meter"),
        ({"meters": [{**USUAL, "name": "m", "sections": []}]}, "meters.0"),
        ({"meters": [{**USUAL, "name": "M m", "tags": ["a"]}]}, "meters.0.name"),
        ({"meters": [{**USUAL, "name": "a@b", "tags": ["a"]}]}, "meters.0.name"),
        ({"meters": 2 * [{**USUAL, "name": "m", "tags": ["a"]}]}, "body"),
    ],
)
async def test_what_no_meter_can_be_is_refused(
    paywall: Paywall, parts: dict[str, Any], told: str
) -> None:
    rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    answer = await paywall.client.put(
        "/v1/admin/rules", json={**rules, **parts}, headers=paywall.staff
    )
    assert (answer.status_code, told in answer.text) == (422, True), answer.text
