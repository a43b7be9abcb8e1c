"""Prompts: which words a wall has for whom, in the place of the usual ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.db.tables import GiftLink, GiftOpening
from service.identity.devices import DeviceKey, new_device_id, pseudonym
from service.levels import Span
from service.rules.meters import MeterRule, Meters
from service.rules.prompts import Audience, Occasion, Prompt, audience_of
from service.rules.rules import LevelRule, LevelRules, Rules
from tests.access.test_one_reading import verified_reader
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall
from tests.reports import rows

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
METERS = Meters(MeterRule(Span(), 3, 5))
LEVELS = LevelRules(LevelRule("metered"))


def prompt(name: str = "p", **fields: Any) -> Prompt:
    return Prompt(name, "Headline", "Text", **fields)


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"languages": frozenset({"pt"})}, True),
        ({"languages": frozenset({"p", "en"})}, False),
        ({"entries": frozenset({"search"})}, True),
        ({"entries": frozenset({"newsletter", "direct"})}, False),
        ({"place": "notice"}, False),
        ({"place": "countdown"}, False),
        ({}, True),
        ({"is_draft": True}, False),
        ({"audiences": frozenset({"lapsed"})}, True),
        ({"audiences": frozenset({"anonymous", "registered"})}, False),
        ({"walls": frozenset({"subscribe"})}, True),
        ({"walls": frozenset({"register"})}, False),
        ({"sections": frozenset({"Sport"})}, True),
        ({"sections": frozenset({"sport"})}, False),
        ({"starts_at": NOW}, True),
        ({"starts_at": NOW + timedelta(microseconds=1)}, False),
        ({"ends_at": NOW}, False),
        ({"starts_at": NOW - DAY, "ends_at": NOW + DAY}, True),
    ],
)
def test_a_prompt_is_for_whom_it_says(fields: dict[str, Any], fits: bool) -> None:
    met = Occasion("lapsed", "subscribe", "Sport", "pt-BR", "search")
    assert prompt(**fields).fits(met, NOW) is fits


@pytest.mark.parametrize(
    ("audiences", "fits"),
    [
        (set(), False),
        ({"registered"}, False),
        ({"past_due", "registered"}, False),
        ({"past_due", "subscribed"}, True),
        ({"past_due"}, True),
    ],
)
def test_what_a_wall_says_to_everybody_isnt_for_who_is_helped_there(
    audiences: set[Audience], fits: bool
) -> None:
    met, said = Occasion("past_due", "subscribe"), prompt(audiences=frozenset(audiences))
    assert said.fits(met, NOW) is fits
    assert said.meets(prompt(audiences=frozenset({"past_due"}))) is fits


@pytest.mark.parametrize(
    ("fields", "left", "fits"),
    [
        ({"place": "notice"}, None, True),
        ({"place": "notice"}, 2, True),
        ({"place": "countdown"}, None, False),
        ({"place": "countdown"}, 2, True),
        ({"place": "countdown", "left_at_most": 2}, 2, True),
        ({"place": "countdown", "left_at_most": 2}, 3, False),
        ({"place": "countdown", "left_at_most": 0}, 0, True),
        ({"place": "wall"}, 2, False),
    ],
)
def test_beside_an_open_article(fields: dict[str, Any], left: int | None, fits: bool) -> None:
    assert prompt(**fields).fits(Occasion("anonymous", left=left), NOW) is fits


def test_those_that_fit_come_in_the_editors_order() -> None:
    draft, second, third = prompt("a", is_draft=True), prompt("b"), prompt("c")
    met = Occasion("anonymous", "subscribe")
    assert Rules(LEVELS, METERS, (draft, second, third)).prompts_for(met, NOW) == (second, third)
    assert not Rules(LEVELS, METERS, (draft,)).prompts_for(met, NOW)


@pytest.mark.parametrize(
    ("facts", "audience"),
    [
        (set(), "anonymous"),
        ({"verified"}, "registered"),
        ({"verified", "gift"}, "gift"),
        ({"gift"}, "gift"),
        ({"verified", "tried_before", "gift"}, "trial_used"),
        ({"verified", "paid_before", "tried_before"}, "lapsed"),
        ({"paid_before"}, "lapsed"),
        ({"verified", "institution", "paid_before"}, "institution"),
        ({"verified", "seat", "institution", "paid_before"}, "seat"),
        ({"verified", "seat", "comp"}, "seat"),
        ({"verified", "comp", "institution", "paid_before"}, "other_access"),
        ({"verified", "external", "gift"}, "other_access"),
        ({"subscribes", "seat"}, "subscribed"),
        ({"verified", "subscribes", "institution"}, "subscribed"),
        ({"subscribes", "owes", "paid_before"}, "past_due"),
    ],
)
def test_a_reader_has_one_audience(facts: set[str], audience: str) -> None:
    sources = facts & {"gift", "institution", "seat", "comp", "external"}
    names = ("verified", "owes", "subscribes", "paid_before", "tried_before")
    assert audience_of(sources=sources, **{each: each in facts for each in names}) == audience


async def put(paywall: Paywall, *prompts: dict[str, Any]) -> None:
    rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    body = {**rules, "prompts": [{"text": "", **each} for each in prompts]}
    answer = await paywall.client.put("/v1/admin/rules", json=body, headers=paywall.staff)
    assert answer.status_code == 200, answer.text


async def wall(paywall: Paywall) -> dict[str, Any]:
    answer = await paywall.unlock("closed")
    assert (answer.status_code, CANARY in answer.text) == (402, False)
    shown: dict[str, Any] = answer.json()["wall"]
    return shown


@on_sqlite
async def test_each_reader_meets_their_own_words(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    usual = (await wall(paywall))["title"]
    audiences = ("anonymous", "registered", "lapsed", "past_due", "subscribed", "trial_used")
    await put(
        paywall,
        *({"name": each, "title": f"For {each}", "audiences": [each]} for each in audiences),
    )
    assert (await wall(paywall))["title"] == "For anonymous"
    ended = paywall.clocks.business() - DAY
    for status, title, fields in [
        (None, "For registered", {}), ("canceled", "For lapsed", {}), ("past_due", "For past_due", {}),
        ("unpaid", "For past_due", {}), ("active", "For subscribed", {}),
        ("paused", "For past_due", {"trial_end": ended + 365 * DAY}), ("paused", "For subscribed", {}),
        ("incomplete", "For registered", {}),
        ("canceled", "For trial_used", {"trial_end": ended, "ended_at": ended}),
        ("canceled", "For lapsed", {"trial_end": ended - DAY, "ended_at": ended}),
    ]:  # fmt: skip
        reader_id = await verified_reader(paywall)
        if status is not None:
            offer = rows.offer(plan="silver")
            reader = rows.reader(email=None)
            reader.id = reader_id
            bought = rows.subscription(reader, offer, status=status)
            for name, value in fields.items():
                setattr(bought, name, value)
            async with paywall.database.transaction() as session:
                session.add(offer)
                await session.flush()
                session.add(bought)
        shown = await wall(paywall)
        assert (shown["title"], shown["audience"]) == (title, title.removeprefix("For ")), status
    await put(paywall)
    paywall.client.cookies.clear()
    assert (await wall(paywall))["title"] == usual


@on_sqlite
async def test_the_ledger_names_the_prompt_whatever_its_words(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    walled = await paywall.unlock("closed")
    assert "prompt" not in walled.json()["wall"]
    for title in ("Spring is heer", "Spring is here"):
        await put(paywall, {"name": "Spring", "title": title})
        assert (await wall(paywall))["title"] == title
    looked = await paywall.client.get("/v1/articles/closed/access")
    assert "prompt" not in looked.json()["wall"]
    await subscribed(paywall, status="past_due")
    await wall(paywall)
    named = [row.prompt for row in await paywall.ledger()]
    assert named == ["(usual words)", "Spring", "Spring", "(helping words)"]


@on_sqlite
async def test_a_prompt_begins_and_ends_by_itself(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers"}, section="Sport")
    now = paywall.clocks.business()
    usual = (await wall(paywall))["title"]
    begins, ends = now + timedelta(minutes=1), now + timedelta(minutes=2)
    await put(
        paywall,
        {"name": "p", "title": "Now", "starts_at": begins.isoformat(), "ends_at": ends.isoformat()},
    )
    titles = []
    for _ in range(3):
        titles.append((await wall(paywall))["title"])
        paywall.clocks.travel(timedelta(minutes=1))
    assert titles == [usual, "Now", usual]


@on_sqlite
async def test_a_reader_who_cant_buy_is_helped(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    await sell(paywall, plan="gold")
    everybody = {"name": "all", "title": "Subscribe now"}
    some = {
        "name": "some",
        "title": "Come back",
        "audiences": ["past_due", "subscribed", "seat", "lapsed"],
    }
    await put(paywall, some, everybody)
    first = await wall(paywall)
    assert ([each["rel"] for each in first["actions"]], first["title"]) == (
        ["subscribe"], "Subscribe now",
    )  # fmt: skip
    for row, rel, words in [
        ({"status": "past_due"}, "update-payment", "overdue"),
        ({"status": "active"}, "manage", "doesn’t include"),
        ({"status": "active", "access_stop": "trial_used"}, "manage", "is suspended"),
    ]:
        await put(paywall, some, everybody)
        await subscribed(paywall, **row)
        shown = await wall(paywall)
        assert (shown["offers"], [each["rel"] for each in shown["actions"]]) == ([], [rel])
        assert words in shown["title"]
        page = (await paywall.client.get("/articles/closed")).text
        assert ("No subscriptions are on sale" in page, 'class="button primary" href="/account"' in page) == (
            False, True,
        )  # fmt: skip
        named = {"name": "named", "title": "Write to us", "audiences": [shown["audience"]]}
        await put(paywall, some, everybody, named)
        assert (await wall(paywall))["title"] == "Write to us"
    for name in ("some", "all", "named"):
        preview = await paywall.client.get(
            f"/articles/closed/preview?as=past_due&prompt={name}", headers=paywall.staff
        )
        assert ("is overdue" in preview.text, preview.status_code) == (True, 200)


@on_sqlite
async def test_who_reads_by_a_seat_is_helped_too(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    await sell(paywall, plan="gold")
    await put(paywall, {"name": "all", "title": "Subscribe now"})
    reader = rows.reader(email=None)
    reader.id = await verified_reader(paywall)
    async with paywall.database.transaction() as session:
        session.add(rows.grant(reader, source="seat", scope="plan:silver"))
    shown = await wall(paywall)
    assert (shown["audience"], shown["title"]) == ("seat", "Your seat doesn’t include this article")
    assert [each["plan"] for each in shown["offers"]] == ["gold"], "another plan can be bought"


@on_sqlite
async def test_a_subscription_at_anothers_price_leaves_room_for_ours(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    await sell(paywall, plan="gold")
    await put(paywall, {"name": "all", "title": "Subscribe now"})
    await subscribed(paywall, status="past_due", outside="price")
    shown = await wall(paywall)
    assert (shown["audience"], shown["title"]) == ("lapsed", "Subscribe now")
    assert [each["rel"] for each in shown["actions"]] == ["subscribe"]


@on_sqlite
async def test_the_countdown_and_notices_come_with_the_article(paywall: Paywall) -> None:
    for slug in ("one", "two", "three"):
        await paywall.publish(slug, section="Sport", language="pt-BR")
    await put(
        paywall,
        {"name": "count", "place": "countdown", "title": "{left} of {limit} left", "left_at_most": 1},
        {"name": "pt", "place": "notice", "title": "Olá", "languages": ["pt"], "every_days": 7},
        {"name": "en", "place": "notice", "title": "Hello", "languages": ["en"]},
        {"name": "found", "place": "notice", "title": "Found us", "entries": ["search"]},
    )  # fmt: skip
    names = {"Olá": "pt", "Found us": "found", "1 of 3 left": "count", "0 of 3 left": "count"}

    async def title(slug: str, *, seen: dict[str, int] | None = None, **headers: str) -> str | None:
        """Of what is said beside the article, as the ledger has it, too."""
        body = {"seen": seen or {}}
        answer = await paywall.client.post(
            f"/v1/articles/{slug}/unlock", json=body, headers=headers
        )
        notice = answer.json()["notice"]
        assert answer.json()["notices"] == ([notice] if notice is not None else [])
        row = (await paywall.ledger())[-1]
        assert row.prompt == (names[notice["title"]] if notice is not None else None)
        assert notice is None or (row.audience == "anonymous" and "prompt" not in notice)
        return notice and str(notice["title"])

    search = {"Referer": "https://www.google.com/"}
    pt = prompt("pt").key
    assert await title("one") == "Olá"
    assert await title("one", seen={pt: 6}) is None
    assert await title("one", seen={pt: 6}, **search) == "Found us"
    assert await title("one", seen={pt: 7}) == "Olá"
    assert await title("two") == "1 of 3 left"
    assert await title("one") == "1 of 3 left"  # again, from memory
    paywall.clocks.travel(timedelta(minutes=2))
    assert await title("three") == "0 of 3 left"  # how many are left the database alone knows
    row = (await paywall.ledger())[-1]
    params = {"reader": row.device_id, "article": "three"}
    explained = await paywall.client.get("/v1/admin/explain", params=params, headers=paywall.staff)
    assert explained.json()["recorded"]["prompt"] == "count"
    looked = (await paywall.client.get("/v1/articles/one/access")).json()
    assert (looked["notices"], "notice" in looked) == ([], False)
    # On a page: once in its days on a device.
    await put(paywall, {"name": "pt", "place": "notice", "title": "Olá", "every_days": 7})
    for days, shows in [(0, True), (1, False), (5, False), (1, True)]:
        paywall.clocks.travel(days * DAY)
        page = await paywall.client.get("/articles/one")
        assert ('id="notice"' in page.text) is shows, days
        assert (await paywall.ledger())[-1].prompt == ("pt" if shows else None), days


@on_sqlite
@pytest.mark.parametrize(
    ("source", "scope", "audience"),
    [
        ("comp", "everything", "other_access"), ("external", "plan:digital", "other_access"),
        ("comp", "article:{}", "registered"), ("seat", "plan:digital", "seat"),
    ],
)  # fmt: skip
async def test_nobody_is_asked_to_buy_what_they_have(
    paywall: Paywall, source: str, scope: str, audience: str
) -> None:
    await paywall.publish("open", access={"level": "subscribers"})
    article = (await paywall.client.get("/v1/articles/open")).json()["id"]
    offer = rows.offer()
    async with paywall.database.transaction() as session:
        session.add(offer)
    asked = {"place": "notice", "offers": [offer.id]}
    await put(
        paywall,
        {"name": "all", "title": "Buy", **asked},
        {"name": "some", "title": "Buy it", "audiences": ["registered", "other_access"], **asked},
        {"name": "own", "title": "Thanks", "audiences": [audience], **asked},
    )
    reader = rows.reader(email=None)
    reader.id = await verified_reader(paywall)
    async with paywall.database.transaction() as session:
        session.add(rows.grant(reader, source=source, scope=scope.format(article)))
    read = await paywall.unlock("open")
    expected = ("Buy", True) if audience == "registered" else ("Thanks", False)
    first = read.json()["notice"]
    assert (first["title"], bool(first["offers"])) == expected


async def sell(paywall: Paywall, plan: str) -> None:
    async with paywall.database.transaction() as session:
        session.add(rows.offer(plan=plan))


@on_sqlite
async def test_a_win_back_offer_is_shown_to_former_subscribers_where_a_prompt_names_it(
    paywall: Paywall,
) -> None:
    await paywall.publish("closed", access={"level": "subscribers"})
    await paywall.publish("open")
    usual, win_back = rows.offer(), rows.offer()
    win_back.sold_to = "former"
    async with paywall.database.transaction() as session:
        session.add_all([usual, win_back])

    async def shown() -> list[list[str]]:
        """At the wall, and beside an open article."""
        met, read = await wall(paywall), (await paywall.unlock("open")).json()
        both = (usual.id, win_back.id)
        return [
            [each["id"] for each in place["offers"] if each["id"] in both]
            for place in (met, *filter(None, [read["notice"]]))
        ]

    everybody = ["anonymous", "lapsed"]
    assert await shown() == [[usual.id]]
    await subscribed(paywall, status="canceled")
    assert await shown() == [[usual.id]]
    named = {"audiences": everybody, "offers": [win_back.id]}
    await put(
        paywall, {"name": "w", "title": "Back?", **named},
        {"name": "n", "title": "Back?", "place": "notice", **named},
    )  # fmt: skip
    assert await shown() == [[win_back.id]] * 2
    preview = await paywall.client.get("/articles/closed/preview?as=lapsed", headers=paywall.staff)
    assert win_back.id in preview.text
    paywall.client.cookies.clear()
    assert await shown() == [[usual.id], []]
    listed = (await paywall.client.get("/v1/offers")).json()["items"]
    assert usual.id in (ids := [each["id"] for each in listed])
    assert win_back.id not in ids
    assert win_back.id not in (await paywall.client.get("/account")).text


async def subscribed(paywall: Paywall, **row: str) -> None:
    """A verified reader, signed in, with a subscription of another plan."""
    reader = rows.reader(email=None)
    reader.id = await verified_reader(paywall)
    offer = rows.offer(plan="silver")
    async with paywall.database.transaction() as session:
        session.add(offer)
        await session.flush()
        session.add(rows.subscription(reader, offer, **row))


@on_sqlite
async def test_who_came_by_a_gift_is_known_at_the_next_wall(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers"})
    await put(paywall, {"name": "gift", "title": "Liked the gift?", "audiences": ["gift"]})
    now, key = paywall.clocks.business(), paywall.app.running.get(DeviceKey)
    device = new_device_id(now)
    link = GiftLink(
        id="gft_1", reader_id="rdr_1", article_id="art_1", month=now, most_readers=5, readers=1,
        created_at=now, ends_at=now + DAY,
    )  # fmt: skip
    async with paywall.database.transaction() as session:
        session.add(link)
        await session.flush()
        session.add(GiftOpening(link_id="gft_1", device_id=pseudonym(device), opened_at=now))
    titles = []
    for each in (device, new_device_id(now)):
        answer = await paywall.unlock("closed", **{"Paywall-Device": key.sign(each)})
        titles.append(answer.json()["wall"]["title"])
    assert titles[0] == "Liked the gift?" != titles[1]
