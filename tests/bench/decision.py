"""The decision by itself, and unlocking with more to decide on beside a plain one: CPU time, then over HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import httpx2

from service.access.decision import ArticleFacts, Evidence, HeldGrant, MeterSeen, NoMeter, decide
from service.access.read import ReadRequest
from service.access.unlock import Unlocking
from service.clock import Clocks
from service.content.store import get_article
from service.db.session import Database
from service.grants.grants import GrantFacts
from service.identity.callers import Caller
from service.identity.devices import new_device_id
from service.identity.experiment_consent import HEADER, PURPOSE
from service.identity.permissions import SCOPES
from service.identity.touches import Touch
from service.levels import Span
from service.metering.window import MeterState, window_at
from service.settings import Settings
from tests.bench.load import Figures, Request, load
from tests.bench.ratios import repeatable
from tests.bench.reads import UNLOCK, Given, Readers, port_of, serving
from tests.bench.said import Say
from tests.inside import Paywall
from tests.keys import create_api_key
from tests.patience import PATIENCE

AT_ONCE, TEN = 200, 10
EXPERIMENTS = "/v1/admin/experiments"
Read = Callable[[], Awaitable[object]]


async def decisions(paywall: Paywall, rounds: int, say: Say) -> None:
    """Microseconds of `decide`, by what it has to look at."""
    now, settings = paywall.clocks.business(), paywall.settings
    window = window_at(now, Span("month"), settings.zone)
    half_full = MeterState(window, 5, frozenset({"art_2", "art_3"}))
    full = MeterState(window, 2, frozenset({"art_2", "art_3"}))
    others = tuple(HeldGrant("pass", f"article:{n}") for n in range(TEN - 1))
    asked = NoMeter.NOT_ASKED
    cases: list[tuple[str, str, Evidence, MeterSeen]] = [
        ("free", "free", Evidence(), asked),
        ("a subscriber", "subscribers", Evidence((HeldGrant("subscription", "everything"),)), asked),
        ("ten grants", "subscribers", Evidence((*others, HeldGrant("subscription", "everything"))), asked),
        ("metered, with room", "metered", Evidence(), half_full),
        ("metered, used up", "metered", Evidence(), full),
        ("for subscribers alone", "subscribers", Evidence(), asked),
    ]  # fmt: skip
    for name, level, evidence, meter in cases:
        article = ArticleFacts("art_1", level, frozenset(), "News", visible=True)  # type: ignore[arg-type]
        took = []
        for _ in range(max(rounds, 3)):
            began = time.process_time()
            for _ in range(AT_ONCE * 25):
                decide(article, evidence, meter, now)
            took.append((time.process_time() - began) / (AT_ONCE * 25))
        say(f"decide, {name}: {median(took) * 1e6:.2f} µs")


async def unlocks(plain: Paywall, loaded: Paywall, rounds: int, say: Say) -> None:
    """Unlocking again what was read: with ten grants, then where ten rules and an experiment hold, beside a plain
    one. `plain` and `loaded` are two applications, so that rounds of both alternate.
    """
    usual = await _reading(plain, [])
    one, other = await _alternating(usual, await _reading(plain, _grants(plain)), rounds)
    say(f"unlock again, ten grants ÷ plain: {other / one:.3f} ({one * 1e6:.0f} µs)")
    newsroom = _newsroom(loaded)
    await _rules(newsroom)
    one, other = await _alternating(usual, await _reading(loaded, []), rounds)
    say(f"unlock again, ten rules ÷ plain: {other / one:.3f}")
    await _experiment(newsroom, loaded.clocks.business())
    one, other = await _alternating(usual, await _reading(loaded, _grants(loaded)), rounds)
    say(f"unlock again, ten grants, ten rules and an experiment ÷ plain: {other / one:.3f}")


def _grants(paywall: Paywall) -> tuple[GrantFacts, ...]:
    since = paywall.clocks.business() - timedelta(days=1)
    return tuple(
        GrantFacts(f"grt_{n}", "pass", f"pi_{n}", f"article:{n}", since, None) for n in range(TEN)
    )


async def _reading(paywall: Paywall, held: Sequence[GrantFacts]) -> Read:
    """Unlocks an article that the device has read, by a caller with these grants."""
    await paywall.publish("plain")
    unlocking = paywall.app.running.get(Unlocking)
    async with paywall.database.reading() as session:
        article = await get_article(session, "plain")
    assert article is not None
    caller = Caller(
        device_id=new_device_id(paywall.clocks.wall()), holds_cookie=True, takes_part=True
    )
    request, touch = ReadRequest(article, caller, None, held), Touch()
    await unlocking.unlock(request, touch)
    return lambda: unlocking.unlock(request, touch)


async def _alternating(one: Read, other: Read, rounds: int) -> tuple[float, float]:
    """Medians of both, in rounds of either order."""
    random, ones, others = repeatable(7), list[float](), list[float]()
    for _ in range(rounds):
        pairs = [(one, ones), (other, others)]
        random.shuffle(pairs)
        for doing, took in pairs:
            took.append(await _once(doing))
    return median(ones), median(others)


async def _once(doing: Read) -> float:
    began = time.process_time()
    for _ in range(AT_ONCE):
        await doing()
    return (time.process_time() - began) / AT_ONCE


def over_http(make: Callable[[str], str], given: Given, say: Say) -> None:
    """The last of these over HTTP: re-reads by a signed-in reader, of two services in turn."""
    with serving(make("SQLite")) as plain, serving(make("SQLite")) as loaded:
        asyncio.run(_load(loaded[0]))
        ones, others = list[Figures](), list[Figures]()
        sides = [
            (port_of(settings), leader, _again(Readers(settings), scopes), figures)
            for (settings, leader), scopes, figures in (
                (plain, [], ones), (loaded, [f"article:{n}" for n in range(TEN)], others),
            )
        ]  # fmt: skip
        for _ in range(given.rounds):
            for port, leader, request, figures in sides:
                figures.append(
                    load(
                        port, leader, [request],
                        seconds=given.seconds, connections=given.connections,
                    )
                )  # fmt: skip
    rate = median(one.rate / other.rate for one, other in zip(ones, others, strict=True))
    cpu = median(other.cpu / one.cpu for one, other in zip(ones, others, strict=True))
    say(
        "unlock with ten grants, ten rules, an experiment ÷ the plain one, over HTTP: "
        f"{cpu:.3f} by CPU, {rate:.3f} by time"
    )


def _again(readers: Readers, scopes: Sequence[str]) -> Request:
    """What a reader with these grants sends, who has read the article, and takes part in experiments."""
    headers = (*readers.signed_in("pass", scopes), (HEADER, PURPOSE))
    request = Request("POST", UNLOCK, headers, "{}")
    for _ in "ab":
        assert readers.send(request).json()["reason"] == "meter"
    return request


async def _load(settings: Settings) -> None:
    """Rules and an experiment for a service that runs."""
    clocks, database = Clocks(), Database(settings.database_url)
    async with database.transaction() as session:
        key = await create_api_key(session, label="bench", scopes=sorted(SCOPES), now=clocks.wall())
    await database.dispose()
    staff = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        base_url=settings.public_url, headers=staff, timeout=PATIENCE
    ) as newsroom:
        await _rules(newsroom)
        await _experiment(newsroom, clocks.business())


def _newsroom(paywall: Paywall) -> httpx2.AsyncClient:
    newsroom = paywall.new_client()
    newsroom.headers.update(paywall.staff)
    return newsroom


async def _rules(newsroom: httpx2.AsyncClient) -> None:
    rules: dict[str, Any] = (await newsroom.get("/v1/admin/rules")).json()["rules"]
    rules["levels"]["tags"] = [{"name": f"tag {n}", "level": "free"} for n in range(TEN)]
    rules["prompts"] = [
        {"name": f"prompt {n}", "title": "Read on", "sections": [f"Section {n}"]}
        for n in range(TEN)
    ]
    saved = await newsroom.put("/v1/admin/rules", json=rules)
    assert saved.status_code == 200, saved.text


async def _experiment(newsroom: httpx2.AsyncClient, now: datetime) -> None:
    limits = {"anonymous": 3, "registered": 5}
    plan = {
        "slug": "bench", "question": "What does it cost?", "subject": "limit", "goal": "paid", "size": 1000,
        "ends_at": (now + timedelta(days=30)).isoformat(),
        "variants": [{"name": "usual", "share": 50}, {"name": "other", "share": 50, "limits": limits}],
    }  # fmt: skip
    at = f"{EXPERIMENTS}/bench"
    planned = await newsroom.put(at, json=plan)
    assert planned.status_code == 200, planned.text
    started = await newsroom.post(f"{at}/start")
    assert started.status_code == 204, started.text
