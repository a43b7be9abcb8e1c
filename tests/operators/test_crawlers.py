"""The page of crawlers: rules and terms are saved or refused with what was typed, and lists are loaded."""

import json
import re
from collections.abc import Awaitable, Callable
from html import escape, unescape

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.crawlers.known import Crawler
from service.crawlers.store import all_crawlers
from service.db.session import Database
from service.rules.document import read_stored
from service.rules.store import latest
from tests.crawlers.signing import public_key
from tests.databases import on_sqlite
from tests.operators.conftest import csrf_in, seen_in
from tests.operators.sent_form import fields

SignIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
TERMS = {"search": "full_verified", "agent": "refuse", "training": "license",
         "licensed_sections": "Politics\nSport", "prohibits": "ai-train, ai-input", "payment": "crawl",
         "amount": "0.015", "currency": "EUR"}  # fmt: skip


@on_sqlite
async def test_the_rules_of_crawlers_are_saved(signed_in: SignIn, database: Database) -> None:
    browser = await signed_in("editor")
    page = await browser.get("/admin/crawlers")
    assert "googlebot.com" in page.text
    assert "Can't be verified" not in page.text, "everybody gets the preview"
    sent = {**TERMS, "csrf": csrf_in(page.text), "version": "0"}
    wrong = await browser.post("/admin/crawlers", data=sent | {"currency": "<euro>"})
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert escape("<euro>") in wrong.text
    for field, told in (
        ("amount", "such as 0.015"), ("currency", "such as EUR"), ("custom", "must begin with https://"),
        ("standard", "must begin with https://"), ("permits", "ai-index"),
    ):  # fmt: skip
        refused = await browser.post("/admin/crawlers", data=sent | {field: "x"})
        assert (refused.status_code, told in refused.text) == (422, True), field
        assert "should match" not in refused.text
        assert "function-after" not in refused.text
    assert (await browser.post("/admin/crawlers", data=sent)).status_code == 303
    async with database.reading() as session:
        stored = await latest(session)
    assert stored is not None
    crawlers = read_stored(stored.document).crawlers
    assert crawlers is not None
    assert (crawlers.search, crawlers.licensed_sections) == ("full_verified", ("Politics", "Sport"))
    assert crawlers.license is not None
    assert crawlers.license.prohibits == ("ai-train", "ai-input")
    late = await browser.post("/admin/crawlers", data=sent | {"search": "preview"})
    assert late.status_code == 412
    assert "editor@example.org has changed it in the meantime" in late.text
    assert "Crawlers search is now: full_verified" in late.text
    shown = await browser.get("/admin/crawlers")
    assert 'value="0.015"' in shown.text
    assert "be verified: gets the preview" in shown.text, "GPTBot's list isn't loaded"
    assert "through robots.txt only: it never requests pages itself" in shown.text


@on_sqlite
async def test_the_form_of_the_rules_keeps_those_of_crawlers(
    signed_in: SignIn, database: Database
) -> None:
    browser = await signed_in("editor")
    csrf = csrf_in((await browser.get("/admin/crawlers")).text)
    await browser.post("/admin/crawlers", data={**TERMS, "csrf": csrf, "version": "0"})
    sent = fields((await browser.get("/admin/rules")).text)
    sent["level"][sent["kind"].index("publication")] = "free"
    assert (await browser.post("/admin/rules", data=sent)).status_code == 303
    async with database.reading() as session:
        stored = await latest(session)
    assert stored is not None
    rules = read_stored(stored.document)
    assert rules.levels.default.level == "free"
    assert rules.crawlers is not None
    assert rules.crawlers.search == "full_verified"


def listed(page: str, name: str) -> str:
    """What the form of address lists sends for a crawler: its name, and what was seen of its list."""
    found = re.search(rf'<option value="({name} [^"]+)"', page)
    assert found is not None
    return found[1]


@on_sqlite
async def test_an_address_list_is_loaded(signed_in: SignIn) -> None:
    browser = await signed_in("editor")
    page = (await browser.get("/admin/crawlers")).text
    csrf, bingbot = csrf_in(page), listed(page, "bingbot")
    for addresses, told in (
        ("0.0.0.0/0", "too wide"), ("abc", "Write it as"), ("[" * 5_000, "nested too deeply"),
        ('["\\ud800"]', "surrogate"),
    ):  # fmt: skip
        refused = await browser.post(
            "/admin/crawlers/addresses",
            data={"csrf": csrf, "name": bingbot, "addresses": addresses},
        )
        assert (refused.status_code, told in refused.text) == (422, True)
        assert f">{addresses}</textarea>" in unescape(refused.text), "what was typed stays"
        assert re.search(r'<option value="bingbot [^"]+" selected>', refused.text)
    loaded = await browser.post(
        "/admin/crawlers/addresses",
        data={"csrf": csrf, "name": bingbot, "addresses": "192.0.2.0/27\n192.0.2.64/27"},
    )
    assert loaded.status_code == 303
    assert '<td role="cell" data-label="Networks" class="number">2</td>' in (
        await browser.get("/admin/crawlers")
    ).text  # fmt: skip


@on_sqlite
async def test_a_crawler_is_named_changed_and_forgotten(
    signed_in: SignIn, database: Database
) -> None:
    browser = await signed_in("editor")
    key = public_key(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
    typed = {
        "csrf": csrf_in((await browser.get("/admin/crawlers")).text), "name": "goodbot", "seen": "none",
        "category": "agent", "agents": "GoodBot\nGoodBot-News", "hosts": "bot.example.org",
        "keys": json.dumps({"keys": [{**key, "key_ops": ["verify"]}]}),
    }  # fmt: skip

    async def stored() -> dict[str, Crawler]:
        async with database.reading() as session:
            return {each.crawler.name: each.crawler for each in await all_crawlers(session)}

    for wrong, told in (
        ({"name": "Good Bot"}, "short name"), ({"agents": ""}, "Enter at least one"), ({"agents": "a1"}, "3 to 60 letters"),
        ({"hosts": "x"}, "in lower case"), ({"keys": "{"}, "aren&#39;t valid JSON"), ({"keys": "[" * 5_000}, "nested too deeply"), ({"keys": '{"kty": "\\ud800"}'}, "surrogate"),
        ({"keys": '{"kty": "RSA"}'}, "no Ed25519 key"),
        ({"keys": "7"}, "Keys: "), ({"category": "other"}, "Choose a purpose"), ({"keys": json.dumps({**key, "d": "AA"})}, "private"),
    ):  # fmt: skip
        refused = await browser.post("/admin/crawlers/crawler", data=typed | wrong)
        assert (refused.status_code, told in refused.text) == (422, True), wrong
        assert "GoodBot" in refused.text or "agents" in wrong
    saved = await browser.post("/admin/crawlers/crawler", data=typed)
    assert saved.status_code == 303
    page = (await browser.get("/admin/crawlers?crawler=goodbot")).text
    typed["seen"] = seen_in(page, "/admin/crawlers/crawler")
    loaded = {"csrf": typed["csrf"], "name": listed(page, "goodbot"), "addresses": "192.0.2.0/27"}
    assert (await browser.post("/admin/crawlers/addresses", data=loaded)).status_code == 303
    two = (
        f"{json.dumps({**key, 'key_ops': ['verify']})}\n{json.dumps({**key, 'x': key['x'][::-1]})}"
    )
    typed["seen"] = "*"
    await browser.post("/admin/crawlers/crawler", data=typed | {"keys": two, "hosts": ""})
    found = (await stored())["goodbot"]
    assert (found.networks, found.hosts, len(found.keys)) == (("192.0.2.0/27",), (), 2)
    shown = (await browser.get("/admin/crawlers?crawler=goodbot")).text
    assert 'value="goodbot"' in shown
    assert "GoodBot\nGoodBot-News</textarea>" in shown
    gone = {
        "csrf": typed["csrf"],
        "name": "goodbot",
        "seen": seen_in(shown, "/admin/crawlers/forget"),
    }
    assert (await browser.post("/admin/crawlers/forget", data=gone)).status_code == 303
    assert "goodbot" not in await stored()


@on_sqlite
async def test_who_may_only_look_changes_nothing(signed_in: SignIn) -> None:
    browser = await signed_in("viewer")
    page = await browser.get("/admin/crawlers")
    assert (page.status_code, "Replace networks" in page.text) == (200, False)
