"""How much of an article its page has, for whom, and what opening it leaves behind."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import select

from service.content.cache import ArticleCache
from service.db.tables import AccessEntry
from service.metering.ledger import Ledger
from service.rules.in_force import RuleBook
from service.web.frame import Frame
from service.web.pages import PageRoute
from tests.content.moving import move
from tests.databases import on_sqlite
from tests.reports import rows
from tests.running import exchange
from tests.web.conftest import BODY, SECRET_SENTENCE, Newspaper, reading_parts

pytestmark = on_sqlite

PREVIEW = "Nobody had asked for the ledger."


def words(answer: httpx2.Response) -> str:
    """The page as it is read."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def ledger(newspaper: Newspaper) -> list[tuple[str, bool, bool]]:
    """The reads recorded so far: reason, granted, consumed."""
    await newspaper.app.running.get(Ledger).flush(newspaper.database)
    async with newspaper.database.reading() as session:
        found = await session.scalars(select(AccessEntry).order_by(AccessEntry.id))
        return [(each.reason, each.granted, each.consumed) for each in found]


async def test_a_free_article_is_open_to_everybody(newspaper: Newspaper) -> None:
    await newspaper.publish("ferry", level="free")
    answer = await newspaper.browser.get("/articles/ferry")
    assert answer.status_code == 200
    assert SECRET_SENTENCE in answer.text
    assert "paywall" not in answer.text.split("<main", 1)[1]


async def test_arriving_counts_nothing_and_reading_on_opens(newspaper: Newspaper) -> None:
    await newspaper.publish("ferry")
    arrived = await newspaper.browser.get("/articles/ferry")
    assert PREVIEW in arrived.text
    assert SECRET_SENTENCE not in arrived.text
    assert "This is one of your 3 free articles this month." in words(arrived)
    assert "set-cookie" not in arrived.headers
    assert await ledger(newspaper) == []

    opened = await newspaper.browser.post("/articles/ferry")
    assert opened.status_code == 200
    assert re.search(rf'class="prose paywall">.*{SECRET_SENTENCE}', opened.text, re.DOTALL)
    assert "Thank you for reading. You have 2 free articles left this month." in words(opened)
    assert opened.headers["Cache-Control"] == "private, no-store"
    assert "HttpOnly" in opened.headers["Set-Cookie"]
    assert await ledger(newspaper) == [("meter", True, True)]


async def test_coming_back_is_open_at_once_and_isnt_counted(newspaper: Newspaper) -> None:
    await newspaper.publish("ferry")
    await newspaper.browser.post("/articles/ferry")
    again = await newspaper.browser.get("/articles/ferry")
    assert SECRET_SENTENCE in again.text
    assert "You have 2 free articles left this month." in words(again)
    assert await ledger(newspaper) == [("meter", True, True), ("meter", True, False)]


async def test_the_fourth_article_meets_the_wall(newspaper: Newspaper) -> None:
    for slug in ("one", "two", "three", "four"):
        await newspaper.publish(slug)
    for slug in ("one", "two", "three"):
        last = await newspaper.browser.post(f"/articles/{slug}")
    assert "Thank you for reading. You have read your 3 free articles" in words(last)
    for answer, status in (
        (await newspaper.browser.get("/articles/four"), 200),
        (await newspaper.browser.post("/articles/four"), 402),
    ):
        assert answer.status_code == status
        assert SECRET_SENTENCE not in answer.text
        assert PREVIEW in answer.text
        assert "You have read your 3 free articles this month." in words(answer)
        assert "You get new ones on 1 April 2026." in words(answer)
        assert "Subscribe to read on" in words(answer)
    newspaper.clocks.travel(timedelta(days=25))
    assert "one of your 3 free articles" in words(await newspaper.browser.get("/articles/four"))


async def test_subscribers_articles_open_for_subscribers_only(newspaper: Newspaper) -> None:
    await newspaper.publish("ledger", level="subscribers")
    walled = await newspaper.browser.get("/articles/ledger")
    assert "This article is for subscribers." in words(walled)
    assert SECRET_SENTENCE not in walled.text
    await newspaper.subscriber()
    opened = await newspaper.browser.get("/articles/ledger")
    assert SECRET_SENTENCE in opened.text
    assert "free articles" not in words(opened)
    assert ("subscription", True, False) in await ledger(newspaper)


async def test_head_and_prefetch_are_no_reads(newspaper: Newspaper) -> None:
    await newspaper.publish("ferry")
    await newspaper.subscriber()
    head = await newspaper.browser.head("/articles/ferry")
    assert (head.status_code, head.content) == (200, b"")
    await newspaper.browser.get("/articles/ferry", headers={"Sec-Purpose": "prefetch;prerender"})
    assert await ledger(newspaper) == []


async def test_the_wall_carries_the_offers_as_forms(newspaper: Newspaper) -> None:
    monthly, yearly = rows.offer(), rows.offer(amount=9000, interval="year", position=2)
    trial = rows.offer(name="<b>Trial", trial_days=14, position=3)
    dollars = rows.offer(amount=1000, currency="USD", position=4)
    gold = rows.offer(plan="gold", position=5)
    day = rows.offer(kind="pass", amount=200, interval="day", position=6)
    await newspaper.store(monthly, yearly, trial, dollars, gold, day)
    await newspaper.publish("ledger", access={"level": "subscribers", "plans": ["digital"]})
    answer = await newspaper.browser.get("/articles/ledger")
    # The yearly one saves: it comes first; then those by the month; the pass is apart.
    offered = re.findall(r'name="offer" value="(\w+)"', answer.text)
    assert offered == [yearly.id, monthly.id, trial.id, day.id]
    assert re.findall(r'name="period"( checked)?> (\w+)', answer.text) == [
        (" checked", "Yearly"), ("", "Monthly"),
    ]  # fmt: skip
    assert 'name="return_to" value="/articles/ledger"' in answer.text
    assert "€90.00 a year Saves €18.00 a year" in words(answer)
    assert (
        "14 days free, then €9.00 a month Card required. You pay nothing until 24 March"
        in words(answer)
    )
    assert "&lt;b&gt;Trial" in answer.text
    assert newspaper.settings.wall_purpose in words(answer)
    assert "Or pay once: €2.00 for a day" in words(answer)
    other = await newspaper.browser.get("/articles/ledger?currency=USD")
    assert re.findall(r'name="offer" value="(\w+)"', other.text) == [dollars.id]
    assert "Prices in USD. Show them in EUR" in words(other)
    changed = newspaper.settings.model_copy(update={"currency": "USD"})
    exchange(newspaper.app, changed, RuleBook(changed))
    first = await newspaper.browser.get("/articles/ledger")
    assert "Prices in USD. Show them in EUR" in words(first)


@pytest.mark.parametrize(
    ("country", "query", "shown"),
    [
        pytest.param("US", "", "USD", id="the country's"),
        pytest.param("US", "?currency=EUR", "EUR", id="the reader's choice before it"),
        pytest.param("PA", "", "USD", id="the country's second, where the first isn't sold in"),
        pytest.param("CH", "", "EUR", id="the setting's, where none is"),
        pytest.param("XX", "", "EUR", id="the setting's, where the proxy doesn't know"),
        pytest.param(None, "", "EUR", id="the setting's, where the proxy says nothing"),
    ],
)
async def test_prices_are_in_one_currency(
    newspaper: Newspaper, country: str | None, query: str, shown: str
) -> None:
    dollars = rows.offer(amount=1000, currency="USD")
    await newspaper.store(dollars, rows.offer(position=2))
    await newspaper.publish("ledger", level="subscribers")
    settings = {"currency": "EUR", "country_header": "X-Country", "trusted_proxies": ("127.0.0.1",)}
    changed = newspaper.settings.model_copy(update=settings)
    exchange(newspaper.app, changed, RuleBook(changed))
    headers = {} if country is None else {"X-Country": country}
    for page in ("/articles/ledger", "/account"):
        answer = await newspaper.browser.get(f"{page}{query}", headers=headers)
        assert f"Prices in {shown}." in words(answer), page


async def test_what_machines_read_comes_from_the_cut(newspaper: Newspaper) -> None:
    await newspaper.publish(
        "ferry",
        title='Late </script><script>alert(1)</script> & "later"',
        standfirst="A boat is <late>.",
        image={"url": "/pictures/ferry.svg", "alt": 'A "ferry"'},
        authors=[{"name": "Ines Farrant"}, {"name": "Tam Wren"}, {"name": "Bo Lunn"}],
        section="News & views",
    )
    page = (await newspaper.browser.get("/articles/ferry")).text
    assert "<script>alert" not in page
    block = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    document: dict[str, Any] = json.loads(block[1])
    assert document["headline"] == 'Late </script><script>alert(1)</script> & "later"'
    assert document["isAccessibleForFree"] is False
    assert document["hasPart"]["cssSelector"] == ".paywall"
    assert '<meta name="description" content="A boat is &lt;late&gt;.">' in page
    assert '<meta property="og:image" content="http://127.0.0.1:8000/pictures/ferry.svg">' in page
    assert '<link rel="canonical" href="http://127.0.0.1:8000/articles/ferry">' in page
    assert "By Ines Farrant, Tam Wren and Bo Lunn" in page
    assert 'href="/?section=News+%26+views"' in page


async def test_an_article_from_elsewhere_names_its_own_address(newspaper: Newspaper) -> None:
    await newspaper.publish("ferry", canonical_url="https://www.example.org/ferry", language="pt")
    page = (await newspaper.browser.get("/articles/ferry")).text
    assert '<link rel="canonical" href="https://www.example.org/ferry">' in page
    assert '<article class="article" lang="pt">' in page


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("pt", "ltr")])
async def test_the_page_runs_as_its_article_does(
    newspaper: Newspaper, language: str, direction: str
) -> None:
    await newspaper.publish("ferry", language=language)
    page = (await newspaper.browser.get("/articles/ferry")).text
    assert f'<html lang="en" dir="{direction}">' in page
    front = (await newspaper.browser.get("/")).text
    assert f'lang="{language}" dir="{direction}"' in front
    assert '<html lang="en">' in front


@pytest.mark.parametrize("slug", ["none", "FERRY", "a%00b", "..%2fadmin", "x" * 500, "%E2%80%AE"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_there_is_no_such_article(newspaper: Newspaper, slug: str, method: str) -> None:
    answer = await newspaper.browser.request(method, f"/articles/{slug}")
    assert answer.status_code == 404
    if "%2f" not in slug:
        assert "Article not found" in answer.text


@pytest.mark.parametrize("status", ["draft", "withdrawn", "scheduled"])
async def test_what_isnt_published_isnt_here(newspaper: Newspaper, status: str) -> None:
    await newspaper.publish("ferry", status=status, days_ago=-1)
    for method in ("GET", "POST"):
        answer = await newspaper.browser.request(method, "/articles/ferry")
        assert answer.status_code == 404
        assert PREVIEW not in answer.text


async def test_a_foreign_page_cant_spend_a_readers_articles(newspaper: Newspaper) -> None:
    await newspaper.publish("ferry")
    answer = await newspaper.browser.post(
        "/articles/ferry", headers={"Origin": "https://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert await ledger(newspaper) == []


async def test_without_a_meter_metered_articles_are_open(newspaper: Newspaper) -> None:
    settings = newspaper.settings.model_copy(update={"meter_limit": None})
    exchange(
        newspaper.app, settings, *reading_parts(settings, newspaper.database, newspaper.clocks)
    )
    await newspaper.publish("ferry")
    assert SECRET_SENTENCE in (await newspaper.browser.get("/articles/ferry")).text


async def test_what_is_paid_stands_nowhere_before_it_is_opened(newspaper: Newspaper) -> None:
    for slug, level in (("metered", "metered"), ("paid", "subscribers")):
        await newspaper.publish(slug, level=level, body=BODY, section="News", tags=["harbour"])
    paths = [
        "/", "/?section=News", "/?section=none", "/?cursor=x", "/account", "/problems",
        *(f"/articles/{slug}" for slug in ("metered", "paid", "none")),
    ]  # fmt: skip
    headers = {"Range": "bytes=0-99999", "If-None-Match": "*", "Cookie": "pw_session=x"}
    for path in paths:
        for method in ("GET", "HEAD"):
            for given in ({}, headers):
                answer = await newspaper.browser.request(method, path, headers=given)
                assert SECRET_SENTENCE not in answer.text
                assert "Inside" not in answer.text
                assert "lighthouse" not in str(answer.headers)


async def test_what_nobody_foresaw_is_a_page_too(newspaper: Newspaper) -> None:
    broken = APIRouter(route_class=PageRoute)

    @broken.get("/broken")
    async def fail() -> None:
        raise RuntimeError("nobody foresaw this")

    newspaper.app.include_router(broken)
    answer = await newspaper.browser.get("/broken")
    assert answer.status_code == 500
    assert "Something went wrong" in words(answer)
    exchange(newspaper.app, Frame(bar=lambda _: 1 / 0))  # type: ignore[arg-type, return-value]
    answer = await newspaper.browser.get("/broken")
    assert answer.json()["type"] == "/problems/internal-error"


async def test_a_former_address_leads_to_the_article(newspaper: Newspaper) -> None:
    await newspaper.publish("fery", level="subscribers")
    await move(newspaper.database, newspaper.settings, "fery", "ferry")
    moved = await newspaper.browser.get("/articles/fery?utm_source=letter")
    assert moved.status_code == 301
    assert moved.headers["Location"] == "/articles/ferry?utm_source=letter"
    assert PREVIEW in (await newspaper.browser.get("/articles/ferry")).text
    walled = await newspaper.browser.post("/v1/articles/fery/unlock", json={})
    assert walled.status_code == 402
    await newspaper.publish("ferry", status="withdrawn")
    newspaper.app.running.get(ArticleCache).drop_all()
    assert (await newspaper.browser.get("/articles/fery")).status_code == 404
