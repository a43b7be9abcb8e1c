"""Experiments where readers meet them: one variant for good, for those who agreed, and in the ledger's rows."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.access.views import experiment_key
from service.identity.cookies import cookie_name
from service.identity.devices import DeviceKey, new_device_id, pseudonym
from service.identity.readers import create_reader, link_device
from service.identity.sessions import open_session
from service.rules.in_force import RuleBook
from tests.access.test_one_reading import verified_reader
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside
from tests.reports import rows

pytestmark = on_sqlite
AGREED = {"Paywall-Consent": "newsletter, experiments"}
EXPERIMENTS = "/v1/admin/experiments"


def plan(paywall: Paywall, **fields: Any) -> dict[str, Any]:
    ends_at = paywall.clocks.business() + timedelta(days=30)
    return {
        "slug": "spring", "question": "Does one article less sell more?", "subject": "limit",
        "goal": "paid", "size": 1000, "ends_at": ends_at.isoformat(),
        "variants": [
            {"name": "usual", "share": 50},
            {"name": "one", "share": 50, "limits": {"anonymous": 1, "registered": 2}},
        ],
        **fields,
    }  # fmt: skip


async def start(paywall: Paywall, **fields: Any) -> None:
    body, at = plan(paywall, **fields), f"{EXPERIMENTS}/spring"
    planned = await paywall.client.put(at, json=body, headers=paywall.staff)
    assert planned.status_code == 200, planned.text
    started = await paywall.client.post(f"{at}/start", headers=paywall.staff)
    assert started.status_code == 204, started.text


def device_of(paywall: Paywall, variant: str) -> str:
    """A device that gets this variant."""
    experiment = paywall.app.running.get(RuleBook).in_force.experiment
    assert experiment is not None
    secret = experiment_key(paywall.settings)
    while True:
        device = new_device_id(paywall.clocks.wall())
        drawn = experiment.variant_of(pseudonym(device), secret)
        if drawn is not None and drawn.name == variant:
            return device


async def unlocked(paywall: Paywall, slug: str, device: str, **headers: str) -> httpx2.Response:
    signed = paywall.app.running.get(DeviceKey).sign(device)
    return await paywall.unlock(slug, **{"Paywall-Device": signed, **headers})


async def limit(paywall: Paywall, slug: str, device: str, **headers: str) -> int:
    found: int = (await unlocked(paywall, slug, device, **headers)).json()["meter"]["limit"]
    return found


async def signed_in_on(paywall: Paywall, *devices: str) -> str:
    """A verified reader, signed in, whose first device is the first of these; its id."""
    async with paywall.database.transaction() as session:
        reader = await create_reader(session, email=None, clocks=paywall.clocks)
        reader.email_verified_at = paywall.clocks.business()
        reader_id = reader.id
        for device in devices:
            await link_device(
                session, reader_id=reader_id, device=pseudonym(device), now=paywall.clocks.wall()
            )
            opened = await open_session(
                session, reader_id=reader_id, now=paywall.clocks.wall(), settings=paywall.settings
            )
    paywall.client.cookies.set(
        cookie_name("session", paywall.settings), opened.token, domain="127.0.0.1"
    )
    return reader_id


async def test_a_device_keeps_its_variant_and_no_other_gets_it(paywall: Paywall) -> None:
    await start(paywall)
    usual, one = device_of(paywall, "usual"), device_of(paywall, "one")
    for slug in "ab":  # what is worked out for one new device isn't given to another
        assert await limit(paywall, slug, device_of(paywall, "one"), **AGREED) == 1
        assert await limit(paywall, slug, device_of(paywall, "usual"), **AGREED) == 3
    assert [await limit(paywall, slug, usual, **AGREED) for slug in "abc"] == [3, 3, 3]
    answers = [await unlocked(paywall, slug, one, **AGREED) for slug in "aba"]
    assert [each.status_code for each in answers] == [200, 402, 200]
    assert CANARY not in answers[1].text
    found = {row.device_id: set[str | None]() for row in await paywall.ledger()}
    for row in await paywall.ledger():
        found[row.device_id].add(row.variant)
    assert (found[pseudonym(usual)], found[pseudonym(one)]) == ({"spring/usual"}, {"spring/one"})


async def test_who_did_not_agree_stays_outside(paywall: Paywall) -> None:
    await start(paywall)
    one = device_of(paywall, "one")
    assert await limit(paywall, "a", one) == 3
    assert await limit(paywall, "a", one, **{"Paywall-Consent": "newsletter"}) == 3
    assert await limit(paywall, "a", one, Cookie="paywall_consent=statistics.experiments") == 1
    assert [row.variant for row in await paywall.ledger()] == [None, None, "spring/one"]


@pytest.mark.parametrize("need_consent", [False, True])
async def test_only_a_device_that_comes_back_takes_part(
    paywall: Paywall, need_consent: bool
) -> None:
    """Scripts without cookies are a new device each time, and would thin the figure out."""
    changed = paywall.settings.model_copy(update={"experiments_need_consent": need_consent})
    headers = AGREED if need_consent else {}
    async with inside(paywall.database, changed, paywall.clocks) as site:
        await start(site, variants=[
            {"name": "usual", "share": 1},
            {"name": "one", "share": 99, "limits": {"anonymous": 0, "registered": 0}},
        ])  # fmt: skip
        for _ in range(5):
            async with site.new_client() as script:
                read = await script.post("/v1/articles/a/unlock", headers=headers)
                assert read.json()["meter"]["limit"] == 3
        assert {row.variant for row in await site.ledger()} == {None}
        one = device_of(site, "one")
        assert await limit(site, "b", one, **headers) == 0
        assert (await site.ledger())[-1].variant == "spring/one"


async def test_the_variant_goes_along_at_sign_in_and_to_other_devices(paywall: Paywall) -> None:
    await start(paywall)
    usual, one = device_of(paywall, "usual"), device_of(paywall, "one")
    assert await limit(paywall, "a", one, **AGREED) == 1
    reader_id = await signed_in_on(paywall, one, usual)
    for device in (one, usual):
        assert await limit(paywall, "b", device, **AGREED) == 2
    said = await paywall.client.get(
        "/v1/admin/explain", params={"reader": reader_id, "article": "c"}, headers=paywall.staff
    )
    assert {
        "rule": "experiment",
        "saw": "the variant is spring/one",
        "decided": False,
    } in said.json()["trail"]
    assert said.json()["meter"]["limit"] == 2


async def test_whether_a_reader_had_agreed_is_said_where_it_is_not_known(paywall: Paywall) -> None:
    await start(paywall, variants=[{"name": "usual", "share": 1}, {
        "name": "one", "share": 99, "limits": {"anonymous": 1, "registered": 2}}])  # fmt: skip
    reader_id = await verified_reader(paywall)
    said = await paywall.client.get(
        "/v1/admin/explain", params={"reader": reader_id, "article": "c"}, headers=paywall.staff
    )
    assert any("had agreed" in each for each in said.json()["unknown"])
    assert "experiment" not in {each["rule"] for each in said.json()["trail"]}


async def test_the_account_page_says_the_limit_of_the_variant(paywall: Paywall) -> None:
    await start(paywall)
    key = paywall.app.running.get(DeviceKey)
    for variant, said in (
        ("one", "You can read 1 free article a month"),
        ("usual", "You can read 3 free"),
    ):
        signed = {"Paywall-Device": key.sign(device_of(paywall, variant)), **AGREED}
        assert said in (await paywall.client.get("/account", headers=signed)).text


async def test_only_who_has_a_limit_that_is_tried_takes_part(paywall: Paywall) -> None:
    rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    rules["meter"]["entries"] = [{"entry": "newsletter", "anonymous": 9}]
    rules["meters"] = [{
        "name": "magazine", "sections": ["Magazine"], "window": "month", "anonymous": 4, "registered": 4,
    }]  # fmt: skip
    saved = await paywall.client.put("/v1/admin/rules", json=rules, headers=paywall.staff)
    assert saved.status_code == 200, saved.text
    await paywall.publish("long", section="Magazine")
    await start(paywall)
    one = device_of(paywall, "one")
    signed = {"Paywall-Device": paywall.app.running.get(DeviceKey).sign(one), **AGREED}
    by_letter = {"campaign": {"source": "newsletter"}}
    letter = await paywall.client.post("/v1/articles/b/unlock", json=by_letter, headers=signed)
    assert letter.json()["meter"]["limit"] == 9
    assert await limit(paywall, "long", one, **AGREED) == 4
    assert await limit(paywall, "b", one, **AGREED) == 1
    assert [row.variant for row in await paywall.ledger()] == [None, None, "spring/one"]
    page = (await paywall.client.get("/account")).text
    assert "Some articles have their own limits." in page


@pytest.mark.parametrize("ending", ["stopped", "over"])
async def test_afterwards_all_have_the_same(paywall: Paywall, ending: str) -> None:
    await start(paywall)
    one = device_of(paywall, "one")
    assert await limit(paywall, "a", one, **AGREED) == 1
    if ending == "stopped":
        stopped = await paywall.client.post(f"{EXPERIMENTS}/spring/stop", headers=paywall.staff)
        assert stopped.status_code == 204
    else:
        paywall.clocks.travel(timedelta(days=30))
    assert await limit(paywall, "a", one, **AGREED) == 3
    assert [row.variant for row in await paywall.ledger()] == ["spring/one", None]


async def test_words_are_tried_at_the_walls_that_they_are_for(paywall: Paywall) -> None:
    for slug, section in (("derby", "Sport"), ("budget", "News")):
        await paywall.publish(slug, access={"level": "subscribers"}, section=section)
    variants = [
        {"name": "usual", "share": 50},
        {"name": "new", "share": 50, "words": {"title": "The derby is on", "text": "Now."}},
    ]
    await start(paywall, subject="prompt", variants=variants, sections=["Sport"])
    usual, new = device_of(paywall, "usual"), device_of(paywall, "new")

    async def title(slug: str, device: str) -> str:
        found: str = (await unlocked(paywall, slug, device, **AGREED)).json()["wall"]["title"]
        return found

    before = await title("derby", usual)
    assert before != "The derby is on"
    assert await title("derby", new) == "The derby is on"
    assert await title("budget", new) == before
    rows = [(row.variant, row.audience) for row in await paywall.ledger()]
    assert rows == [
        ("spring/usual", "anonymous"), ("spring/new", "anonymous"), (None, "anonymous"),
    ]  # fmt: skip
    # The page shows the same wall, and notes it with the variant.
    page = await paywall.client.get(
        "/articles/derby",
        headers={"Paywall-Device": paywall.app.running.get(DeviceKey).sign(new), **AGREED},
    )
    assert "The derby is on" in page.text


def beside(place: str, **fields: Any) -> dict[str, Any]:
    """A plan on what is said beside open articles."""
    title = "Only {left} left" if place == "countdown" else "The harbour needs you"
    words = {"title": title, "text": "Join us."}
    return {
        "subject": "prompt", "place": place,
        "variants": [{"name": "usual", "share": 50}, {"name": "new", "share": 50, "words": words}],
        **fields,
    }  # fmt: skip


async def said(paywall: Paywall, slug: str, device: str) -> list[str]:
    """The titles beside the article that this device opens."""
    answer = await unlocked(paywall, slug, device, **AGREED)
    assert answer.status_code == 200, answer.text
    notice = answer.json()["notice"]
    return [notice["title"]] if notice is not None else []


async def variants(paywall: Paywall) -> list[str | None]:
    return [row.variant for row in await paywall.ledger()]


async def test_a_countdown_is_tried_wherever_the_meter_opens_an_article(paywall: Paywall) -> None:
    await paywall.publish("open", access={"level": "free"})
    await start(paywall, **beside("countdown"))
    usual, new = device_of(paywall, "usual"), device_of(paywall, "new")
    for device, titles in ((usual, []), (new, ["Only 2 left"])):
        # A counted read, the same again, and an article that the meter doesn't open.
        assert await said(paywall, "a", device) == titles
        assert await said(paywall, "a", device) == titles
        assert await said(paywall, "open", device) == []
    assert await variants(paywall) == [
        "spring/usual", "spring/usual", None, "spring/new", "spring/new", None,
    ]  # fmt: skip
    assert [row.consumed for row in await paywall.ledger()] == [True, False, False] * 2
    # The wall that ends the countdown isn't under test.
    for slug in "bc":
        assert len(await said(paywall, slug, new)) == 1
    await paywall.publish("d")
    assert (await unlocked(paywall, "d", new, **AGREED)).status_code == 402
    assert (await variants(paywall))[-3:] == ["spring/new", "spring/new", None]


async def test_a_notice_is_tried_on_those_whom_it_is_for(paywall: Paywall) -> None:
    for slug, section in (("derby", "Sport"), ("open", "Sport"), ("budget", "News")):
        level = "free" if slug == "open" else "metered"
        await paywall.publish(slug, access={"level": level}, section=section)
    plan = beside("notice", sections=["Sport"], audiences=["registered"], every_days=7)
    await start(paywall, **plan)
    new = device_of(paywall, "new")
    # Nobody who isn't signed in is of that audience.
    assert await said(paywall, "derby", new) == []
    await signed_in_on(paywall, new)
    for slug, count in (("derby", 1), ("budget", 0), ("open", 1)):
        assert len(await said(paywall, slug, new)) == count
    assert await variants(paywall) == [None, "spring/new", None, "spring/new"]


async def test_a_page_that_is_open_at_once_tries_a_notice_too(paywall: Paywall) -> None:
    await paywall.publish("open", access={"level": "free"})
    await start(paywall, **beside("notice", every_days=7))
    key = paywall.app.running.get(DeviceKey)
    for variant, shown in (("new", True), ("usual", False)):
        signed = {"Paywall-Device": key.sign(device_of(paywall, variant)), **AGREED}
        page = await paywall.client.get("/articles/open", headers=signed)
        assert ("Join us." in page.text) is shown
    assert await variants(paywall) == ["spring/new", "spring/usual"]


async def test_a_reader_who_cant_buy_stays_outside_of_words(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    words = {"title": "Subscribe now", "text": ""}
    plan = [{"name": "usual", "share": 50}, {"name": "new", "share": 50, "words": words}]
    await start(paywall, subject="prompt", variants=plan)
    new = device_of(paywall, "new")
    assert (await unlocked(paywall, "closed", new, **AGREED)).json()["wall"]["title"] == (
        "Subscribe now"
    )
    reader = rows.reader(email=None)
    reader.id = await signed_in_on(paywall, new)
    offer = rows.offer(plan="silver")
    async with paywall.database.transaction() as session:
        session.add(offer)
        await session.flush()
        session.add(rows.subscription(reader, offer, status="past_due"))
    met = (await unlocked(paywall, "closed", new, **AGREED)).json()["wall"]
    assert (met["audience"], met["title"]) == ("past_due", "Your payment is overdue")
    assert [row.variant for row in await paywall.ledger()] == ["spring/new", None]


async def test_who_has_access_otherwise_stays_outside_of_notices(paywall: Paywall) -> None:
    await start(paywall, **beside("notice"))
    new = device_of(paywall, "new")
    reader = rows.reader(email=None)
    reader.id = await signed_in_on(paywall, new)
    assert len(await said(paywall, "a", new)) == 1
    async with paywall.database.transaction() as session:
        session.add(rows.grant(reader, source="external", scope="plan:digital"))
    assert await said(paywall, "b", new) == []
    assert await variants(paywall) == ["spring/new", None]
