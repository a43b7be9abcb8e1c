"""A canary after the cut is found on no public surface, by any audience, and is there where granted."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.db.session import Database
from service.identity.devices import HEADER
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

pytestmark = on_sqlite

CANARY = "wyvernquartz"
"""One word, so that a search for it would find it."""
REST = (
    f"<h2>{CANARY}</h2><p title='{CANARY}'>Then {CANARY} <em>{CANARY}</em>.</p>"
    f"<ul><li>{CANARY}</li></ul><figure><img src='/{CANARY}.png' alt='{CANARY}'>"
    f"<figcaption>{CANARY}</figcaption></figure><table><tr><td>{CANARY}</td></tr></table>"
)
BODIES = {
    "plain": ("html", f"<p>Opening.</p><!--more-->{REST}"),
    "ghost": ("html", f"<p>Opening.</p><!--members-only-->{REST}"),
    "in-a-div": ("html", f"<div><p>Opening.</p><!--more--><p>{CANARY}</p></div>{REST}"),
    "in-a-list": ("html", f"<ul><li>Opening</li><!--more--><li>{CANARY}</li></ul>{REST}"),
    "in-a-quote": ("html", f"<blockquote><p>Opening.</p><!--more--><p>{CANARY}</p></blockquote>{REST}"),
    "unclosed": ("html", f"<p>Opening.<div><b><!--more--><p>{CANARY}{REST}"),
    "spaced": ("html", f"<p>Opening.</p><!--  more read on! -->{REST}"),
    "twice": ("html", f"<p>Opening.</p><!--more-->{REST}<!--more--><p>{CANARY}</p>"),
    "first-of-all": ("html", f"<!--more-->{REST}"),
    "no-mark": ("html", f"<p>One.</p><p>Two.</p><p>Three.</p>{REST}"),
    "no-mark-nested": ("html", f"<div><p>One.</p><p>Two.</p><p>Three.</p>{REST}</div>"),
    "markdown": (
        "markdown",
        f"Opening.\n\n<!--more-->\n\n## {CANARY}\n\nThen **{CANARY}** ![{CANARY}](/{CANARY}.png).\n",
    ),
    "markdown-no-mark": ("markdown", f"One.\n\nTwo.\n\nThree.\n\n{CANARY}\n\n    {CANARY}\n"),
}  # fmt: skip
SLUGS = [f"{level}-{name}" for level in ("metered", "subscribers") for name in BODIES]
FILLERS = ["filler-1", "filler-2", "filler-3"]
EXTRA_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Range": "bytes=0-100000"},
    {"If-None-Match": '"x"'},
    {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
    {"Accept-Encoding": "identity"},
    {"Accept": "text/html"},
    {"Accept": "application/ld+json"},
    {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"},
    {"Authorization": "Bearer forged"},
    {"X-Forwarded-For": "127.0.0.1", "Host": "localhost"},
)


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        for slug in FILLERS:
            await made.publish(slug)
        for slug in SLUGS:
            level, _, name = slug.partition("-")
            body_format, body = BODIES[name]
            await made.publish(
                slug, body=body, body_format=body_format, access={"level": level},
                standfirst="A standfirst.", section="Harbour", tags=["ferry", "books"],
                authors=[{"name": "Ines Prado"}], image={"url": "/ferry.png", "alt": "A ferry"},
                source_ids={"wordpress": "17"},
            )  # fmt: skip
        yield made


def addresses(paywall: Paywall) -> Iterator[list[str]]:
    """Every GET route of the application, with every article in it, and lists with filters."""
    plain_first = sorted(SLUGS, key=lambda slug: not slug.endswith("-plain"))
    for route in iter_route_contexts(paywall.app.routes):
        path = route.path or ""
        if "GET" not in (route.methods or ()):
            continue
        yield [
            path.replace("{slug}", slug).replace("{", "").replace("}", "").split(":")[0]
            for slug in (plain_first if "slug" in path else ["x"])
        ]
    filters = ("section=Harbour", "tag=ferry", "author=Ines+Prado", "q=opening", f"q={CANARY}")
    for asked in filters:
        yield [f"/v1/articles?{asked}&limit=100", f"/?{asked}"]


def everything(answer: httpx2.Response) -> str:
    return f"{answer.headers.multi_items()} {answer.text}".casefold()


async def assert_silent(paywall: Paywall, client: httpx2.AsyncClient, **headers: str) -> None:
    def check(answer: httpx2.Response, extra: dict[str, str]) -> None:
        where = f"{answer.request.method} {answer.request.url} {extra}"
        assert answer.status_code != 500, where
        assert CANARY not in everything(answer).replace(f"q={CANARY}", ""), where

    for route in addresses(paywall):
        for address in route:
            plain = await client.get(address, headers=headers)
            check(plain, {})
            for extra in EXTRA_HEADERS if address.endswith("plain") else []:
                check(await client.get(address, headers={**headers, **extra}), extra)
            check(await client.head(address, headers=headers), {})
            if plain.status_code == 401:
                break  # who asks is refused before any article is looked for
    for slug in SLUGS:
        answer = await client.get(f"/v1/articles/{slug}", headers=headers)
        etag = answer.headers["ETag"]
        again = await client.get(f"/v1/articles/{slug}", headers={**headers, "If-None-Match": etag})
        assert again.status_code == 304
        check(again, {})


async def assert_walled(client: httpx2.AsyncClient, slug: str, **headers: str) -> None:
    for path in (f"/v1/articles/{slug}/unlock", f"/articles/{slug}"):
        answer = await client.post(path, headers=headers)
        assert answer.status_code == 402
        assert CANARY not in everything(answer), path


async def test_nobody_finds_it(paywall: Paywall) -> None:
    async with paywall.new_client() as nobody:
        await assert_silent(paywall, nobody)
        for slug in SLUGS[len(BODIES) :]:
            await assert_walled(nobody, slug)


async def test_a_search_finds_what_is_public_only(paywall: Paywall) -> None:
    found = await paywall.client.get("/v1/articles?q=standfirst&limit=100")
    assert len(found.json()["items"]) == len(SLUGS)
    found = await paywall.client.get(f"/v1/articles?q={CANARY}")
    assert found.json()["items"] == []


async def test_a_device_at_the_wall_with_a_past_behind_it_finds_nothing(paywall: Paywall) -> None:
    client = paywall.client
    first = await paywall.unlock("metered-plain")
    assert CANARY in everything(first)
    token = first.json()["device_token"]
    # The next month the cookie is the same, but what was read in the last is closed again.
    paywall.clocks.travel(timedelta(days=30))
    for slug in FILLERS:
        assert (await paywall.unlock(slug)).status_code == 200
    await assert_silent(paywall, client)
    for slug in SLUGS:
        await assert_walled(client, slug)
    async with paywall.new_client() as app:
        await assert_silent(paywall, app, **{HEADER: token})
        await assert_walled(app, "metered-plain", **{HEADER: token})


async def test_it_is_there_for_whom_it_is_granted(paywall: Paywall) -> None:
    validators = set()
    for slug in SLUGS[: len(BODIES)]:
        async with paywall.new_client() as reader:
            opened = await reader.post(f"/v1/articles/{slug}/unlock")
            by_token = await reader.get(
                f"/v1/articles/{slug}/full",
                headers={"Authorization": f"Bearer {opened.json()['token']}"},
            )
            page = await reader.post(f"/articles/{slug}")
            again = await reader.get(f"/articles/{slug}")
            teaser = await reader.get(f"/v1/articles/{slug}")
            # Having read it changes nothing about what is public.
            assert CANARY not in everything(teaser)
        for answer in (opened, by_token, page, again):
            assert answer.status_code == 200
            assert CANARY in answer.text, (slug, answer.request.url)
            assert answer.headers["Cache-Control"] == "private, no-store"
            validators |= {answer.headers.get("ETag"), answer.headers.get("Last-Modified")}
    assert validators == {None}
    await paywall.sign_in("everything")
    for slug in SLUGS:
        assert CANARY in (await paywall.unlock(slug)).text
        assert CANARY in (await paywall.client.get(f"/articles/{slug}")).text


async def test_changing_the_paid_text_alone_changes_no_validator(paywall: Paywall) -> None:
    async def tags() -> list[str]:
        return [
            (await paywall.client.get("/v1/articles/x", headers={"Accept-Encoding": coding})).headers["ETag"]
            for coding in ("identity", "gzip")
        ]  # fmt: skip

    body = "<p>Opening.</p><!--more--><p>One ending.</p>"
    at = paywall.clocks.business().isoformat()
    await paywall.publish("x", body=body, published_at=at)
    before = await tags()
    await paywall.publish("x", body=body.replace("One", "Another"), published_at=at)
    assert await tags() == before
