"""What all first reads share ends with what it depends on, and is kept no longer than its article's copy."""

import weakref
from datetime import datetime, timedelta

import httpx2
import pytest

from service.access.first_reads import _MOST_OF_A_COPY
from service.access.openings import Openings
from service.content.cache import ArticleCache, CachedArticle
from service.db.session import Database
from service.identity.devices import HEADER, device_key, new_device_id, pseudonym
from service.metering.meter import Metering
from service.settings import Settings
from tests.access.test_first_reads import decided, elsewhere
from tests.access.test_gifts import given, token_of
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.statements import statements

__all__ = ["elsewhere"]


async def stranger(paywall: Paywall, slug: str, **headers: str) -> httpx2.Response:
    """What a new device gets."""
    async with paywall.new_client() as client:
        return await client.post(f"/v1/articles/{slug}/unlock", json={}, headers=headers)


def copy_of(paywall: Paywall, slug: str) -> CachedArticle:
    found = paywall.app.running.get(ArticleCache).peek(slug, paywall.clocks.business())
    assert found is not None
    return found


@on_sqlite
async def test_a_first_read_is_counted_in_the_window_of_its_instant(paywall: Paywall) -> None:
    """The copy stays in memory; the month ends, and the clock is set back."""
    await paywall.client.get("/v1/articles/a")
    copy, counting = copy_of(paywall, "a"), decided(paywall.app)
    starts = []
    for by in (timedelta(), timedelta(days=31), timedelta(days=-31), timedelta(days=31)):
        paywall.clocks.travel(by)
        meter = (await stranger(paywall, "a")).json()["meter"]
        begins, ends = (
            datetime.fromisoformat(meter[each]) for each in ("window_start", "resets_at")
        )
        assert begins <= paywall.clocks.business() < ends
        starts.append(begins)
    assert starts[0] == starts[2] < starts[1] == starts[3]
    assert copy_of(paywall, "a") is copy
    assert counting.times == 0


@on_sqlite
async def test_what_a_gift_link_opened_elsewhere_is_no_first_read(
    paywall: Paywall, elsewhere: httpx2.AsyncClient
) -> None:
    await paywall.sign_in("everything")
    link = token_of(await given(paywall, "a"))
    paywall.client.cookies.clear()
    sent = {HEADER: device_key(paywall.settings).sign(new_device_id(paywall.clocks.wall()))}
    await paywall.client.get("/v1/articles/a")
    assert (await stranger(paywall, "a")).json()["consumed"]
    gift = await elsewhere.post("/v1/articles/a/unlock", json={"gift": link}, headers=sent)
    assert gift.json()["reason"] == "gift"
    paywall.clocks.travel(timedelta(seconds=1))
    await paywall.app.running.get(Openings).refresh()
    answer = (await stranger(paywall, "a", **sent)).json()
    assert (answer["reason"], answer["consumed"]) == ("gift", False)


@on_sqlite
async def test_who_asks_too_early_makes_no_later_read_slower(paywall: Paywall) -> None:
    at = paywall.clocks.business() + timedelta(hours=1)
    await paywall.publish("soon", status="scheduled", published_at=at.isoformat())
    await paywall.client.get("/v1/articles/soon")
    assert (await stranger(paywall, "soon")).status_code == 404
    paywall.clocks.travel(timedelta(hours=2))
    await paywall.client.get("/v1/articles/soon")
    counting = decided(paywall.app)
    assert (await stranger(paywall, "soon")).json()["consumed"]
    assert counting.times == 0


@on_sqlite
async def test_what_is_shared_goes_with_its_copy_and_is_bounded(paywall: Paywall) -> None:
    dropped = []
    for number in range(3):
        await paywall.publish("a", title=f"Edition {number}")
        await paywall.client.get("/v1/articles/a")
        await stranger(paywall, "a")
        dropped.append(weakref.ref(copy_of(paywall, "a")))
    assert [each() is not None for each in dropped] == [False, False, True]
    copy = copy_of(paywall, "a")
    for number in range(3):
        await stranger(paywall, "a", Referer=f"https://news.example/?page={number}")
    assert len(copy.first_reads) == 2
    for number in range(_MOST_OF_A_COPY):
        await stranger(paywall, "a", Referer=f"https://n{number}.example/")
        assert len(copy.first_reads) <= _MOST_OF_A_COPY


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_device_that_its_network_closes_out_is_tried_once(
    is_known: bool, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    capped = settings.model_copy(update={"cookieless_unlocks_per_day": 1})
    async with inside(database, capped, clocks) as paywall:
        await paywall.publish("a")
        await paywall.client.get("/v1/articles/a")
        signed = device_key(settings).sign(new_device_id(clocks.wall()))
        sent = {HEADER: signed} if is_known else {}
        with statements() as of_one:
            assert (await stranger(paywall, "a")).json()["consumed"]
        remembered = len(paywall.app.running.get(Metering)._windows)
        named = pseudonym.cache_info().misses
        with statements() as of_other:
            answer = await stranger(paywall, "a", **sent)
        assert pseudonym.cache_info().misses == named + 1
        assert (answer.status_code, answer.json()["reason"]) == (402, "network_exhausted")
        assert asked_of_networks(of_other) == asked_of_networks(of_one) == 1
        assert len(paywall.app.running.get(Metering)._windows) == remembered
        if is_known:
            assert answer.json()["device_token"] == signed
        else:
            assert answer.json()["device_token"] in answer.headers["set-cookie"]


def asked_of_networks(asked: list[str]) -> int:
    """How many batches looked at how many devices a network has begun."""
    return sum("INTO rate_limits" in each for each in asked)
