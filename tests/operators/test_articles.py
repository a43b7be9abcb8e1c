"""The newsroom's pages: the list of articles, and one article."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest

from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.db.session import Database
from service.db.tables import Article
from service.rules.in_force import InForce
from service.settings import Settings
from tests.conftest import START, MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import csrf_in, seen_in
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
HOSTILE = '"><script>alert(1)</script>'
DAY = timedelta(days=1)


@pytest.fixture
def publish(database: Database, settings: Settings) -> Callable[..., Awaitable[Article]]:
    async def send(slug: str, **fields: Any) -> Article:
        body = {"title": slug.capitalize(), "body": "<p>One</p><!--more--><p>Two</p>", **fields}
        prepared = prepare(slug, ArticleIn.model_validate(body), InForce.by_default(settings))
        async with database.transaction() as session:
            made = await store_prepared(session, prepared, if_match=None, actor="test", now=START)
        return made.article

    return send


Publish = Callable[..., Awaitable[Article]]


async def change(browser: httpx2.AsyncClient, slug: str, **form: str) -> httpx2.Response:
    here = f"/admin/articles/{slug}"
    csrf = csrf_in((await browser.get("/admin/account")).text)
    seen = seen_in((await browser.get(here)).text, here)
    return await browser.post(here, data={"csrf": csrf, "seen": seen, **form})


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def listed(page: str) -> list[str]:
    return re.findall(r'<a href="/admin/articles/([a-z0-9-]+)">', page)


async def test_the_list_has_what_each_article_did(
    signed_in: SignedIn, store: Store, publish: Publish
) -> None:
    ferry = await publish("ferry", section="News", access={"level": "subscribers"})
    crane = await publish("crane", access={"schedule": {"free_hours": 24}})
    await publish("storm", title=HOSTILE, authors=[{"name": HOSTILE}], status="draft")
    reader, offer = rows.reader(), rows.offer()
    await store(
        reader, offer,
        rows.read(ferry, START - DAY, wall="subscribe", reader_id=reader.id),
        rows.read(ferry, START - 2 * DAY, wall="subscribe"),
        rows.read(ferry, START - 40 * DAY, wall="subscribe"),
        rows.checkout(reader, offer, START - DAY / 2),
        rows.read(crane, START - DAY), rows.read(crane, START - DAY, holder="device:dev_2"),
        rows.read(crane, START - 2 * DAY, holder="device:dev_2"),
    )  # fmt: skip
    browser = await signed_in("viewer")
    page = (await browser.get("/admin/articles")).text
    assert "<script>" not in page
    text = text_of(page)
    assert "Ferry News Published Subscribers set for this article 10 Mar 2026 0 0 2 1" in text
    assert (
        "Crane Published Free by its schedule, until 11 Mar 2026, 09:00 10 Mar 2026 2 3 0 0" in text
    )
    assert listed((await browser.get("/admin/articles?sort=readers")).text)[0] == "crane"
    assert listed((await browser.get("/admin/articles?sort=reads")).text)[0] == "crane"
    assert listed((await browser.get("/admin/articles?sort=walls")).text)[0] == "ferry"
    assert listed((await browser.get("/admin/articles?sort=sales")).text)[0] == "ferry"
    earlier = (await browser.get("/admin/articles?from=2026-01-01&to=2026-01-31&sort=walls")).text
    assert "Ferry News Published Subscribers set for this article 10 Mar 2026 0 0 1 0" in text_of(
        earlier
    )
    for asked, slugs in [
        ("status=draft", ["storm"]), ("level=free", ["crane"]), ("section=News", ["ferry"]),
        ("author=SCRIPT", ["storm"]), ("query=ferry", ["ferry"]), ("query=nothing", []),
    ]:  # fmt: skip
        assert listed((await browser.get(f"/admin/articles?{asked}")).text) == slugs, asked


@on_sqlite
async def test_the_newest_is_what_was_published_last(signed_in: SignedIn, publish: Publish) -> None:
    """Whenever it was stored; a draft without a date is as old as its row."""
    for slug, days in (("new", 1), ("old", 900), ("middle", 30)):
        await publish(slug, published_at=(START - days * DAY).isoformat())
    await publish("draft", status="draft")
    browser = await signed_in("viewer")
    page = (await browser.get("/admin/articles")).text
    assert listed(page) == ["draft", "new", "middle", "old"]


@pytest.mark.parametrize("sort", ["published", "readers", "reads", "walls", "sales"])
async def test_the_list_pages_through_everything_once(
    signed_in: SignedIn, store: Store, sort: str
) -> None:
    articles = [rows.article(f"a-{number}", "A title") for number in range(23)]
    reads = [
        rows.read(article, START - DAY, holder=f"device:d{n}", wall="subscribe" if n % 2 else None)
        for place, article in enumerate(articles)
        for n in range(place % 4)
    ]
    await store(*articles, *reads)
    browser = await signed_in("viewer")
    address: str | None = f"/admin/articles?limit=5&sort={sort}"
    seen: list[str] = []
    while address is not None:
        page = unescape((await browser.get(address)).text)
        seen += listed(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1] if following else None
    assert sorted(seen) == sorted(article.slug for article in articles)


UNLISTED = [
    ("from=2026-03-02&to=2026-03-01", "ends before"), ("from=2026-02-30", "Enter a date"),
    ("from=1900-01-01", "must be between"), ("to=9999-12-31", "must be between"),
    ("from=2000-01-01", "days are too many"),
    ("status=odd", "status"), ("level=secret", "level"), ("sort=title", "sort"),
    ("cursor=x", "cursor"), ("query=%00", "query"), ("author=" + "x" * 201, "author"),
    ("odd=1", "Odd: There is no field"),
]  # fmt: skip


@on_sqlite
async def test_what_cant_be_listed_is_told(signed_in: SignedIn) -> None:
    browser = await signed_in("viewer")
    for query, named in UNLISTED:
        answer = await browser.get(f"/admin/articles?{query}")
        assert answer.status_code == 422, query
        assert named in answer.text, query


@on_sqlite
async def test_an_article_changes_from_its_page(
    signed_in: SignedIn, publish: Publish, clocks: MovingClocks
) -> None:
    await publish("ferry", tags=["Sea"], authors=[{"name": "Ana"}])
    browser = await signed_in("admin")
    page = (await browser.get("/admin/articles/ferry")).text
    for told in ("Metered, the publication's default", "1 of 2 words", "First sent: Ferry"):
        assert told in text_of(page)
    for audience in ("anonymous", "registered", "subscriber", "wall"):
        assert f'href="/articles/ferry/preview?as={audience}"' in page
    done = await change(
        browser, "ferry", change="access", level="subscribers",
        plans="digital, all-access", free_hours="12",
    )  # fmt: skip
    assert (done.status_code, done.headers["location"]) == (
        303, "/admin/articles/ferry?done=access",
    )  # fmt: skip
    text = text_of((await browser.get("/admin/articles/ferry?done=access")).text)
    assert "Readers see the new level at once" in text
    assert "Free, by its schedule, until 10 Mar 2026, 21:00" in text
    assert "digital, all-access" in text
    assert "Level: Subscribers" in text
    assert "admin@example.org" in text
    withdrawn = await change(browser, "ferry", change="withdraw", sure="yes")
    assert withdrawn.status_code == 303
    page = (await browser.get("/admin/articles/ferry")).text
    assert "Publish again" in page
    assert "<summary>Withdraw" not in page
    assert (await change(browser, "ferry", change="publish")).status_code == 303
    text = text_of((await browser.get("/admin/articles/ferry")).text)
    revisions = text[text.index("All changes") :]
    assert [each in revisions for each in ("Withdrawn", "Published", "Level: Subscribers")] == [
        True
    ] * 3


REFUSED: list[tuple[dict[str, str], int, str]] = [
    ({"change": "withdraw"}, 422, "select “I am sure” first"),
    ({"change": "access", "level": "secret"}, 422, "Nothing was changed. Level: "),
    ({"change": "access", "level": "free", "plans": "digital"}, 422, "need the level"),
    ({"change": "access", "plans": "Dígital"}, 422, "plan's slug"),
    ({"change": "access", "free_hours": "0"}, 422, "Free for the first (hours): "),
    ({"change": "access", "free_hours": "9999999999"}, 422, "Free for the first (hours): "),
    ({"change": "access", "free_hours": "-1"}, 422, "Free for the first (hours): "),
    ({"change": "access", "free_after_days": "2", "free_hours": "72"}, 422, "before the level"),
    ({"change": "access", "seen": "x"}, 412, "has changed it in the meantime"),
    ({"change": "publish", "seen": "none"}, 412, "it already exists, by test since 10 Mar 2026, 09:00"),
    ({"change": "delete"}, 422, "change"),
    ({}, 422, "change"),
]  # fmt: skip


@on_sqlite
async def test_what_changes_nothing_says_why(signed_in: SignedIn, publish: Publish) -> None:
    await publish("ferry")
    browser, here = await signed_in("editor"), "/admin/articles/ferry"
    csrf = csrf_in((await browser.get("/admin/account")).text)
    before = {"csrf": csrf, "seen": seen_in((await browser.get(here)).text, here)}
    for form, status, told in REFUSED:
        refused = await browser.post(here, data={**before, **form})
        assert refused.status_code == status, form
        assert told in unescape(refused.text), form
    page = (await browser.get(here)).text
    assert "First sent" in page
    assert "Publish again" not in page


@on_sqlite
@pytest.mark.parametrize("slug", ["never", "No-Slug", "a%00b", "x" * 200])
async def test_what_isnt_there_leads_to_the_list(signed_in: SignedIn, slug: str) -> None:
    answer = await (await signed_in("viewer")).get(f"/admin/articles/{slug}")
    assert answer.status_code == 404
    assert "Check the list" in answer.text


@on_sqlite
async def test_revisions_page(signed_in: SignedIn, publish: Publish) -> None:
    for number in range(13):
        await publish("ferry", standfirst=f"Number {number}")
    browser = await signed_in("viewer")
    page = unescape((await browser.get("/admin/articles/ferry")).text)
    assert page.count(">Text</th>") == 10
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    rest = (await browser.get(following[1])).text
    assert rest.count(">Text</th>") == 2
    assert "First sent: Ferry" in rest
