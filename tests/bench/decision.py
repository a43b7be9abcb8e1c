"""The decision by itself, and unlocking with more to decide on beside a plain one: CPU time of one process."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from statistics import median
from typing import Any

from service.access.decision import ArticleFacts, Evidence, HeldGrant, MeterSeen, NoMeter, decide
from service.access.read import ReadRequest
from service.access.unlock import Unlocking
from service.content.store import get_article
from service.grants.grants import GrantFacts
from service.identity.callers import Caller
from service.identity.devices import new_device_id
from service.identity.touches import Touch
from service.levels import Span
from service.metering.window import MeterState, window_at
from tests.bench.ratios import repeatable
from tests.inside import Paywall

AT_ONCE, TEN = 200, 10
EXPERIMENTS = "/v1/admin/experiments"
Say = Callable[[str], None]
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
    await _rules(loaded)
    one, other = await _alternating(usual, await _reading(loaded, []), rounds)
    say(f"unlock again, ten rules ÷ plain: {other / one:.3f}")
    await _experiment(loaded)
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


async def _rules(paywall: Paywall) -> None:
    rules: dict[str, Any] = (
        await paywall.client.get("/v1/admin/rules", headers=paywall.staff)
    ).json()["rules"]
    rules["levels"]["tags"] = [{"name": f"tag {n}", "level": "free"} for n in range(TEN)]
    rules["prompts"] = [
        {"name": f"prompt {n}", "title": "Read on", "sections": [f"Section {n}"]}
        for n in range(TEN)
    ]
    saved = await paywall.client.put("/v1/admin/rules", json=rules, headers=paywall.staff)
    assert saved.status_code == 200, saved.text


async def _experiment(paywall: Paywall) -> None:
    limits = {"anonymous": 3, "registered": 5}
    plan = {
        "slug": "bench", "question": "What does it cost?", "subject": "limit", "goal": "paid", "size": 1000,
        "ends_at": (paywall.clocks.business() + timedelta(days=30)).isoformat(),
        "variants": [{"name": "usual", "share": 50}, {"name": "other", "share": 50, "limits": limits}],
    }  # fmt: skip
    at = f"{EXPERIMENTS}/bench"
    planned = await paywall.client.put(at, json=plan, headers=paywall.staff)
    assert planned.status_code == 200, planned.text
    started = await paywall.client.post(f"{at}/start", headers=paywall.staff)
    assert started.status_code == 204, started.text
