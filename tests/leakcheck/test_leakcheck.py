"""The leak check finds each kind of leak, finds none where none is, and leaves nothing behind."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables import AccessEntry
from service.leakcheck.asking import Site
from service.leakcheck.canary import KINDS, canaries
from service.leakcheck.check import CannotCheck, Check, Leak, Result
from service.settings import Settings
from tests.conftest import START, MovingClocks
from tests.databases import on_sqlite
from tests.forked import Command, command, processes, without_settings
from tests.leakcheck.leaky import LEAKS, LeakySite
from tests.patience import wait_until
from tests.served import Installation, installation

SITE = Site("http://site.example", ("http://site.example/story/{slug}",))


def check_of(site: LeakySite, **options: object) -> Check:
    transport = httpx.ASGITransport(app=site.app())
    return Check(SITE, "pwk_site", now=START, transport=transport, **options)  # type: ignore[arg-type]


OF_OTHERS = {"comment", "drafts in the list", "admin", "scheduled"}
"""Leaks that can't be of a metered article."""


@pytest.fixture(scope="module")
def tight() -> tuple[LeakySite, Result]:
    site = LeakySite()
    return site, asyncio.run(check_of(site).run())


@pytest.mark.xdist_group("tight")
def test_a_tight_site_has_no_leak_and_keeps_nothing(tight: tuple[LeakySite, Result]) -> None:
    site, result = tight
    assert result.leaks == []
    assert result.failed == []
    assert {"teaser", "access", "unlock", "full", "page", "list", "search", "feed", "sitemap", "admin",
            "API", "embed"} <= {surface for surface, _ in result.rows}  # fmt: skip
    assert {"anonymous", "crawler", "spoofed headers", "HEAD", "Range", "conditional", "encodings",
            "odd address", "forged token", "forged gift", "stopped"} <= {audience for _, audience in result.rows}  # fmt: skip
    assert result.unanswered == []
    assert result.shows_tightness
    assert site.planted.is_set()
    assert site.articles == {}


@pytest.fixture(scope="module")
def everything_leaks() -> list[Leak]:
    return asyncio.run(check_of(LeakySite(leaks=set(LEAKS))).run()).leaks


@pytest.mark.xdist_group("everything-leaks")
@pytest.mark.parametrize("kind", LEAKS)
def test_each_kind_of_leak_is_found(everything_leaks: list[Leak], kind: str) -> None:
    assert any(LEAKS[kind](leak) for leak in everything_leaks)


@pytest.fixture(scope="module")
def metered_leaks() -> list[Leak]:
    return asyncio.run(check_of(LeakySite(leaks=set(LEAKS), of_kind="metered")).run()).leaks


@pytest.mark.xdist_group("metered-leaks")
@pytest.mark.parametrize("kind", [each for each in LEAKS if each not in OF_OTHERS])
def test_each_kind_of_leak_of_a_metered_article_is_found(
    metered_leaks: list[Leak], kind: str
) -> None:
    assert any(LEAKS[kind](leak) for leak in metered_leaks)


@pytest.mark.xdist_group("tight")
async def test_what_the_meter_opens_is_no_leak(tight: tuple[LeakySite, Result]) -> None:
    result = await check_of(LeakySite(opens_pages=True)).run()
    assert result.leaks == []
    of_pages = [("page", each) for each in ("crawler", "spoofed headers", "HEAD", "Range")]
    assert [result.rows[each].asked for each in of_pages] == [
        tight[1].rows[each].asked for each in of_pages
    ]


@pytest.mark.parametrize("leak", ["crawler", "prefetch", "print"])
async def test_a_page_that_the_meter_opens_may_not_open_to_the_stopped(leak: str) -> None:
    site = LeakySite(leaks={leak}, of_kind="metered", opens_pages=True)
    result = await check_of(site).run()
    assert any(LEAKS[leak](each) for each in result.leaks)


async def test_a_page_that_is_never_there_is_said() -> None:
    readers = {"registered": {"Cookie": "a=b"}, "gift": {"Cookie": "c=d"}}
    site = Site(SITE.api, ("http://site.example/wrong/{slug}",), readers)
    transport = httpx.ASGITransport(app=LeakySite().app())
    result = await Check(site, "pwk_site", now=START, transport=transport).run()
    assert result.leaks == []
    assert not any("registered=" in each or "gift=" in each for each in result.skipped)
    assert {("page", "registered"), ("page", "gift")} <= result.rows.keys()
    assert len(result.unanswered) == 1
    assert "/wrong/leakcheck-metered was answered 404" in result.unanswered[0]
    assert not result.shows_tightness


async def test_a_surface_that_never_answers_is_said() -> None:
    result = await check_of(LeakySite(away="/access")).run()
    assert [each for each in result.unanswered if "access" in each] == result.unanswered != []
    assert not result.shows_tightness


@pytest.mark.xdist_group("tight")
def test_readers_who_were_not_named_are_said(tight: tuple[LeakySite, Result]) -> None:
    skipped = tight[1].skipped
    assert any("registered=" in each for each in skipped)
    assert any("gift=" in each for each in skipped)


async def test_one_leak_is_not_taken_for_others() -> None:
    result = await check_of(LeakySite(leaks={"crawler"})).run()
    assert {(leak.asked.surface, leak.asked.audience) for leak in result.leaks} == {
        ("page", "crawler"), ("page", "spoofed headers")
    }  # fmt: skip
    assert all("Googlebot/2.1" in str(leak.asked.headers) for leak in result.leaks)


async def test_an_interrupted_check_cleans_up() -> None:
    site = LeakySite()
    task = asyncio.create_task(check_of(site).run())
    await site.planted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert site.articles == {}


async def test_an_article_of_the_newsrooms_is_left_alone() -> None:
    site = LeakySite()
    theirs = {"title": "Ours", "body": "x", "status": "published", "source_ids": {}}
    site.articles["leakcheck-registered"] = theirs
    with pytest.raises(CannotCheck, match="another slug"):
        await check_of(site).run()
    assert site.articles["leakcheck-registered"] == theirs


async def test_a_key_that_may_not_publish_is_said() -> None:
    with pytest.raises(CannotCheck, match="articles:write"):
        await check_of(LeakySite(key="another")).run()


async def test_an_answer_that_cannot_be_unpacked_is_not_taken_for_a_tight_one() -> None:
    result = await check_of(LeakySite(encoded="gzip, zstd")).run()
    assert any("can't read zstd" in each for each in result.failed)
    assert not result.shows_tightness


def test_words_of_two_runs_and_kinds_differ() -> None:
    words = [
        word
        for run in ("leaka", "leakb")
        for each in canaries(run)
        for word in (each.public, each.paid)
    ]
    assert len(set(words)) == len(words) == 4 * len(KINDS)


@pytest.fixture
def served(settings: Settings) -> Iterator[Installation]:
    with installation(settings, MovingClocks()) as at:
        yield at


def run(at: Installation) -> "contextlib.AbstractContextManager[Command]":
    told = {**without_settings(), "LEAKCHECK_KEY": at.api_key}
    return command("leakcheck", at.url, environment=told)


async def walls_and_reads(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(AccessEntry)) or 0


@on_sqlite
@processes
def test_our_own_service_has_no_leak(served: Installation) -> None:
    with run(served) as process:
        assert process.wait() == 0
        out = process.out
    assert "no leak, 0 not answered" in out
    assert "Not asked: A reader of the kind registered" in out
    left = served.browser.get("/v1/articles?section=leakcheck").json()["items"]
    assert left == []
    staff = {"Authorization": f"Bearer {served.api_key}"}
    assert served.browser.get("/v1/admin/articles", headers=staff).json()["items"] == []
    assert served.in_database(walls_and_reads) == 0


@on_sqlite
@processes
def test_after_an_interrupt_nothing_is_left(served: Installation) -> None:
    planted = "/v1/articles/leakcheck-metered"
    with run(served) as process:
        wait_until(lambda: served.browser.get(planted).status_code == 200, "the article is planted")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1
        err = process.err
    assert err.endswith("Interrupted. The test articles are deleted; run it again for a result.\n")
    assert served.browser.get(planted).status_code == 404
