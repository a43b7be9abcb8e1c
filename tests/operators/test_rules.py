"""The rules over the API: what an editor saves holds for the next reader."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest

from service.db.tables import RulesVersion
from service.operators.rules.form import LABELS
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall
from tests.operators.sent_form import fields
from tests.reports import rows

pytestmark = on_sqlite
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
RULES = "/v1/admin/rules"


def document(default: str = "metered", **sections: str) -> dict[str, Any]:
    named = [{"name": name, "level": level} for name, level in sections.items()]
    return {"levels": {"default": {"level": default}, "sections": named}}


async def change(paywall: Paywall, body: Any, **headers: str) -> httpx2.Response:
    return await paywall.client.put(RULES, json=body, headers={**paywall.staff, **headers})


async def access(paywall: Paywall, slug: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await paywall.client.get(f"/v1/articles/{slug}")).json()["access"]
    return shown


async def test_a_change_holds_for_the_next_reader_everywhere(paywall: Paywall) -> None:
    await paywall.publish("derby", section="Sport")
    assert (await access(paywall, "derby"))["level"] == "metered"
    opened = await paywall.unlock("derby")
    assert (opened.status_code, CANARY in opened.text) == (200, True)
    token = opened.json()["token"]
    body = document(Sport="subscribers")
    body["levels"]["sections"][0]["plans"] = ["sport"]
    assert (await change(paywall, body)).status_code == 200
    assert await access(paywall, "derby") == {
        "level": "subscribers",
        "metered": False,
        "plans": ["sport"],
    }
    for answer in (await paywall.unlock("derby"), await paywall.full("derby", token)):
        assert (answer.status_code in {402, 403}, CANARY in answer.text) == (True, False)
    listed = (await paywall.client.get("/v1/articles")).json()["items"]
    assert listed[0]["access"]["level"] == "subscribers"
    page = await paywall.client.get("/articles/derby")
    assert CANARY not in page.text
    staff = (await paywall.client.get("/v1/admin/articles/derby", headers=paywall.staff)).json()
    assert staff["effective"] == {
        "level": "subscribers",
        "source": "section",
        "until": None,
        "plans": ["sport"],
    }


async def test_the_meter_and_the_walls_words_change_for_the_next_reader(paywall: Paywall) -> None:
    for slug in ("a", "b", "c", "d"):
        await paywall.publish(slug)
    assert (await paywall.unlock("a")).json()["meter"]["limit"] == 3
    body = (await paywall.client.get(RULES, headers=paywall.staff)).json()["rules"]
    body["meter"] |= {"window": "week", "anonymous": 1}
    body["walls"]["subscribe_wall"] = {"title": "Join us", "text": "The harbour needs readers."}
    assert (await change(paywall, body)).status_code == 200
    reader = paywall.new_client()
    assert (await reader.post("/v1/articles/b/unlock")).json()["meter"]["limit"] == 1
    walled = await reader.post("/v1/articles/c/unlock")
    assert (walled.status_code, CANARY in walled.text) == (402, False)
    wall = walled.json()["wall"]
    assert (wall["title"], wall["text"]) == ("Join us", "The harbour needs readers.")
    assert "this week" in wall["note"]
    page = await reader.get("/articles/c")
    assert "Join us" in page.text
    body["meter"]["anonymous"] = 2
    await change(paywall, body)
    assert (await reader.post("/v1/articles/c/unlock")).status_code == 200
    assert (await reader.post("/v1/articles/d/unlock")).status_code == 402
    body["meter"]["anonymous"] = None
    await change(paywall, body)
    open_to_all = await reader.post("/v1/articles/d/unlock")
    assert (open_to_all.status_code, open_to_all.json()["meter"]) == (200, None)
    teaser = (await paywall.client.get("/v1/articles/d")).json()
    assert (teaser["access"]["metered"], teaser["json_ld"]["isAccessibleForFree"]) == (False, True)
    await reader.aclose()


async def test_the_settings_hold_for_what_the_rules_leave_out(paywall: Paywall) -> None:
    await paywall.publish("a")
    await change(paywall, document("metered", Sport="free"))
    assert (await paywall.unlock("a")).json()["meter"]["limit"] == paywall.settings.meter_limit


async def test_a_subscription_opens_what_its_plan_covers(paywall: Paywall) -> None:
    await paywall.publish("derby", section="Sport")
    body = document(Sport="subscribers")
    body["levels"]["sections"][0]["plans"] = ["sport"]
    await change(paywall, body)
    await paywall.sign_in("plan:news")
    assert (await paywall.unlock("derby")).status_code == 402
    await paywall.sign_in("plan:sport")
    assert (await paywall.unlock("derby")).status_code == 200


async def test_a_sections_schedule_ends_the_teasers_time_in_caches(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await paywall.publish("gale", section="News")
    body = document(News="metered")
    body["levels"]["sections"][0]["schedule"] = {"free_hours": 1, "subscribers_after_days": 1}
    await change(paywall, body)
    clocks.travel(timedelta(minutes=59, seconds=50))
    teaser = await paywall.client.get("/v1/articles/gale")
    assert (teaser.json()["access"]["level"], CANARY in teaser.text) == ("free", True)
    assert "max-age=10" in teaser.headers["cache-control"]
    clocks.travel(timedelta(seconds=10))
    teaser = await paywall.client.get("/v1/articles/gale")
    assert (teaser.json()["access"]["level"], CANARY in teaser.text) == ("metered", False)
    clocks.travel(timedelta(hours=23))
    assert (await access(paywall, "gale"))["level"] == "subscribers"


async def test_rules_are_read_changed_and_looked_up(paywall: Paywall) -> None:
    first = await paywall.client.get(RULES, headers=paywall.staff)
    assert (first.json()["version"], first.json()["by"]) == (0, None)
    assert first.headers["etag"] == '"v0"'
    saved = await change(paywall, document("free"), **{"If-Match": '"v0"'})
    assert (saved.json()["version"], saved.headers["etag"]) == (1, '"v1"')
    again = await change(paywall, saved.json()["rules"], **{"If-Match": "*"})
    assert again.json() == saved.json()
    for tag in ('"v0"', '"v7"', "v", "W/x", '"v' + "9" * 5000 + '"'):
        late = await change(paywall, document("registered"), **{"If-Match": tag})
        assert (late.status_code, late.json()["type"]) == (412, "/problems/rules-changed")
    await change(paywall, document("registered"))
    listed = (await paywall.client.get(f"{RULES}/versions", headers=paywall.staff)).json()
    assert [each["version"] for each in listed["items"]] == [2, 1]
    one = await paywall.client.get(f"{RULES}/versions/1", headers=paywall.staff)
    assert one.json()["rules"]["levels"]["default"]["level"] == "free"
    for missing in ("3", "0", "x", "9" * 30):
        gone = await paywall.client.get(f"{RULES}/versions/{missing}", headers=paywall.staff)
        assert gone.status_code in {404, 422}


async def test_rules_of_a_later_release_are_refused_in_words(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    later = {"levels": {"default": {"level": "members"}}}
    async with paywall.database.transaction() as session:
        session.add(
            RulesVersion(version=1, at=paywall.clocks.business(), actor="x", document=later)
        )
    for path in (RULES, f"{RULES}/versions/1"):
        refused = await paywall.client.get(path, headers=paywall.staff)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/rules-unreadable")
        assert "version 1. A later release" in refused.json()["detail"]
    assert (await change(paywall, document("free"))).status_code == 409
    browser = await signed_in("admin")
    for path in ("/admin/rules", "/admin/rules/versions/1", "/admin/crawlers"):
        shown = await browser.get(path)
        assert (shown.status_code, "version 1. A later release" in shown.text) == (409, True), path


@pytest.mark.parametrize(
    "unknown", [{"later": 1}, {"levels": {"default": {"level": "free", "later": 1}}}]
)
async def test_what_a_later_release_has_stored_isnt_lost(
    signed_in: SignedIn, paywall: Paywall, unknown: dict[str, Any]
) -> None:
    """This one reads the rest of it, says so, and replaces it neither over the API nor on a page."""
    later = {**document("free"), **unknown}
    async with paywall.database.transaction() as session:
        session.add(
            RulesVersion(version=1, at=paywall.clocks.business(), actor="x", document=later)
        )
    read = await paywall.client.get(RULES, headers=paywall.staff)
    assert read.status_code == 200
    told = "A later release saved version 1. This release can show it, but neither replace it nor save it again."
    assert (read.json()["warnings"], read.json()["is_whole"]) == ([told], False)
    refused = await change(paywall, document("registered"))
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/rules-unreadable")
    browser = await signed_in("admin")
    for path in ("/admin/rules", "/admin/rules/versions/1"):
        page = (await browser.get(path)).text
        assert (f'<p class="notice">{told}</p>' in page, "typos" in page) == (True, False), path
    form = fields(page)
    shown = await browser.post(
        "/admin/rules", data={**form, "level": ["registered", *form["level"][1:]]}
    )
    assert (shown.status_code, shown.text.count(told)) == (409, 2), (
        "why it isn't saved, and the notice"
    )
    assert (await change(paywall, read.json()["rules"])).json()["version"] == 1
    async with paywall.database.reading() as session:
        assert (await session.get_one(RulesVersion, 1)).document == later
        assert await session.get(RulesVersion, 2) is None


async def test_an_older_version_of_a_later_release_isnt_saved_in_part(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    """Whether it comes from its page or over the API: an installation went back a release, and had its rules changed."""
    now, older = paywall.clocks.business(), {**document("free"), "later": 1}
    versions = ((1, older), (2, document("registered")), (3, document("subscribers")))
    async with paywall.database.transaction() as session:
        for number, each in versions:
            session.add(RulesVersion(version=number, at=now, actor="x", document=each))
    browser = await signed_in("admin")
    page = (await browser.get("/admin/rules/versions/1")).text
    assert ("A later release saved version 1" in page, "Save " in page) == (True, False)
    refused = await browser.post("/admin/rules", data=fields(page))
    assert (refused.status_code, "A later release saved version 1" in refused.text) == (409, True)
    again = await browser.post("/admin/rules", data=fields(refused.text))
    assert again.status_code == 409, "the form still knows where it came from"
    read = await paywall.client.get(f"{RULES}/versions/1", headers=paywall.staff)
    assert read.json()["rules"] == older
    assert (await change(paywall, read.json()["rules"])).status_code == 422
    whole = fields((await browser.get("/admin/rules/versions/2")).text)
    assert (await browser.post("/admin/rules", data=whole)).status_code == 303


@pytest.mark.parametrize(
    ("currency", "status"), [("EUR", 200), ("XYZ", 422), ("eur", 422), ("", 422)]
)
async def test_a_licence_names_a_currency_that_there_is(
    paywall: Paywall, currency: str, status: int
) -> None:
    license_ = {"payment": "crawl", "amount": "0.01", "currency": currency}
    crawlers = {"training": "license", "license": license_}
    answer = await change(paywall, {**document("free"), "crawlers": crawlers})
    assert answer.status_code == status, answer.text


async def test_what_is_refused_names_the_field(paywall: Paywall) -> None:
    refused = await change(paywall, document(News="open"))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "body.levels.sections.0.level"


async def test_offers_must_be_there_and_plans_and_sections_may_come_later(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    await paywall.publish("derby", section="Sport")
    async with paywall.database.transaction() as session:
        sold = rows.offer(name="Spring", plan="digital")
        session.add(sold)
    body = document(Sport="subscribers", Sprot="subscribers")
    for each, plan in zip(body["levels"]["sections"], ("digital", "nosuch"), strict=True):
        each["plans"] = [plan]
    body["crawlers"] = {"licensed_sections": ["Sport", "Archiv"]}
    prompt = {"name": "Come back", "title": "Come back", "sections": ["Sport"]}
    body["prompts"] = [prompt, prompt | {"name": "Late", "offers": [sold.id, "off_none"]}]
    refused = await change(paywall, body)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-request")
    (error,) = refused.json()["errors"]
    assert error["field"] == "body.prompts.1.offers"
    assert "no offer off_none" in error["message"]
    assert f"{sold.id} (Spring)" in error["message"]
    body["prompts"] = [prompt]
    told = [
        "No offer sells the plan nosuch yet.", "The section Archiv has no articles yet.",
        "The section Sprot has no articles yet.",
    ]  # fmt: skip
    assert (await change(paywall, body)).json()["warnings"] == told
    assert (await paywall.client.get(RULES, headers=paywall.staff)).json()["warnings"] == told
    browser = await signed_in("editor")
    page = (await browser.get("/admin/rules")).text
    assert all(each in page for each in told)
    assert "There are no articles in Archiv yet." in (await browser.get("/admin/crawlers")).text


async def test_what_another_editor_changed_is_called_as_in_the_form(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    """Each field of the form: all texts and numbers are others than those that the form was filled from."""
    browser = await signed_in("editor")
    page = (await browser.get("/admin/rules")).text
    body = (await paywall.client.get(RULES, headers=paywall.staff)).json()["rules"]
    other = document() | {
        "meter": body["meter"] | {"window": "rolling", "days": 9, "anonymous": 1, "registered": 2, "former": 1, "carry_count": not body["meter"]["carry_count"]},
        "walls": {
            **{wall: {"title": "Join us", "text": "We need readers."} for wall in ("subscribe_wall", "register_wall")},
            "purpose": "The harbour’s news.",
        },
        "gift_links": {"per_month": 1, "days": 2, "readers": 3}, "devices": {"per_reader": 9},
        "elsewhere": {"by_account": not body["elsewhere"]["by_account"], "provisional_days": 1},
        "previews": {"blocks": 1, "words": 20, "withheld_percent": 33}, "cookieless": {"per_day": 77},
    }  # fmt: skip
    changed = await change(paywall, other)
    assert changed.status_code == 200, changed.text
    refused = await browser.post("/admin/rules", data=fields(page))
    assert refused.status_code == 412
    told = set(re.findall(r"<li>(.*?) (?:is now: |was changed)", unescape(refused.text)))
    assert told == set(LABELS.values())
