"""What crawlers get by the rules, proved by address, name or signature, and never by what they call themselves."""

from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lxml import etree

from service.crawlers.verifiers import KnownCrawlers
from service.db.session import Database
from service.rules.document import of_settings
from service.settings import Settings
from service.web.crawler_routes import sitemap_text
from tests.conftest import MovingClocks
from tests.crawlers.fake_names import FakeNames
from tests.crawlers.signing import public_key, signed
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
AT_GOOGLE, ELSEWHERE, AT_BING, AT_GPTBOT = "192.0.2.10", "198.51.100.1", "192.0.2.40", "192.0.2.70"
LISTS = {"bingbot": "192.0.2.32/27", "gptbot": "192.0.2.64/27", "chatgpt-user": "192.0.2.96/27"}
LICENSE = {"prohibits": ["ai-train"], "payment": "crawl", "amount": "0.015", "currency": "EUR"}
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    name = "crawl-1.googlebot.com"
    address = ip_address(AT_GOOGLE)
    names = FakeNames({address: (name,)}, {name: (address,)})
    behind = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    async with inside(database, behind, clocks, names=names) as made:
        await made.publish("paid", access={"level": "subscribers"}, section="Politics")
        for name, network in LISTS.items():
            loaded = await made.client.put(
                f"/v1/admin/crawlers/{name}/addresses", json={"list": network}, headers=made.staff
            )
            assert loaded.status_code == 200, loaded.text
        await made.app.running.get(KnownCrawlers).refresh(database)
        yield made


async def rule(paywall: Paywall, **crawlers: Any) -> None:
    rules = of_settings(paywall.settings).model_dump(mode="json") | {"crawlers": crawlers}
    answer = await paywall.client.put("/v1/admin/rules", json=rules, headers=paywall.staff)
    assert answer.status_code == 200, answer.text


async def asked(
    paywall: Paywall, address: str, agent: str = GOOGLEBOT, *more: tuple[str, str], **headers: str
) -> tuple[httpx2.Response, httpx2.Response]:
    """The page, and the read by the API."""
    sent = [("X-Forwarded-For", address), ("User-Agent", agent), *headers.items(), *more]
    async with paywall.new_client() as client:
        page = await client.get("/articles/paid", headers=sent)
        return page, await client.post("/v1/articles/paid/unlock", headers=sent)


def gets_all(answers: tuple[httpx2.Response, httpx2.Response]) -> bool:
    has = {CANARY in each.text for each in answers}
    assert len(has) == 1, "page and API agree"
    return has.pop()


@pytest.mark.parametrize(
    ("address", "agent", "whole"),
    [
        (AT_GOOGLE, GOOGLEBOT, True), (AT_BING, "bingbot/2.0", True), (AT_BING, "", True),
        (ELSEWHERE, GOOGLEBOT, False), (AT_GOOGLE, "Mozilla/5.0", False),
        (AT_GPTBOT, "GPTBot/1.2", False), (AT_GPTBOT, GOOGLEBOT, False),
        (f"{AT_GOOGLE}, {ELSEWHERE}", GOOGLEBOT, False),
    ],
)  # fmt: skip
@on_sqlite
async def test_search_engines_that_prove_who_they_are_get_the_whole_text(
    paywall: Paywall, address: str, agent: str, whole: bool
) -> None:
    assert not gets_all(await asked(paywall, address, agent)), "the preview by default"
    await rule(paywall, search="full_verified")
    _, unlocked = answers = await asked(paywall, address, agent)
    assert gets_all(answers) is whole
    for each in answers:
        assert each.headers["Cache-Control"] == "private, no-store"
        assert "Authorization, Cookie, Origin" in each.headers["Vary"]
        assert not {"ETag", "Last-Modified"} & set(each.headers)
    if whole:
        assert unlocked.json()["reason"] == "crawler"
        assert "token" not in unlocked.json()
        async with paywall.new_client() as client:
            again = await client.get(
                "/articles/paid", headers={"If-None-Match": "*", "X-Forwarded-For": ELSEWHERE}
            )
        assert (again.status_code, CANARY in again.text) == (200, False)
    assert all(row.reason != "crawler" for row in await paywall.ledger())


@on_sqlite
async def test_training_needs_the_licence_where_it_is_configured(paywall: Paywall) -> None:
    await rule(paywall, training="license", licensed_sections=["Politics"], license=LICENSE)
    address = f"{paywall.settings.public_url}/license.xml?article=paid"
    link = f'<{address}>; rel="license"; type="application/rsl+xml"'
    page, unlocked = await asked(paywall, AT_GPTBOT)
    assert (page.status_code, unlocked.status_code) == (402, 402)
    assert unlocked.json()["type"] == "/problems/license-required"
    assert {page.headers["Link"], unlocked.headers["Link"]} == {link}
    reader, _ = await asked(paywall, ELSEWHERE, "GPTBot/1.2")
    assert (reader.status_code, reader.headers["Link"]) == (200, link), "only a proof is believed"
    terms = await paywall.client.get("/license.xml")
    assert terms.headers["Content-Type"].startswith("application/rsl+xml")
    assert terms.headers["Cache-Control"] == "public, max-age=60"
    assert '<amount currency="EUR">0.015</amount>' in terms.text
    robots = await paywall.client.get("/robots.txt")
    assert f"License: {paywall.settings.public_url}/license.xml" in robots.text
    held = {"If-None-Match": robots.headers["ETag"]}
    assert (await paywall.client.get("/robots.txt", headers=held)).status_code == 304
    await rule(paywall, training="license", licensed_sections=["Sport"], license=LICENSE)
    page, _ = await asked(paywall, AT_GPTBOT)
    assert (page.status_code, CANARY in page.text) == (200, False)
    assert "Link" not in page.headers
    await rule(paywall)
    assert (await paywall.client.get("/license.xml")).status_code == 404


@on_sqlite
async def test_the_terms_hold_where_a_licence_is_needed(paywall: Paywall) -> None:
    public_url = paywall.settings.public_url

    async def urls(path: str) -> list[str]:
        answer = await paywall.client.get(path)
        if answer.status_code == 404:
            return []
        content = "{https://rslstandard.org/rsl}content"
        return [each.attrib["url"] for each in etree.fromstring(answer.content).iter(content)]

    await rule(
        paywall, training="license", licensed_sections=["Politics", "A & B"], license=LICENSE
    )
    lists = [
        "/?section=A+%26+B$",
        "/?section=A+%26+B&",
        "/?section=Politics$",
        "/?section=Politics&",
    ]
    assert await urls("/license.xml") == lists
    assert await urls("/license.xml?article=paid") == [f"{public_url}/articles/paid"]
    await paywall.publish("other", section="Sport")
    await paywall.publish("later", section="Politics", published_at="2100-01-01T00:00:00Z")
    for slug in ("other", "later", "unknown", "A%20b"):
        assert await urls(f"/license.xml?article={slug}") == [], slug
    other = await paywall.client.get("/articles/other")
    assert (other.status_code, "Link" in other.headers) == (200, False)
    await rule(paywall, training="license", license=LICENSE)
    assert await urls("/license.xml") == ["/"]
    other = await paywall.client.get("/articles/other")
    assert f"<{public_url}/license.xml>" in other.headers["Link"]


@on_sqlite
async def test_the_feed_has_teasers_and_the_terms_of_those_that_need_a_licence(
    paywall: Paywall,
) -> None:
    public_url = paywall.settings.public_url
    paywall.clocks.travel(timedelta(minutes=1))
    await paywall.publish("sport", title="Goals & <fouls>\x0b", section="Sport")
    await paywall.publish("later", published_at="2100-01-01T00:00:00Z")
    await rule(paywall, training="license", licensed_sections=["Politics"], license=LICENSE)
    answer = await paywall.client.get("/feed.xml")
    assert answer.headers["Content-Type"].startswith("application/rss+xml")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert CANARY not in answer.text
    sport, paid = etree.fromstring(answer.content).iter("item")
    assert [sport.findtext(each) for each in ("title", "link", "category")] == [
        "Goals & <fouls>", f"{public_url}/articles/sport", "Sport",
    ]  # fmt: skip
    assert "Opening of paid." in (paid.findtext("description") or "")
    space = {"rsl": "https://rslstandard.org/rsl"}
    assert sport.find("rsl:content", space) is None
    (content,) = paid.findall("rsl:content", space)
    assert content.attrib["url"] == f"{public_url}/articles/paid"
    assert content.findtext("rsl:license/rsl:payment/rsl:amount", namespaces=space) == "0.015"
    assert parsedate_to_datetime(sport.findtext("pubDate") or "") == paywall.clocks.business()
    await rule(paywall)
    assert "rsl:content" not in (await paywall.client.get("/feed.xml")).text
    assert (
        '<link rel="alternate" type="application/rss+xml"' in (await paywall.client.get("/")).text
    )


@on_sqlite
async def test_the_sitemap_has_what_is_visible(paywall: Paywall) -> None:
    await paywall.publish("later", published_at="2100-01-01T00:00:00Z")
    await paywall.publish("draft", status="draft")
    await paywall.publish("gone", status="withdrawn")
    answer = await paywall.client.get("/sitemap.xml")
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert CANARY not in answer.text
    assert places_in(answer.text) == [f"{paywall.settings.public_url}/articles/paid"]
    changed = etree.fromstring(answer.content).findtext(f"{SITEMAP}url/{SITEMAP}lastmod")
    assert changed == paywall.clocks.business().isoformat(timespec="seconds")
    held = {"If-None-Match": answer.headers["ETag"]}
    assert (await paywall.client.get("/sitemap.xml", headers=held)).status_code == 304
    assert (await paywall.client.get("/sitemap.xml?page=1")).text == answer.text
    assert (await paywall.client.get("/sitemap.xml?page=2")).status_code == 404


@on_sqlite
async def test_a_sitemap_that_is_too_long_is_several(paywall: Paywall) -> None:
    site = paywall.settings.public_url
    for slug in ("b", "a", "c", "d"):
        paywall.clocks.travel(timedelta(minutes=1))
        await paywall.publish(slug)

    async def places(page: int | None) -> list[str | None]:
        now = paywall.clocks.business()
        async with paywall.database.reading() as session:
            return places_in(await sitemap_text(session, site, page, now=now, at_once=2))

    assert await places(None) == [f"{site}/sitemap.xml?page={page}" for page in (1, 2, 3)]
    pages = [await places(page) for page in (1, 2, 3)]
    slugs = ["paid", "b", "a", "c", "d"]
    assert pages == [
        [f"{site}/articles/{slug}" for slug in part] for part in (slugs[:2], slugs[2:4], slugs[4:])
    ]


def places_in(text: str) -> list[str | None]:
    return [each.text for each in etree.fromstring(text.encode()).iter(f"{SITEMAP}loc")]


@on_sqlite
async def test_what_is_refused_gets_nothing_and_is_named_in_robots_txt(paywall: Paywall) -> None:
    await rule(paywall, agent="refuse", training="refuse")
    for address in (AT_GPTBOT, "192.0.2.97"):
        page, unlocked = await asked(paywall, address)
        assert (page.status_code, unlocked.status_code) == (403, 403)
    robots = (await paywall.client.get("/robots.txt")).text
    assert {"User-agent: GPTBot", "User-agent: ChatGPT-User"} <= set(robots.splitlines())


@on_sqlite
async def test_an_agent_reads_with_the_token_of_the_subscriber_it_acts_for(
    paywall: Paywall,
) -> None:
    await paywall.sign_in("everything")
    bearer = {"Authorization": f"Bearer {await paywall.access_token()}"}
    _, unlocked = await asked(paywall, "192.0.2.97", "ChatGPT-User/1.0", **bearer)
    assert unlocked.json()["reason"] == "subscription"
    await rule(paywall, agent="refuse")
    _, unlocked = await asked(paywall, "192.0.2.97", "ChatGPT-User/1.0", **bearer)
    assert unlocked.json()["reason"] == "subscription", (
        "also where agents without a reader get nothing"
    )
    page, forged = await asked(paywall, "192.0.2.97", "ChatGPT-User/1.0", Authorization="Bearer x")
    assert (forged.status_code, CANARY in page.text) == (401, False)
    await rule(paywall)
    page, nobodys = await asked(paywall, "192.0.2.97", "ChatGPT-User/1.0")
    assert CANARY not in page.text + nobodys.text


@on_sqlite
async def test_a_signed_request_proves_who_it_comes_from(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    stored = await paywall.client.put(
        "/v1/admin/crawlers/goodbot", headers=paywall.staff,
        json={"category": "search", "agents": ["GoodBot"], "keys": [public_key(PRIVATE)]},
    )  # fmt: skip
    assert stored.status_code == 200, stored.text
    await paywall.app.running.get(KnownCrawlers).refresh(paywall.database)
    await rule(paywall, search="full_verified")
    host = httpx2.URL(paywall.settings.public_url).netloc.decode()
    request = signed(PRIVATE, now=clocks.wall(), authority=host)
    assert gets_all(await asked(paywall, ELSEWHERE, "GoodBot", **request.headers))
    bare = signed(PRIVATE, now=clocks.wall(), authority=host, covered=("@authority",)).headers
    agent = bare["signature-agent"]
    for agents, is_proved in (((), True), ((agent,), False), ((agent, agent), False)):
        sent = [(name, bare[name]) for name in ("signature-input", "signature")]
        sent += [("signature-agent", each) for each in agents]
        assert gets_all(await asked(paywall, ELSEWHERE, "GoodBot", *sent)) is is_proved, agents
    elsewhere = signed(PRIVATE, now=clocks.wall(), authority="evil.example")
    assert not gets_all(await asked(paywall, ELSEWHERE, "GoodBot", **elsewhere.headers))
    replayed = {**elsewhere.headers, "Host": "evil.example"}
    assert not gets_all(await asked(paywall, ELSEWHERE, "GoodBot", **replayed)), "another site's"
    broken = {**request.headers, "signature": "sig1=:A:"}
    assert not gets_all(await asked(paywall, ELSEWHERE, "GoodBot", **broken))
    clocks.travel(timedelta(minutes=10))
    assert not gets_all(await asked(paywall, ELSEWHERE, "GoodBot", **request.headers))
    gone = await paywall.client.delete("/v1/admin/crawlers/goodbot", headers=paywall.staff)
    again = await paywall.client.delete("/v1/admin/crawlers/goodbot", headers=paywall.staff)
    assert (gone.status_code, again.status_code) == (204, 204)
    await paywall.app.running.get(KnownCrawlers).refresh(paywall.database)
    fresh = signed(PRIVATE, now=clocks.wall(), authority=host)
    assert not gets_all(await asked(paywall, ELSEWHERE, "GoodBot", **fresh.headers))


async def test_crawlers_are_stored_and_listed(paywall: Paywall) -> None:
    listed = await paywall.client.get("/v1/admin/crawlers", headers=paywall.staff)
    by_name = {each["name"]: each for each in listed.json()["items"]}
    assert (by_name["bingbot"]["networks"], by_name["bingbot"]["ours"]) == (["192.0.2.32/27"], True)
    assert by_name["googlebot"]["ours"] is False
    for body, told in (
        ({"list": "0.0.0.0/0"}, "too wide"), ({"list": "abc"}, "is no network"), ({}, "It is missing"),
    ):  # fmt: skip
        refused = await paywall.client.put(
            "/v1/admin/crawlers/bingbot/addresses", json=body, headers=paywall.staff
        )
        assert (refused.status_code, told in refused.text) == (422, True)
    unknown = await paywall.client.put(
        "/v1/admin/crawlers/nobody/addresses", json={"list": "192.0.2.1"}, headers=paywall.staff
    )
    assert unknown.status_code == 404


@on_sqlite
async def test_the_rules_of_readers_are_saved_without_losing_those_of_crawlers(
    paywall: Paywall,
) -> None:
    await rule(paywall, search="full_verified")
    shown = await paywall.client.get("/v1/admin/rules", headers=paywall.staff)
    assert shown.json()["rules"]["crawlers"]["search"] == "full_verified"
    history = await paywall.client.get("/v1/admin/audit", headers=paywall.staff)
    assert "crawlers search" in history.text
