"""The page of the rules: it saves what its form shows, and an editor loses nothing."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import unquote_plus

from service.content.cache import ArticleCache
from service.content.recut_job import Recutter
from service.db.context import context_in
from service.offers.on_sale import OnSale
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.operators.conftest import csrf_in
from tests.operators.sent_form import fields
from tests.operators.test_rules import RULES, SignedIn, change, document
from tests.reports import rows

pytestmark = on_sqlite


async def test_the_page_saves_what_its_form_shows(signed_in: SignedIn, paywall: Paywall) -> None:
    browser = await signed_in("editor")
    sent = fields((await browser.get("/admin/rules")).text)
    place = sent["kind"].index("section")
    sent["name"][place], sent["level"][place] = "Long Reads", "subscribers"
    sent["plans"][place], sent["free_hours"][place] = "digital, print", "3"
    saved = await browser.post("/admin/rules", data=sent)
    assert (saved.status_code, saved.headers["location"]) == (303, "/admin/rules")
    page = (await browser.get("/admin/rules")).text
    shown = fields(page)
    at = shown["name"].index("Long Reads")
    assert (shown["level"][at], shown["plans"][at]) == ("subscribers", "digital, print")
    assert (shown["free_hours"][at], shown["version"]) == ("3", ["1"])
    assert "editor@example.org" in page
    # So are the meter and the words of walls.
    shown["meter.anonymous"], shown["meter.window"] = ["7"], ["day"]
    shown["walls.subscribe_wall.title"] = ['Read <b> & "on"']
    await browser.post("/admin/rules", data=shown)
    shown = fields((await browser.get("/admin/rules")).text)
    assert (shown["meter.anonymous"], shown["meter.window"]) == (["7"], ["day"])
    assert shown["walls.subscribe_wall.title"] == ['Read <b> & "on"']
    at = shown["name"].index("Long Reads")
    # And prompts, whatever else the API has set of them.
    shown["prompt"], shown["title"] = ["Spring"], ["A <new> spring"]
    shown["audiences"], shown["ends_at"] = ["0:lapsed", "0:past_due"], ["2026-05-01T00:00"]
    await browser.post("/admin/rules", data=shown)
    shown = fields((await browser.get("/admin/rules")).text)
    assert (shown["prompt"], shown["title"]) == (["Spring", ""], ["A <new> spring", ""])
    assert shown["audiences"] == ["0:lapsed", "0:past_due"]
    assert shown["ends_at"][0] == "2026-05-01T00:00"
    await paywall.publish("derby")
    assert "preview?as=lapsed&amp;prompt=Spring" in (await browser.get("/admin/rules")).text
    at = shown["name"].index("Long Reads")
    # An emptied name takes the row away.
    shown["name"][at] = " "
    await browser.post("/admin/rules", data=shown)
    assert "Long Reads" not in fields((await browser.get("/admin/rules")).text)["name"]
    # A version of the past is put in force again by its own form.
    past = await browser.get("/admin/rules/versions/1")
    assert "version 1" in past.text
    assert fields(past.text)["version"] == ["4"]
    await browser.post("/admin/rules", data=fields(past.text))
    assert "Long Reads" in fields((await browser.get("/admin/rules")).text)["name"]


async def test_prompts_are_put_in_order_and_name_several_of_each(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    async with paywall.database.transaction() as session:
        archived, sold = rows.offer(name="Autumn"), rows.offer(name="Spring")
        archived.archived_at = paywall.clocks.business()
        session.add_all([archived, sold])
    told: list[dict[str, Any]] = [{"name": name, "title": name} for name in ("First", "Second")]
    told[0] |= {
        "offers": [archived.id],
        "audiences": ["lapsed", "gift"],
        "entries": ["search", "social"],
    }
    body = (await paywall.client.get(RULES, headers=paywall.staff)).json()["rules"]
    assert (await change(paywall, {**body, "prompts": told})).status_code == 200
    browser = await signed_in("editor")
    page = (await browser.get("/admin/rules")).text
    assert "Autumn: " in page
    assert "not sold any more" in page
    sent = fields(page)
    assert (sent["order"], sent["offers"]) == (["1", "2", ""], [f"0:{archived.id}"])
    sent["order"] = ["2", "1", "0"]
    sent["prompt"][2] = sent["title"][2] = "Third"
    sent["offers"] += [f"0:{sold.id}", f"2:{sold.id}"]
    assert (await browser.post("/admin/rules", data=sent)).status_code == 303
    saved = (await paywall.client.get(RULES, headers=paywall.staff)).json()["rules"]["prompts"]
    assert [(each["name"], each["offers"]) for each in saved] == [
        ("Third", [sold.id]), ("Second", []), ("First", [archived.id, sold.id]),
    ]  # fmt: skip
    assert (saved[2]["audiences"], saved[2]["entries"]) == (
        ["lapsed", "gift"],
        ["search", "social"],
    )


async def test_each_prompt_leads_to_an_article_that_shows_it(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    await paywall.publish("derby", section="Sport", access={"level": "subscribers"})
    await paywall.publish("ferry", section="News")
    await paywall.publish("free", section="News", access={"level": "free"})
    said: dict[str, dict[str, Any]] = {
        "Wall": {}, "Sport": {"sections": ["Gone", "Sport"]}, "Owing": {"audiences": ["past_due"], "sections": ["News"]},
        "Count": {"place": "countdown"}, "Count lapsed": {"place": "countdown", "audiences": ["lapsed"]},
        "Beside": {"place": "notice", "sections": ["Sport"]}, "Nowhere": {"sections": ["Gone"]},
        "Counts nothing": {"place": "countdown", "sections": ["Sport"]},
    }  # fmt: skip
    body = (await paywall.client.get(RULES, headers=paywall.staff)).json()["rules"]
    body["prompts"] = [{"name": name, "title": f"!{name}!", **each} for name, each in said.items()]
    assert (await change(paywall, body)).status_code == 200
    browser = await signed_in("editor")
    page = unescape((await browser.get("/admin/rules")).text)
    links = re.findall(r'href="/articles/(.*?)/preview\?as=(.*?)&prompt=(.*?)"', page)
    # A reader at the end of their free articles sees no countdown, so another one does there.
    assert {unquote_plus(name): (slug, audience) for slug, audience, name in links} == {
        "Wall": ("derby", "anonymous"), "Sport": ("derby", "anonymous"), "Owing": ("ferry", "past_due"),
        "Count": ("ferry", "anonymous"), "Count lapsed": ("ferry", "anonymous"),
        "Beside": ("derby", "subscriber"),
    }  # fmt: skip
    assert page.count("None of the latest articles shows it.") == 2
    # What readers' walls are kept in is theirs alone.
    assert not (await paywall.app.running.get(OnSale).assortment()).derived


async def test_all_articles_are_cut_anew_from_the_page_and_over_the_api(
    signed_in: SignedIn, paywall: Paywall
) -> None:
    """The page says what a change of the previews holds for, and shows how far the run is."""
    await paywall.publish("ferry", body="".join(f"<p>Block {n} of it.</p>" for n in range(9)))
    editor = await signed_in("editor")
    form = fields((await editor.get("/admin/rules")).text)
    assert (form["previews.blocks"], form["cookieless.per_day"]) == (["3"], ["500"])
    refused = await editor.post("/admin/rules", data=form | {"previews.blocks": ["51"]})
    assert "Maximum public blocks of text:" in unescape(refused.text)
    saved = await editor.post(
        "/admin/rules", data=form | {"previews.blocks": ["1"], "cookieless.per_day": ["0"]}
    )
    assert saved.status_code == 303
    shown = (await paywall.client.get("/articles/ferry")).text
    assert "Block 2 of it" in shown
    api = "/v1/admin/rules/recut"
    assert (await paywall.client.get(api, headers=paywall.staff)).status_code == 404
    sent = await editor.post("/admin/rules/recut", data={"csrf": form["csrf"]})
    assert sent.headers["location"] == "/admin/rules#recut"
    assert "It starts soon." in (await editor.get("/admin/rules")).text
    again = await paywall.client.post(api, headers=paywall.staff)
    assert (again.status_code, again.json()["status"]) == (202, "waiting")
    await Recutter(context_in(paywall.app.running)).round()
    run = (await paywall.client.get(api, headers=paywall.staff)).json()
    assert (run["id"], run["status"], run["result"]) == (again.json()["id"], "done", "1 changed")
    assert "1 article done, 1 changed." in (await editor.get("/admin/rules")).text
    await paywall.app.running.get(ArticleCache).refresh(paywall.database)
    shown = (await paywall.client.get("/articles/ferry")).text
    assert "Block 0 of it" in shown
    assert "Block 1 of it" not in shown


async def test_what_cannot_be_is_told_and_stays_in_the_form(signed_in: SignedIn) -> None:
    browser = await signed_in("editor")
    sent = fields((await browser.get("/admin/rules")).text)
    place = sent["kind"].index("section")
    for name, entries, words in [
        ("Sport", {"free_hours": "-3"}, "Section Sport, free hours"),
        ("Sport", {"plans": "Not A Plan"}, "Section Sport"),
        ('"><b>', {"free_after_days": "soon"}, "free after days"),
        ("Sport", {"free_hours": "49", "free_after_days": "2"}, "must end before"),
        ("Sport", {"level": "open"}, "Section Sport, level"),
    ]:
        for key, value in {"name": name, "plans": "", "level": "subscribers", "free_hours": "",
                           "free_after_days": "", **entries}.items():  # fmt: skip
            sent[key][place] = value
        refused = await browser.post("/admin/rules", data=sent)
        assert (refused.status_code, words in unescape(refused.text)) == (422, True), refused.text
        assert 'role="alert"' in refused.text
        assert fields(refused.text)["name"][place] == name
    sent["name"][place] = ""
    for name, value, words in [
        ("meter.registered", "-1", "Free articles for registered readers"),
        ("meter.registered", "", "Free articles for registered readers"),
        ("meter.anonymous", "1001", "Free articles without signing in"),
        ("meter.window", "year", "Counting period"),
        ("walls.subscribe_wall.title", "t" * 201, "Subscribe wall: headline"),
    ]:
        refused = await browser.post("/admin/rules", data={**sent, name: value})
        assert (refused.status_code, words in unescape(refused.text)) == (422, True), refused.text
    for prompt, words in [
        ({"title": ""}, "Prompt Spring, title"),
        ({"audiences": "0:everybody"}, "Prompt Spring, audiences"),
        ({"audiences": "7:lapsed"}, "Part of the form is missing"),
        ({"order": "first"}, "Prompt Spring, order"),
        ({"text": "{left} of {limit}"}, "need the place"),
        ({"title": "{limit} a month", "place": "notice"}, "need the place"),
        ({"starts_at": "soon"}, "Prompt Spring, starts at"),
        ({"languages": "em português"}, "Prompt Spring, languages"),
        ({"every_days": "7"}, "a wall always shows"),
        ({"place": "notice", "left_at_most": "2"}, "left_at_most needs"),
        ({"starts_at": "2026-05-02T00:00", "ends_at": "2026-05-01T00:00"}, "after starts_at"),
    ]:
        named = {"prompt": "Spring", "title": "Spring", **prompt}
        spoilt = {**sent, **{name: [value] for name, value in named.items()}}
        refused = await browser.post("/admin/rules", data=spoilt)
        assert (refused.status_code, words in unescape(refused.text)) == (422, True), refused.text
    for broken in ({"kind": ["section"]}, {}, {**sent, "name": []}):
        answer = await browser.post("/admin/rules", data={**broken, "csrf": sent["csrf"]})
        assert answer.status_code == 422


async def test_a_large_newsroom_saves_its_rules(signed_in: SignedIn) -> None:
    browser = await signed_in("editor")
    sent = fields((await browser.get("/admin/rules")).text)
    place, section = sent["kind"].index("section"), [f"Section {n}" for n in range(110)]
    for name in (
        "kind",
        "level",
        "plans",
        "free_hours",
        "subscribers_after_days",
        "free_after_days",
    ):
        sent[name] += [sent[name][place]] * len(section)
    sent["name"] += section
    assert 800 < sum(map(len, sent.values())) < 1_000
    assert (await browser.post("/admin/rules", data=sent)).status_code == 303
    shown = fields((await browser.get("/admin/rules")).text)
    assert set(section) <= set(shown["name"])


async def test_the_second_editor_is_told_and_loses_nothing(signed_in: SignedIn) -> None:
    browser = await signed_in("editor")
    page = (await browser.get("/admin/rules")).text
    mine, theirs = fields(page), fields(page)
    place = theirs["kind"].index("tag")
    theirs["name"][place], mine["name"][place] = "Theirs", "Mine"
    await browser.post("/admin/rules", data=theirs)
    late = await browser.post("/admin/rules", data=mine)
    assert late.status_code == 412
    shown = fields(late.text)
    assert "Mine" in shown["name"]
    assert "Theirs" not in shown["name"]
    assert (await browser.post("/admin/rules", data=shown)).status_code == 303


async def test_a_running_experiment_keeps_its_meter(signed_in: SignedIn, paywall: Paywall) -> None:
    at, browser = "/v1/admin/experiments/spring", await signed_in("editor")
    plan = {
        "slug": "spring", "question": "Does it help?", "subject": "limit", "goal": "paid", "size": 1000,
        "variants": [
            {"name": "a", "share": 50},
            {"name": "b", "share": 50, "limits": {"anonymous": 1, "registered": 2}},
        ],
        "ends_at": (paywall.clocks.business() + timedelta(days=30)).isoformat(),
    }  # fmt: skip
    await paywall.client.put(at, json=plan, headers=paywall.staff)
    await paywall.client.post(f"{at}/start", headers=paywall.staff)
    more = {**document(), "meter": {"window": "month", "anonymous": 9, "registered": 9}}
    refused = await change(paywall, more)
    assert (refused.status_code, refused.json()["type"], refused.json()["experiment"]) == (
        409, "/problems/experiment-relies-on-them", "spring",
    )  # fmt: skip
    assert "Stop it first" in refused.json()["detail"]
    sent = fields((await browser.get("/admin/rules")).text) | {"meter.anonymous": ["9"]}
    page = await browser.post("/admin/rules", data=sent)
    assert (page.status_code, "Stop it first" in page.text) == (409, True)
    assert '<a href="/admin/experiments/spring">' in page.text
    assert fields(page.text)["meter.anonymous"] == ["9"]
    assert (await change(paywall, document("subscribers"))).status_code == 200
    await paywall.client.post(f"{at}/stop", headers=paywall.staff)
    assert (await change(paywall, more)).status_code == 200


async def test_a_viewer_sees_the_rules_and_changes_none(signed_in: SignedIn) -> None:
    browser = await signed_in("viewer")
    page = (await browser.get("/admin/rules")).text
    assert "Save the rules" not in page
    form = {**fields(page), "csrf": csrf_in((await browser.get("/admin/account")).text)}
    assert (await browser.post("/admin/rules", data=form)).status_code == 403
