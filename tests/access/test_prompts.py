"""Prompts: which words a wall has for whom, in the place of the usual ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.rules.rules import Audience, LevelRule, LevelRules, Prompt, Rules, WallName
from tests.access.test_one_reading import verified_reader
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall
from tests.reports import rows

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LEVELS = LevelRules(LevelRule("metered"))


def prompt(name: str = "p", **fields: Any) -> Prompt:
    return Prompt(name, "Headline", "Text", **fields)


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, True),
        ({"is_draft": True}, False),
        ({"audiences": frozenset({"lapsed"})}, True),
        ({"audiences": frozenset({"anonymous", "registered"})}, False),
        ({"walls": frozenset({"subscribe"})}, True),
        ({"walls": frozenset({"register"})}, False),
        ({"sections": frozenset({"Sport"})}, True),
        ({"sections": frozenset({"sport"})}, False),
        ({"starts_at": NOW}, True),
        ({"starts_at": NOW + timedelta(microseconds=1)}, False),
        ({"ends_at": NOW}, False),
        ({"starts_at": NOW - DAY, "ends_at": NOW + DAY}, True),
    ],
)
def test_a_prompt_is_for_whom_it_says(fields: dict[str, Any], fits: bool) -> None:
    assert prompt(**fields).fits("lapsed", "subscribe", "Sport", NOW) is fits


def test_the_first_that_fits_is_shown() -> None:
    draft, second, third = prompt("a", is_draft=True), prompt("b"), prompt("c")
    rules = Rules(LEVELS, (draft, second, third))
    assert rules.prompt_for("anonymous", "subscribe", None, NOW) == second
    none: tuple[Audience, WallName] = ("anonymous", "register")
    assert Rules(LEVELS, (draft,)).prompt_for(*none, None, NOW) is None


async def put(paywall: Paywall, *prompts: dict[str, Any]) -> None:
    rules = (await paywall.client.get("/v1/admin/rules", headers=paywall.staff)).json()["rules"]
    body = {**rules, "prompts": [{"text": "", **each} for each in prompts]}
    answer = await paywall.client.put("/v1/admin/rules", json=body, headers=paywall.staff)
    assert answer.status_code == 200, answer.text


async def wall(paywall: Paywall) -> dict[str, Any]:
    answer = await paywall.unlock("closed")
    assert (answer.status_code, CANARY in answer.text) == (402, False)
    shown: dict[str, Any] = answer.json()["wall"]
    return shown


@on_sqlite
async def test_each_reader_meets_their_own_words(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
    usual = (await wall(paywall))["title"]
    audiences = ("anonymous", "registered", "lapsed", "past_due", "subscribed")
    await put(
        paywall,
        *({"name": each, "title": f"For {each}", "audiences": [each]} for each in audiences),
    )
    assert (await wall(paywall))["title"] == "For anonymous"
    for status, title in [
        (None, "For registered"), ("canceled", "For lapsed"), ("past_due", "For past_due"),
        ("unpaid", "For past_due"), ("active", "For subscribed"), ("incomplete", "For registered"),
    ]:  # fmt: skip
        reader_id = await verified_reader(paywall)
        if status is not None:
            offer = rows.offer(plan="silver")
            reader = rows.reader(email=None)
            reader.id = reader_id
            bought = rows.subscription(reader, offer, status=status)
            async with paywall.database.transaction() as session:
                session.add(offer)
                await session.flush()
                session.add(bought)
        assert (await wall(paywall))["title"] == title, status
    await put(paywall)
    paywall.client.cookies.clear()
    assert (await wall(paywall))["title"] == usual


@on_sqlite
async def test_a_prompt_begins_and_ends_by_itself(paywall: Paywall) -> None:
    await paywall.publish("closed", access={"level": "subscribers"}, section="Sport")
    now = paywall.clocks.business()
    usual = (await wall(paywall))["title"]
    begins, ends = now + timedelta(minutes=1), now + timedelta(minutes=2)
    await put(
        paywall,
        {"name": "p", "title": "Now", "starts_at": begins.isoformat(), "ends_at": ends.isoformat()},
    )
    titles = []
    for _ in range(3):
        titles.append((await wall(paywall))["title"])
        paywall.clocks.travel(timedelta(minutes=1))
    assert titles == [usual, "Now", usual]
