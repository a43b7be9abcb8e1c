"""Experiments over the API and on their pages: planned, started, stopped, and never changed in between."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2

from service.db.tables import ExperimentRow
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.operators.conftest import csrf_in, seen_in
from tests.reports import rows

pytestmark = on_sqlite
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
HOME = "/v1/admin/experiments"
LIMITS = {"anonymous": 1, "registered": 2}


def plan(clocks: MovingClocks, slug: str = "spring", **fields: Any) -> dict[str, Any]:
    return {
        "slug": slug, "question": "Does one article less sell more?", "subject": "limit",
        "goal": "paid", "size": 1000, "ends_at": (clocks.business() + timedelta(days=30)).isoformat(),
        "variants": [{"name": "usual", "share": 50}, {"name": "one", "share": 50, "limits": LIMITS}],
        **fields,
    }  # fmt: skip


async def test_what_a_later_release_has_planned_isnt_lost(paywall: Paywall) -> None:
    now, wanted = paywall.clocks.business(), plan(paywall.clocks)
    later = {**wanted, "later": 1}
    async with paywall.database.transaction() as session:
        session.add(
            ExperimentRow(
                slug="spring", document=later, created_at=now, created_by="command",
                ends_at=now + timedelta(days=30),
            )
        )  # fmt: skip
    for method, path in (("PUT", ""), ("POST", "/start")):
        refused = await paywall.client.request(
            method, f"{HOME}/spring{path}", json=wanted, headers=paywall.staff
        )
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/rules-unreadable")
    async with paywall.database.reading() as session:
        stored = await session.get_one(ExperimentRow, "spring")
    assert (stored.document, stored.started_at) == (later, None)


async def test_a_plan_of_a_later_release_spoils_no_list(
    paywall: Paywall, signed_in: SignedIn
) -> None:
    now = paywall.clocks.business()
    later = ExperimentRow(
        slug="later", document={"subject": "price"}, created_at=now, created_by="command",
        started_at=None, stopped_at=None, ends_at=now + timedelta(days=9),
    )  # fmt: skip
    async with paywall.database.transaction() as session:
        session.add(later)
    await paywall.client.put(f"{HOME}/spring", json=plan(paywall.clocks), headers=paywall.staff)
    (found,) = [
        each
        for each in (await paywall.client.get(HOME, headers=paywall.staff)).json()["items"]
        if each["slug"] == "later"
    ]
    assert (found["plan"], found["state"]) == (None, "draft")
    browser = await signed_in("viewer")
    assert "Created by a newer release" in (await browser.get("/admin/experiments")).text
    for path in ("", "/plan"):
        refused = await browser.get(f"/admin/experiments/later{path}")
        assert (refused.status_code, "Update this one" in refused.text) == (404, True)
    started = await paywall.client.post(f"{HOME}/later/start", headers=paywall.staff)
    assert (started.status_code, "Update this one" in started.text) == (404, True)


async def test_a_running_one_can_only_be_stopped(paywall: Paywall) -> None:
    async def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = await paywall.client.request(
            method, f"{HOME}{path}", json=body, headers=paywall.staff
        )
        document = answer.json() if answer.content else {}
        return answer.status_code, document.get("type", document.get("state"))

    wanted = plan(paywall.clocks)
    assert await ask("PUT", "/spring", wanted) == (200, "draft")
    assert await ask("PUT", "/other", wanted) == (422, "/problems/invalid-request")
    assert await ask("PUT", "/spring", {**wanted, "size": 2000}) == (200, "draft")
    assert await ask("GET", "/spring/results") == (404, "/problems/not-found")
    assert await ask("POST", "/spring/stop") == (409, "/problems/experiment-not-running")
    assert await ask("PUT", "/autumn", plan(paywall.clocks, "autumn")) == (200, "draft")
    assert await ask("POST", "/spring/start") == (204, None)
    for method, path, body, problem in [
        ("PUT", "/spring", wanted, "experiment-begun"), ("DELETE", "/spring", None, "experiment-begun"),
        ("POST", "/spring/start", None, "experiment-begun"),
        ("POST", "/autumn/start", None, "another-experiment"),
    ]:  # fmt: skip
        assert await ask(method, path, body) == (409, f"/problems/{problem}")
    listed = (await paywall.client.get(HOME, headers=paywall.staff)).json()["items"]
    assert {each["plan"]["slug"]: each["state"] for each in listed} == {
        "spring": "running", "autumn": "draft",
    }  # fmt: skip
    assert [each["plan"]["size"] for each in listed if each["state"] == "running"] == [2000]
    results = (await paywall.client.get(f"{HOME}/spring/results", headers=paywall.staff)).json()
    assert (results["verdict"], results["holders"], len(results["variants"])) == ("running", 0, 2)
    assert await ask("POST", "/spring/stop") == (204, None)
    assert await ask("POST", "/autumn/start") == (204, None)
    assert await ask("GET", "/spring") == (200, "stopped")
    assert await ask("DELETE", "/never") == (404, "/problems/not-found")
    paywall.clocks.travel(timedelta(days=31))
    assert await ask("GET", "/autumn") == (200, "over")
    late = plan(paywall.clocks, "late", ends_at=paywall.clocks.business().isoformat())
    assert await ask("PUT", "/late", late) == (200, "draft")
    assert await ask("POST", "/late/start") == (422, "/problems/invalid-request")
    assert await ask("DELETE", "/late") == (204, None)
    done = (await paywall.client.get("/v1/admin/audit", headers=paywall.staff)).json()["items"]
    assert {each["action"] for each in done} >= {
        "experiment.plan", "experiment.start", "experiment.stop", "experiment.delete",
    }  # fmt: skip


async def test_its_pages_plan_it_start_it_and_stop_it(
    signed_in: SignedIn, paywall: Paywall, clocks: MovingClocks
) -> None:
    async with paywall.database.transaction() as session:
        gone = rows.offer(name="Autumn")
        gone.archived_at = clocks.business()
        session.add(gone)
    browser = await signed_in("editor")
    page = (await browser.get("/admin/experiments")).text
    ends = clocks.business() + timedelta(days=30)
    form: dict[str, Any] = {
        "csrf": csrf_in(page), "slug": "words", "question": "Do <new> words sell more?",
        "subject": "prompt", "goal": "registered", "within_days": "7", "size": "1000",
        "seen": "none", "ends_at": ends.strftime("%Y-%m-%dT%H:%M"), "audiences": ["0:lapsed", "0:gift"],
        "sections": "Sport", "languages": "pt, en-GB", "variant": ["usual", "new", "", ""], "share": ["50", "50", "", ""],
        "anonymous": ["", "", "", ""], "registered": ["", "", "", ""],
        "title": ["", "Your seat is free", "", ""], "text": ["", "", "", ""],
        "offers": [f"1:{gone.id}"],
    }  # fmt: skip
    spoilings: list[tuple[dict[str, Any], str]] = [
        ({"size": "10"}, "Sample size: "), ({"share": ["50", "51", "", ""]}, "more than 100"),
        ({"ends_at": "soon"}, "End: "), ({"slug": "No Name"}, "Name: "),
        ({"title": [""] * 4, "offers": []}, "needs its limits or words"),
        ({"variant": ["usual", "", "", ""], "share": ["100", "", "", ""]}, "Variants: needs at least 2, not 1."),
        ({"question": ""}, "Question: is empty."), ({"size": "many"}, "Sample size: must be a whole number."),
        ({"offers": ["1:off_none"]}, "There is no offer off_none."),
        ({"anonymous": ["", "x", "", ""]}, "Variant new, "), ({"share": []}, "form is missing"),
        ({"offers": ["4:off_gone"]}, "form is missing"), ({"walls": ["lapsed"]}, "form is missing"),
    ]  # fmt: skip
    for spoilt, words in spoilings:
        refused = await browser.post("/admin/experiments", data={**form, **spoilt})
        assert (refused.status_code, words in unescape(refused.text)) == (422, True), words
        if words != "form is missing":
            assert "Your seat is free" in refused.text or "title" in spoilt
    saved = await browser.post("/admin/experiments", data=form)
    assert saved.headers["location"] == "/admin/experiments/words"
    shown = (await browser.get("/admin/experiments/words")).text
    assert "Do &lt;new&gt; words sell more?" in shown
    assert "Former subscriber" in shown
    assert "Without a consent banner" in shown
    assert "pt, en-gb" in shown
    assert "Offers: one that isn’t sold any more." in shown
    typed = (await browser.get("/admin/experiments/words/plan")).text
    assert "Your seat is free" in typed
    for box in ("0:lapsed", "0:gift", f"1:{gone.id}"):
        assert f'value="{box}" checked' in typed
    for act, words in [("start", "Stop experiment"), ("stop", "Stopped early")]:
        action = f"/admin/experiments/words/{act}"
        seen = seen_in((await browser.get("/admin/experiments/words")).text, action)
        done = await browser.post(action, data={"csrf": csrf_in(page), "seen": seen})
        assert done.status_code == 303
        assert words in (await browser.get("/admin/experiments/words")).text
    again = await browser.post(
        "/admin/experiments/words/stop", data={"csrf": csrf_in(page), "seen": seen}
    )
    assert (again.status_code, 'role="alert"' in again.text) == (409, True)
    viewer = await signed_in("viewer")
    page = (await viewer.get("/admin/experiments")).text
    assert "Save draft" not in page
    form["csrf"] = csrf_in((await viewer.get("/admin/account")).text)
    assert (await viewer.post("/admin/experiments", data=form)).status_code == 403


async def test_offers_that_a_running_one_names_stay_as_they_are(
    paywall: Paywall, signed_in: SignedIn
) -> None:
    of_variant, of_control, archived, elsewhere, _ = made = [rows.offer() for _ in range(5)]
    archived.archived_at = paywall.clocks.business()
    ids = [each.id for each in made]
    async with paywall.database.transaction() as session:
        session.add_all(made)
    prompts = [
        {"name": "Sea", "title": "Sea", "sections": ["Sea"], "offers": [of_control.id]},
        {"name": "Land", "title": "Land", "sections": ["Land"], "offers": [elsewhere.id]},
    ]
    document = {"levels": {"default": {"level": "metered"}}, "prompts": prompts}
    saved = await paywall.client.put("/v1/admin/rules", json=document, headers=paywall.staff)
    assert saved.status_code == 200, saved.text
    words = {"title": "New", "offers": [of_variant.id, archived.id]}
    variants = [{"name": "usual", "share": 50}, {"name": "new", "share": 50, "words": words}]
    wanted = plan(paywall.clocks, subject="prompt", sections=["Sea"], variants=variants)
    await paywall.client.put(f"{HOME}/spring", json=wanted, headers=paywall.staff)
    await paywall.client.post(f"{HOME}/spring/start", headers=paywall.staff)

    async def sell(offer_id: str, *, shown: bool) -> int:
        body = {"shown": shown, "name": "Renamed"}
        at = f"/v1/admin/offers/{offer_id}"
        answer = await paywall.client.patch(at, json=body, headers=paywall.staff)
        assert "relies-on-them" in answer.text or answer.status_code == 200
        return answer.status_code

    changes = [(each, each == archived.id) for each in ids]
    kept = [of_variant.id, of_control.id, archived.id]
    assert [each for each, shown in changes if await sell(each, shown=shown) == 409] == kept
    assert await sell(of_variant.id, shown=True) == 200, "as it is: only its name changes"
    browser = await signed_in("admin")
    page = f"/admin/offers/{of_variant.id}"
    shown = (await browser.get(page)).text
    form = {"csrf": csrf_in(shown), "change": "end", "sure": "yes", "seen": seen_in(shown, page)}
    refused = await browser.post(page, data=form)
    assert (refused.status_code, "Stop it first" in refused.text) == (409, True)
    await paywall.client.post(f"{HOME}/spring/stop", headers=paywall.staff)
    assert [await sell(each, shown=shown) for each, shown in changes] == [200] * 5
