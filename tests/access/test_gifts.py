"""Gift links: who may give, what a link opens to whom, and that neither is exceeded by many at once."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.access import gifts, giving
from service.access.gifts import Gifts
from service.access.openings import Openings
from service.access.revocations import Revocations
from service.db.failures import database_unavailable
from service.db.tables import GiftLink, GiftOpening, Touches
from service.grants.gift_links import open_link
from service.grants.gift_terms import GiftTerms, may_give
from service.grants.grants import Source
from service.grants.link_tokens import LinkKey
from service.identity.cookies import cookie_name
from service.levels import Level
from service.rules.document import of_settings
from tests.conftest import START, MovingClocks
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside
from tests.interleaving import amid, meanwhile
from tests.reports import rows

ADMIN = "/v1/admin/gift-links"


async def test_a_start_waits_for_no_reading_of_all_links(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until they are read, each article may have been opened by one, so the database is asked."""

    async def takes_too_long(*_: object, **__: object) -> list[str]:
        raise database_unavailable()

    async with inside(paywall.database, paywall.settings, paywall.clocks) as plain:
        assert not plain.app.running.get(Gifts).opened("art_none")
    monkeypatch.setattr(gifts, "opened_articles", takes_too_long)
    async with inside(paywall.database, paywall.settings, paywall.clocks) as started:
        asked = started.app.running.get(Gifts)
        assert asked.opened("art_none")
        monkeypatch.undo()
        await started.app.running.get(Openings).refresh()
        assert asked.opened("art_none"), (
            "a database that has just failed isn't asked for all of them"
        )
        paywall.clocks.travel(timedelta(seconds=30))
        await started.app.running.get(Openings).refresh()
        assert not asked.opened("art_none")


GIVING: list[tuple[Level, set[Source], int, bool, int, tuple[str, int]]] = [
    ("metered", {"subscription"}, 0, False, 10, ("may_give", 9)),
    ("subscribers", {"external"}, 9, False, 10, ("may_give", 0)),
    ("metered", {"subscription"}, 10, False, 10, ("all_given", 0)),
    ("metered", {"subscription"}, 10, True, 10, ("may_give", 0)),
    ("metered", {"subscription"}, 3, True, 10, ("may_give", 7)),
    ("metered", {"comp", "institution", "gift", "pass"}, 0, False, 10, ("not_subscribed", 0)),
    ("registered", set(), 0, False, 10, ("not_subscribed", 0)),
    ("free", {"subscription"}, 0, False, 10, ("is_free", 0)),
    ("metered", {"subscription"}, 0, False, 0, ("is_off", 0)),
]


@pytest.mark.parametrize(("level", "sources", "given", "is_given", "most", "expected"), GIVING)
def test_who_may_give(
    level: Level, sources: set[Source], given: int, is_given: bool, most: int,
    expected: tuple[str, int],
) -> None:  # fmt: skip
    found = may_give(
        level, sources, given=given, is_given=is_given, most=most, readers=0, most_readers=50
    )
    assert (found.reason, found.left) == expected


@pytest.mark.parametrize(
    ("readers", "expected"),
    [
        (0, ("may_give", 50)),
        (49, ("may_give", 1)),
        (50, ("all_opened", 0)),
        (51, ("all_opened", 0)),
    ],
)
def test_a_new_link_has_the_places_that_are_left(readers: int, expected: tuple[str, int]) -> None:
    found = may_give(
        "metered", {"subscription"}, given=1, is_given=True, most=10, readers=readers,
        most_readers=50,
    )  # fmt: skip
    assert (found.reason, found.places) == expected


def test_what_a_link_is() -> None:
    terms = GiftTerms(readers=1, most_readers=2, ends_at=START + timedelta(days=1), ended_at=None)
    assert terms.state(START) == "open"
    assert replace(terms, readers=2).state(START) == "used_up"
    assert terms.state(START + timedelta(days=1)) == "expired"
    assert replace(terms, readers=2, ended_at=START).state(START + timedelta(days=9)) == "ended"


def test_an_altered_token_is_nobodys() -> None:
    key, link_id = LinkKey(b"k" * 32), "gft_" + "0a" * 12
    token = key.sign(link_id)
    assert key.read(token) == link_id
    assert LinkKey(b"l" * 32).read(token) is None
    for altered in (
        "",
        link_id,
        token[:-1],
        f"{token}A",
        token.replace("0a", "0b", 1),
        token.upper(),
    ):
        assert key.read(altered) is None


@pytest.fixture
async def giver(paywall: Paywall) -> str:
    """A subscriber is signed in, and `premium` is for subscribers alone."""
    await paywall.publish("premium", access={"level": "subscribers"})
    return await paywall.sign_in("everything")


async def given(paywall: Paywall, slug: str = "premium") -> dict[str, Any]:
    answer = await paywall.client.post(f"/v1/articles/{slug}/gift-links")
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def token_of(made: dict[str, Any]) -> str:
    return str(httpx2.URL(made["url"]).params["gift"])


async def come(
    browser: httpx2.AsyncClient, made: dict[str, Any], slug: str = "premium"
) -> httpx2.Response:
    return await browser.post(f"/v1/articles/{slug}/unlock", json={"gift": token_of(made)})


async def test_a_link_opens_its_article_to_a_stranger_for_as_long_as_it_lasts(
    paywall: Paywall, giver: str, clocks: MovingClocks
) -> None:
    made = await given(paywall)
    assert (made["readers"], made["most_readers"], made["left"]) == (0, 50, 9)
    assert giver not in made["url"]
    async with paywall.new_client() as friend:
        seen = await friend.get("/v1/articles/premium/access", params={"gift": token_of(made)})
        assert (seen.json()["granted"], seen.json()["reason"]) == (True, "gift")
        assert (await friend.get("/v1/articles/premium/access")).json()["granted"] is False
        opened = await come(friend, made)
        assert (opened.status_code, opened.json()["reason"]) == (200, "gift")
        assert opened.headers["Cache-Control"] == "private, no-store"
        assert (opened.json()["consumed"], CANARY in opened.text) == (False, True)
        assert giver not in opened.text
        token = opened.json()["token"]
        assert (await paywall.full("premium", token)).status_code == 200
        # The device holds the grant: the link isn't needed again, and takes no second place.
        again = await friend.post("/v1/articles/premium/unlock")
        assert again.json()["reason"] == "gift"
        await come(friend, made)
        assert (await friend.get("/v1/articles/premium/access")).json()["reason"] == "gift"
        clocks.travel(timedelta(days=30))
        over = await come(friend, made)
        assert over.status_code == 402
        assert over.json()["reason"] == "subscribers_only"
        assert over.json()["wall"]["note"].startswith("This gift link has expired. ")
    reads = [(row.reason, row.granted) for row in await paywall.ledger()]
    assert ("gift", True) in reads
    async with paywall.database.reading() as session:
        (touches,) = await session.scalars(select(Touches))
    assert touches.first_source == "gift"


async def test_a_gift_is_independent_of_the_meter_and_takes_no_place_for_who_may_read_anyway(
    paywall: Paywall, giver: str
) -> None:
    made = await given(paywall, "a")
    async with paywall.new_client() as friend:
        for slug in "bcd":
            assert (await friend.post(f"/v1/articles/{slug}/unlock")).json()["reason"] == "meter"
        opened = (await come(friend, made, "a")).json()
        assert (opened["reason"], opened["consumed"], opened["meter"]["used"]) == ("gift", False, 3)
    assert (await come(paywall.client, made, "a")).json()["reason"] == "subscription"
    links = (await paywall.client.get("/v1/me/gift-links")).json()["items"]
    assert [(each["slug"], each["readers"]) for each in links] == [("a", 1)]


async def test_the_cap_is_exact_however_many_come_at_once(paywall: Paywall, giver: str) -> None:
    made = await given(paywall)
    async with paywall.database.transaction() as session:
        link = await session.get_one(GiftLink, made["id"])
        link.most_readers = 3
    friends = [paywall.new_client() for _ in range(8)]
    answers = await asyncio.gather(*(come(friend, made) for friend in friends))
    opened = [
        friend for friend, each in zip(friends, answers, strict=True) if each.status_code == 200
    ]
    assert len(opened) == 3
    again = await asyncio.gather(*(come(friend, made) for friend in opened))
    assert {each.status_code for each in again} == {200}
    (walled, *_) = [each for each in answers if each.status_code == 402]
    assert "opened by as many readers as it allows" in walled.json()["wall"]["note"]
    async with paywall.database.reading() as session:
        link = await session.get_one(GiftLink, made["id"])
        assert (link.readers, len(list(await session.scalars(select(GiftOpening))))) == (3, 3)
    for friend in friends:
        await friend.aclose()


async def test_one_device_that_comes_twice_at_once_takes_one_place(
    paywall: Paywall, giver: str
) -> None:
    made = await given(paywall)
    async with paywall.new_client() as friend:
        await friend.post("/v1/articles/a/unlock")
        answers = await asyncio.gather(*(come(friend, made) for _ in range(4)))
    assert {each.status_code for each in answers} == {200}
    (link,) = (await paywall.client.get("/v1/me/gift-links")).json()["items"]
    assert link["readers"] == 1


async def test_the_month_gives_no_more_than_it_may_and_a_new_link_ends_the_old(
    paywall: Paywall, giver: str, clocks: MovingClocks
) -> None:
    for number in range(12):
        await paywall.publish(f"story-{number}")
    addresses = [f"/v1/articles/story-{number}/gift-links" for number in range(12)]
    answers = await asyncio.gather(*(paywall.client.post(each) for each in addresses))
    made = [each.json() for each in answers if each.status_code == 201]
    assert len(made) == 10
    (refused, _) = [each for each in answers if each.status_code != 201]
    assert (refused.status_code, refused.json()["reason"]) == (403, "all_given")
    assert "You can give others from 1 April 2026." in refused.json()["detail"]
    # Another link of the same article costs nothing, and the first one opens nothing any more.
    slug = made[0]["slug"]
    newer = await given(paywall, slug)
    async with paywall.new_client() as friend:
        for _ in "bcd":
            await friend.post(f"/v1/articles/{_}/unlock")
        walled = await come(friend, made[0], slug)
        assert "switched off, or a newer one" in walled.json()["wall"]["note"]
        assert (await come(friend, newer, slug)).json()["reason"] == "gift"
    clocks.travel(timedelta(days=25))
    assert (await given(paywall, slug))["left"] == 9


@on_sqlite
async def test_an_editor_says_how_many_articles_for_how_long_and_to_how_many(
    paywall: Paywall, giver: str
) -> None:
    await given(paywall)
    before = (await paywall.client.get("/v1/me/gift-links")).json()["items"]
    rules = of_settings(paywall.settings).model_dump(mode="json")
    terms = {"per_month": 2, "days": 3, "readers": 1}
    saved = await paywall.client.put(
        "/v1/admin/rules", json=rules | {"gift_links": terms}, headers=paywall.staff
    )
    assert saved.status_code == 200, saved.text
    await paywall.publish("ferry", access={"level": "subscribers"})
    made = await given(paywall, "ferry")
    ends = datetime.fromisoformat(made["ends_at"])
    assert (made["most_readers"], ends) == (1, paywall.clocks.business() + timedelta(days=3))
    friends = [paywall.new_client() for _ in range(2)]
    assert [(await come(each, made, "ferry")).status_code for each in friends] == [200, 402]
    for each in friends:
        await each.aclose()
    await paywall.publish("gale")
    refused = await paywall.client.post("/v1/articles/gale/gift-links")
    assert (refused.status_code, refused.json()["reason"]) == (403, "all_given")
    assert "given 2 articles" in refused.json()["detail"]
    kept = (await paywall.client.get("/v1/me/gift-links")).json()["items"]
    assert [each for each in kept if each["id"] == before[0]["id"]] == before, (
        "a link keeps its terms"
    )


async def test_another_link_doesnt_begin_its_number_of_readers_anew(
    paywall: Paywall, giver: str, clocks: MovingClocks
) -> None:
    async def fill(link_id: str, readers: int) -> None:
        async with paywall.database.transaction() as session:
            (await session.get_one(GiftLink, link_id)).readers = readers

    first = await given(paywall)
    await fill(first["id"], 49)
    second = await given(paywall)
    assert second["most_readers"] == 1
    await fill(second["id"], 1)
    refused = await paywall.client.post("/v1/articles/premium/gift-links")
    assert (refused.status_code, refused.json()["reason"]) == (403, "all_opened")
    assert "this one again from 1 April 2026" in refused.json()["detail"]
    clocks.travel(timedelta(days=25))
    assert (await given(paywall))["most_readers"] == 50


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_who_comes_by_the_old_link_while_a_new_one_is_made_meets_an_ended_one(
    paywall: Paywall, giver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await given(paywall)
    async with paywall.new_client() as friend:
        came = amid(monkeypatch, giving, "make_link", paywall.database, lambda: come(friend, old))
        assert (await given(paywall))["most_readers"] == 50
        assert "switched off, or a newer one" in (await came[0]).json()["wall"]["note"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_new_link_waits_for_who_is_let_in_by_the_old_one(
    paywall: Paywall, giver: str
) -> None:
    old, now = await given(paywall), paywall.clocks.business()
    async with paywall.database.transaction() as session:
        assert await open_link(session, old["id"], "a device", now) is not None
        new = await meanwhile(paywall.database, given(paywall))
    assert (await new)["most_readers"] == 49


async def test_switching_off_ends_it_for_who_opened_it_and_for_their_tokens(
    paywall: Paywall, giver: str, clocks: MovingClocks
) -> None:
    made = await given(paywall)
    async with paywall.new_client() as friend:
        token = (await come(friend, made)).json()["token"]
        clocks.travel(timedelta(seconds=5))
        async with paywall.new_client() as stranger:
            gone = await stranger.delete(f"/v1/me/gift-links/{made['id']}")
            assert gone.status_code == 401
        for _ in range(2):
            off = await paywall.client.delete(f"/v1/me/gift-links/{made['id']}")
            assert off.status_code == 204
        await paywall.app.running.get(Revocations).refresh(paywall.database, clocks)
        assert (await paywall.full("premium", token)).status_code == 401
        assert (await friend.post("/v1/articles/premium/unlock")).status_code == 402
    await paywall.sign_in("everything")
    other = await paywall.client.delete(f"/v1/me/gift-links/{made['id']}")
    assert other.status_code == 404


@on_sqlite
async def test_what_was_altered_or_is_for_another_article_meets_the_ordinary_wall(
    paywall: Paywall, giver: str
) -> None:
    made = await given(paywall)
    await paywall.publish("other", access={"level": "subscribers"})
    async with paywall.new_client() as friend:
        for slug, token in (("premium", token_of(made)[:-2] + "xx"), ("other", token_of(made))):
            walled = await friend.post(f"/v1/articles/{slug}/unlock", json={"gift": token})
            assert walled.status_code == 402
            assert walled.json()["wall"]["note"].endswith("This article is for subscribers.")
            assert (
                "isn’t complete, or it belongs to another article" in walled.json()["wall"]["note"]
            )


async def test_another_process_learns_what_was_opened(
    paywall: Paywall, giver: str, clocks: MovingClocks
) -> None:
    made = await given(paywall)
    async with paywall.new_client() as friend:
        await come(friend, made)
        gifts, openings = paywall.app.running.get(Gifts), paywall.app.running.get(Openings)
        gifts._opened = gifts._opened_since = frozenset()
        assert (await friend.post("/v1/articles/premium/unlock")).status_code == 402
        await openings.refresh()
        assert gifts._opened_since
        # What is known isn't asked for again each second: what is new is, and everything once an hour.
        for passed, is_known in ((5, True), (5, False), (60, True)):
            gifts._opened = gifts._opened_since = frozenset()
            clocks.travel(timedelta(minutes=passed))
            await openings.refresh()
            assert bool(gifts._opened or gifts._opened_since) is is_known
        friend.cookies.delete(cookie_name("session", paywall.settings), domain="127.0.0.1")
        answer = await friend.post("/v1/articles/premium/unlock", headers={"Referer": "x"})
        assert answer.json()["reason"] == "gift"


@on_sqlite
async def test_who_may_not_give_reads_why(paywall: Paywall) -> None:
    await paywall.publish("ferry", access={"level": "free"})
    assert (await paywall.client.post("/v1/articles/a/gift-links")).status_code == 401
    await paywall.sign_in()
    refused = await paywall.client.post("/v1/articles/a/gift-links")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/gift-refused")
    assert refused.json()["reason"] == "not_subscribed"
    assert (await paywall.client.post("/v1/articles/ferry/gift-links")).json()[
        "reason"
    ] == "is_free"
    assert (await paywall.client.post("/v1/articles/none/gift-links")).status_code == 404


async def test_the_newsroom_sees_what_a_link_brought_and_switches_it_off(
    paywall: Paywall, giver: str, clocks: MovingClocks
) -> None:
    made, offer, reader = await given(paywall), rows.offer(), rows.reader()
    async with paywall.new_client() as friend:
        opened = await come(friend, made)
        assert opened.status_code == 200
        clocks.travel(timedelta(hours=1))
        async with paywall.database.transaction() as session:
            device = (await session.scalars(select(GiftOpening.device_id))).one()
            bought = rows.checkout(reader, offer, clocks.business(), device_id=device)
            for row in rows.in_order(reader, offer, bought):
                session.add(row)
                await session.flush()
        (item,) = (await paywall.client.get(ADMIN, headers=paywall.staff)).json()["items"]
        assert (item["reader_id"], item["readers"], item["bought"]) == (giver, 1, 1)
        off = await paywall.client.delete(f"{ADMIN}/{made['id']}", headers=paywall.staff)
        assert off.status_code == 204
        assert (await come(friend, made)).status_code == 402
    live = await paywall.client.get(f"{ADMIN}?state=live", headers=paywall.staff)
    over = await paywall.client.get(f"{ADMIN}?state=over", headers=paywall.staff)
    assert (live.json()["items"], over.json()["items"][0]["state"]) == ([], "ended")
