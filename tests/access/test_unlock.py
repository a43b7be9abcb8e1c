"""The read: what is counted, what is not, and for whom."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.clock import Clocks
from service.db.session import Database
from service.db.tables import MeterWindow, Touches
from service.grants.store import put_grant
from service.identity.cookies import cookie_name
from service.identity.devices import HEADER, DeviceKey, new_device_id
from service.identity.sessions import open_session
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside
from tests.reports import rows

COOKIE = "pw_device"


async def read_to_the_wall(paywall: Paywall) -> None:
    for slug in "abc":
        assert (await paywall.unlock(slug)).status_code == 200


def reason(answer: httpx2.Response) -> str:
    found: str = answer.json()["reason"]
    return found


async def test_three_articles_then_the_wall_and_rereads_stay_free(paywall: Paywall) -> None:
    for used, slug in enumerate("abc", start=1):
        opened = (await paywall.unlock(slug)).json()
        assert (opened["granted"], opened["reason"], opened["consumed"]) == (True, "meter", True)
        assert (opened["meter"]["used"], opened["meter"]["remaining"]) == (used, 3 - used)
        assert CANARY in opened["article"]["body_html"]
    again = (await paywall.unlock("a")).json()
    assert (again["consumed"], again["meter"]["used"]) == (False, 3)
    walled = await paywall.unlock("d")
    assert (walled.status_code, walled.headers["Content-Type"]) == (402, "application/problem+json")
    assert (walled.json()["type"], reason(walled)) == ("/problems/walled", "meter_exhausted")
    assert CANARY not in walled.text
    assert (await paywall.unlock("b")).json()["consumed"] is False
    assert (await paywall.unlock("d")).status_code == 402


async def test_the_ledger_tells_what_happened(paywall: Paywall) -> None:
    await paywall.publish("gift", access={"level": "free"})
    await paywall.publish("paid", access={"level": "subscribers"})
    await paywall.unlock("a", Referer="https://search.example/find?q=secret")
    for slug in ("a", "b", "c", "d", "gift", "paid"):
        await paywall.unlock(slug)
    rows = await paywall.ledger()
    assert [(row.granted, row.consumed, row.reason, row.wall) for row in rows] == [
        (True, True, "meter", None),
        (True, False, "meter", None),
        (True, True, "meter", None),
        (True, True, "meter", None),
        (False, False, "meter_exhausted", "subscribe"),
        (True, False, "free", None),
        (False, False, "subscribers_only", "subscribe"),
    ]
    assert rows[0].referrer_host == "search.example"
    assert len({row.device_id for row in rows}) == 1
    windows = [row.window_start is not None for row in rows]
    assert windows == [True, True, True, True, True, False, False]
    prompts = [row.prompt for row in rows if row.wall is not None]
    assert len(prompts) == 2
    assert prompts[0] == prompts[1] is not None
    assert all(row.prompt is None for row in rows if row.wall is None)


async def test_what_led_the_reader_here_is_kept_apart_from_the_meter(paywall: Paywall) -> None:
    named = {"source": "letter", "campaign": "spring"}
    address = "/v1/articles/a/unlock"
    direct = await paywall.client.post(address)
    again = await paywall.client.post(address, json={"campaign": named})
    assert (direct.status_code, again.status_code) == (200, 200)
    assert [row.campaign for row in await paywall.ledger()] == [None, "spring"]
    async with paywall.database.reading() as session:
        (touches,) = await session.scalars(select(Touches))
        (window,) = await session.scalars(select(MeterWindow))
    assert touches.holder == window.holder
    assert (touches.first_source, touches.last_source, touches.last_campaign) == (
        None, "letter", "spring",
    )  # fmt: skip
    for campaign in ({"utm_source": "letter"}, {"source": ""}, {"source": "x" * 101}, "letter"):
        refused = await paywall.client.post(address, json={"campaign": campaign})
        assert refused.status_code == 422, campaign


@on_sqlite
async def test_the_cookie_is_set_once_and_the_token_not_repeated(paywall: Paywall) -> None:
    first = await paywall.unlock("a")
    attributes = first.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=lax", f"Max-Age={400 * 86400}"} <= set(attributes)
    assert first.json()["device_token"] == paywall.client.cookies[COOKIE]
    again = await paywall.unlock("a")
    assert "Set-Cookie" not in again.headers
    assert "device_token" not in again.json()
    assert again.headers["Cache-Control"] == "private, no-store"


@on_sqlite
async def test_a_wall_remembers_a_new_device_too(paywall: Paywall) -> None:
    await paywall.publish("paid", access={"level": "subscribers"})
    walled = await paywall.unlock("paid")
    assert walled.json()["device_token"] == paywall.client.cookies[COOKIE]


@on_sqlite
async def test_without_cookies_the_device_token_does_the_same(paywall: Paywall) -> None:
    async with paywall.new_client() as app:
        token = (await app.post("/v1/articles/a/unlock")).json()["device_token"]
        for used, slug in ((1, "a"), (2, "b"), (3, "c")):
            app.cookies.clear()
            answer = await app.post(f"/v1/articles/{slug}/unlock", headers={HEADER: token})
            assert answer.json()["meter"]["used"] == used
            assert answer.json()["device_token"] == token
            assert "Set-Cookie" not in answer.headers
        app.cookies.clear()
        assert (await app.post("/v1/articles/d/unlock", headers={HEADER: token})).status_code == 402


@on_sqlite
async def test_the_cookie_counts_before_the_header(paywall: Paywall) -> None:
    await read_to_the_wall(paywall)
    other = paywall.app.running.get(DeviceKey).sign(new_device_id(paywall.clocks.wall()))
    walled = await paywall.unlock("d", **{HEADER: other})
    assert walled.status_code == 402
    assert "device_token" not in walled.json()


def flipped(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


SPOILED: dict[str, Callable[[str], str]] = {
    "forged signature": flipped,
    "another id": lambda text: text.replace(text.split(".")[1], new_device_id(Clocks().wall())),
    "another installation's key": lambda text: DeviceKey(b"k" * 32).sign(text.split(".")[1]),
    "truncated": lambda text: text[:-5],
    "no signature": lambda text: text.rpartition(".")[0],
    "padded": lambda text: f"{text}=",
    "another version": lambda text: text.replace("v1.", "v2."),
    "10 kB": lambda text: text + "A" * 10_000,
    "10 kB of dots": lambda _: "." * 10_000,
    "empty": lambda _: "",
    "beyond ASCII": lambda text: f"{text}\u00e9",
}


@on_sqlite
@pytest.mark.parametrize("way", ["cookie", "header"])
async def test_a_value_we_did_not_sign_is_a_new_device(paywall: Paywall, way: str) -> None:
    good = (await paywall.unlock("a")).json()["device_token"]
    for spoil, spoiled in SPOILED.items():
        bad = spoiled(good)
        paywall.client.cookies.clear()
        headers = [("Cookie", f"{COOKIE}={bad}")] if way == "cookie" else [(HEADER, bad)]
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        answer = await paywall.client.post("/v1/articles/b/unlock", headers=encoded)
        assert (answer.status_code, answer.json()["meter"]["used"]) == (200, 1), spoil
        assert answer.json()["device_token"] not in {good, bad}, spoil
        assert COOKIE in answer.headers["Set-Cookie"], spoil


@on_sqlite
async def test_a_forged_cookie_gives_way_to_a_good_header(paywall: Paywall) -> None:
    good = (await paywall.unlock("a")).json()["device_token"]
    paywall.client.cookies.clear()
    answer = await paywall.unlock("b", **{HEADER: good, "Cookie": f"{COOKIE}={flipped(good)}"})
    assert answer.json()["meter"]["used"] == 2


@on_sqlite
async def test_no_token_where_none_is_wanted(paywall: Paywall) -> None:
    answer = await paywall.client.post("/v1/articles/a/unlock", json={"token": False})
    assert answer.status_code == 200
    assert not {"token", "token_expires_at"} & set(answer.json())
    assert "token" in (await paywall.client.post("/v1/articles/a/unlock", json={})).json()


@on_sqlite
async def test_a_token_is_used_again_for_half_of_its_life(paywall: Paywall) -> None:
    async def token() -> Any:
        return (await paywall.unlock("a")).json()["token"]

    first = await token()
    paywall.clocks.travel(timedelta(minutes=4, seconds=59))
    assert await token() == first
    paywall.clocks.travel(timedelta(seconds=2))
    second = await token()
    assert second != first
    assert await token() == second
    assert (await paywall.unlock("b")).json()["token"] != second


@on_sqlite
@pytest.mark.parametrize(
    "purpose", ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"]
)
async def test_a_prefetch_is_no_read(paywall: Paywall, purpose: str) -> None:
    answer = await paywall.unlock("a", **{"Sec-Purpose": purpose})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-a-read")
    assert await paywall.ledger() == []
    assert (await paywall.unlock("b")).json()["meter"]["used"] == 1


@on_sqlite
async def test_only_the_read_itself_counts(paywall: Paywall) -> None:
    await paywall.unlock("a")
    await paywall.publish("gift", access={"level": "free"})
    client = paywall.client
    for method, path in [
        ("GET", "/v1/articles"), ("GET", "/v1/articles/b"), ("HEAD", "/v1/articles/b"),
        ("GET", "/v1/articles/b/access"), ("HEAD", "/v1/articles/b/unlock"),
        ("GET", "/v1/articles/b/unlock"), ("GET", "/articles/b"), ("HEAD", "/articles/b"),
        ("GET", "/v1/articles/b/full"), ("POST", "/v1/articles/none/unlock"),
        ("POST", "/v1/articles/gift/unlock"), ("GET", "/"),
    ]:  # fmt: skip
        await client.request(method, path)
    await client.post("/v1/articles/b/unlock", json={"count": False})
    await client.post("/v1/articles/b/unlock", content=b"{")
    await client.post("/v1/articles/b/unlock", headers={"Origin": "https://elsewhere.example"})
    assert (await client.get("/v1/articles/c/access")).json()["meter"]["used"] == 1


@on_sqlite
async def test_walls_count_nothing(paywall: Paywall) -> None:
    await read_to_the_wall(paywall)
    for _ in range(3):
        assert (await paywall.unlock("d")).json()["meter"]["used"] == 3


@on_sqlite
async def test_access_tells_the_same_and_changes_nothing(paywall: Paywall) -> None:
    async def access(slug: str) -> Any:
        answer = await paywall.client.get(f"/v1/articles/{slug}/access")
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "Set-Cookie" not in answer.headers
        return answer.json()

    for _ in range(5):
        seen = await access("a")
    assert (seen["granted"], seen["would_consume"], seen["meter"]["used"]) == (True, True, 0)
    assert await paywall.ledger() == []
    await read_to_the_wall(paywall)
    seen = await access("a")
    assert (seen["granted"], seen["reason"], seen["would_consume"]) == (True, "meter", False)
    seen = await access("d")
    assert (seen["granted"], seen["reason"]) == (False, "meter_exhausted")
    assert seen["wall"]["kind"] == "subscribe"
    assert len(await paywall.ledger()) == 3


async def test_the_window_ends(paywall: Paywall) -> None:
    await read_to_the_wall(paywall)
    resets_at = (await paywall.unlock("d")).json()["meter"]["resets_at"]
    assert resets_at == "2026-03-31T23:00:00Z"
    paywall.clocks.offset = timedelta(days=21, hours=13, minutes=59)
    assert (await paywall.unlock("d")).status_code == 402
    paywall.clocks.offset = timedelta(days=21, hours=14)
    opened = (await paywall.unlock("d")).json()
    assert (opened["consumed"], opened["meter"]["used"]) == (True, 1)
    # What was read last month isn't free any more.
    assert (await paywall.unlock("a")).json()["consumed"] is True


@on_sqlite
@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(0, [402, 402], id="limit 0 opens nothing"),
        pytest.param(1, [200, 402], id="limit 1 opens one"),
        pytest.param(None, [200, 200], id="no meter: open to everybody"),
    ],
)
async def test_limits(
    database: Database, settings: Settings, clocks: MovingClocks,
    limit: int | None, expected: list[int],
) -> None:  # fmt: skip
    limited = settings.model_copy(update={"meter_limit": limit})
    async with inside(database, limited, clocks) as paywall:
        await paywall.publish("a")
        await paywall.publish("b")
        await paywall.publish("paid", access={"level": "subscribers"})
        answers = [await paywall.unlock(slug) for slug in "ab"]
        assert [answer.status_code for answer in answers] == expected
        assert (await paywall.unlock("paid")).status_code == 402
        meters = [answer.json()["meter"] for answer in answers]
        assert all((meter is None) == (limit is None) for meter in meters)
        if limit is None:
            assert reason(answers[0]) == "free"


@on_sqlite
@pytest.mark.parametrize("state", ["future", "draft", "withdrawn", "unknown"])
async def test_what_is_not_visible_exists_for_nobody(paywall: Paywall, state: str) -> None:
    await paywall.sign_in("everything")
    later = (paywall.clocks.business() + timedelta(hours=1)).isoformat()
    if state == "future":
        await paywall.publish("x", published_at=later)
    elif state == "draft":
        await paywall.publish("x", status="draft")
    elif state == "withdrawn":
        await paywall.publish("x")
        await paywall.client.delete("/v1/admin/articles/x", headers=paywall.staff)
    access = await paywall.access_token()
    for answer in (
        await paywall.unlock("x"),
        await paywall.client.get("/v1/articles/x/access"),
        await paywall.client.get("/v1/articles/x"),
        await paywall.full("x", access),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/article-not-found")
        assert CANARY not in answer.text


@on_sqlite
@pytest.mark.parametrize(
    ("scope", "level", "plans", "expected"),
    [
        ("everything", "metered", [], "subscription"),
        ("everything", "subscribers", ["archive"], "subscription"),
        ("plan:digital", "metered", [], "subscription"),
        ("plan:digital", "subscribers", [], "subscription"),
        ("plan:digital", "subscribers", ["digital"], "subscription"),
        ("plan:digital", "subscribers", ["archive"], "subscribers_only"),
        ("section:sport", "subscribers", [], "subscribers_only"),
        ("section:Harbour", "subscribers", [], "subscription"),
        ("plan:digital", "free", [], "free"),
    ],
)
async def test_subscribers_read_what_their_grant_covers(
    paywall: Paywall, scope: str, level: str, plans: list[str], expected: str
) -> None:
    access = {"level": level, "plans": plans} if plans else {"level": level}
    await paywall.publish("x", access=access, section="Harbour")
    reader_id = await paywall.sign_in(scope)
    answer = await paywall.unlock("x")
    assert reason(answer) == expected
    by_token = await paywall.full("x", await paywall.access_token())
    assert (by_token.status_code == 200) == (expected != "subscribers_only")
    assert (CANARY in by_token.text) == (by_token.status_code == 200)
    assert (await paywall.ledger())[0].reader_id == reader_id


@on_sqlite
async def test_the_wall_promises_no_second_trial(paywall: Paywall) -> None:
    await paywall.publish("paid", access={"level": "subscribers"})
    reader, offer = rows.reader(), rows.offer(trial_days=14)
    ended = rows.subscription(reader, offer, status="canceled", ended_at=rows.NOW)
    async with paywall.database.transaction() as session:
        session.add_all([reader, offer])
        await session.flush()
        session.add(ended)
        opened = await open_session(
            session, reader_id=reader.id, now=paywall.clocks.wall(), settings=paywall.settings
        )
    stranger = (await paywall.unlock("paid")).json()["wall"]["offers"]
    assert [(each["trial_days"], each["price_text"]) for each in stranger] == [
        (14, "14 days free, then €9.00 a month")
    ]
    paywall.client.cookies[cookie_name("session", paywall.settings)] = opened.token
    known = (await paywall.unlock("paid")).json()["wall"]["offers"]
    assert [(each["trial_days"], each["price_text"]) for each in known] == [(0, "€9.00 a month")]


@on_sqlite
async def test_what_was_read_stays_open_where_nothing_more_is_free(
    database: Database, settings: Settings, clocks: MovingClocks, paywall: Paywall
) -> None:
    """A limit of 0 after a restart: re-reads are free, and `access` says the same."""
    await read_to_the_wall(paywall)
    closed = settings.model_copy(update={"meter_limit": 0})
    async with inside(database, closed, clocks) as restarted:
        restarted.client.cookies = paywall.client.cookies
        for _ in range(2):
            for slug, status in (("a", 200), ("d", 402)):
                looked = await restarted.client.get(f"/v1/articles/{slug}/access")
                assert looked.json()["granted"] is (status == 200)
                assert (await restarted.unlock(slug)).status_code == status


@on_sqlite
async def test_a_reader_with_a_grant_sees_their_own_meter(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    for slug in ("a", "b"):
        await paywall.unlock(slug)
    async with paywall.database.transaction() as session:
        await put_grant(
            session, source="comp", reference="c", reader_id=reader_id, scope="everything",
            starts_at=paywall.clocks.business(), ends_at=None, now=paywall.clocks.business(),
        )  # fmt: skip
    looked = (await paywall.client.get("/v1/articles/c/access")).json()
    opened = (await paywall.unlock("c")).json()
    assert (opened["reason"], opened["consumed"]) == ("comp", False)
    assert opened["meter"] == looked["meter"]
    assert opened["meter"]["used"] == 2
