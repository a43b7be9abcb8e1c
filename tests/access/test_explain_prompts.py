"""Explain names the words that unlock answers, at a wall and beside an article, for every kind of reader."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_args

import pytest

from service.access.openings import Openings
from service.db.session import Database
from service.db.tables import GiftLink, GiftOpening
from service.grants.grants import Source
from service.identity.devices import DeviceKey, new_device_id, pseudonym
from service.rules.prompts import Audience, Place
from service.settings import Settings
from tests.access.explanations import explained, inside_with_few, instant
from tests.access.test_one_reading import verified_reader
from tests.access.test_prompts import put
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.reports import rows

DAY = timedelta(days=1)
SLUGS = ("closed", "open", "counted", "last", "more")
NETWORK = "192.0.2.0/24"


@dataclass(frozen=True)
class Case:
    """Somebody in a browser; `subscription` are the fields of the one they have or had, `held` is a grant's source."""

    audience: Audience
    is_signed_in: bool = True
    subscription: dict[str, Any] = field(default_factory=dict)
    held: Source | None = None
    came_by_gift: bool = False
    in_network: bool = False


CASES = {
    "anonymous": Case("anonymous", is_signed_in=False),
    "registered": Case("registered"),
    "lapsed": Case("lapsed", subscription={"status": "canceled"}),
    "trial used": Case(
        "trial_used",
        subscription={"status": "canceled", "trial_end": rows.NOW - DAY, "ended_at": rows.NOW - DAY},
    ),
    "past due": Case("past_due", subscription={"status": "past_due"}, held="subscription"),
    "subscribed": Case("subscribed", subscription={"status": "active"}, held="subscription"),
    "gift reader": Case("gift", is_signed_in=False, came_by_gift=True),
    "gift reader who registered": Case("gift", came_by_gift=True),
    "institution by address": Case("institution", held="institution"),
    "institution by network": Case("institution", is_signed_in=False, in_network=True),
    "seat": Case("seat", held="seat"),
    "comp": Case("other_access", held="comp"),
}  # fmt: skip


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    behind = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    async with inside_with_few(database, behind, clocks) as made:
        await made.publish("closed", access={"level": "subscribers", "plans": ["gold"]})
        await made.publish("open", access={"level": "free"})
        for slug in SLUGS[2:]:
            await made.publish(slug, access={"level": "metered"})
        contract = {"name": "Library", "plan": "silver", "networks": [NETWORK]}
        agreed = await made.client.put(
            "/v1/admin/institutions/library", json=contract, headers=made.staff
        )
        assert agreed.status_code == 200, agreed.text
        await made.app.running.get(Openings).refresh()
        await put(
            made,
            *(
                {
                    "name": f"{place} of {audience}",
                    "title": f"{place} of {audience}",
                    "place": place,
                    "audiences": [audience],
                    **({"left_at_most": 0} if place == "countdown" else {}),
                }
                for place in get_args(Place)
                for audience in get_args(Audience)
            ),
        )
        yield made


async def arrive(paywall: Paywall, case: Case) -> tuple[str, dict[str, str]]:
    """By what explain knows who reads, and the headers that their browser sends."""
    now = paywall.clocks.business()
    device = new_device_id(now)
    headers = {"Paywall-Device": paywall.app.running.get(DeviceKey).sign(device)}
    who = pseudonym(device)
    if case.in_network:
        headers["X-Forwarded-For"] = "192.0.2.9"
    kept: list[Any] = []
    if case.came_by_gift:
        link = GiftLink(
            id=f"gft_{who}", reader_id="rdr_1", article_id="art_1", month=now, most_readers=5, readers=1,
            created_at=now, ends_at=now + DAY,
        )  # fmt: skip
        kept += [link, GiftOpening(link_id=link.id, device_id=who, opened_at=now)]
    if case.is_signed_in:
        reader = rows.reader(email=None)
        who = reader.id = await verified_reader(paywall)
        # Which browser is a reader's, the ledger has.
        await paywall.unlock("open", **headers)
        await paywall.ledger()
        if case.subscription:
            offer = rows.offer(plan="silver")
            kept += [offer, rows.subscription(reader, offer, **case.subscription)]
        if case.held is not None:
            kept.append(rows.grant(reader, source=case.held, scope="plan:silver"))
    async with paywall.database.transaction() as session:
        for each in kept:
            session.add(each)
            await session.flush()
    return who, headers


@on_sqlite
async def test_explain_names_the_words_that_unlock_answers(paywall: Paywall) -> None:
    for name, case in CASES.items():
        met = await words_met(paywall, name, case)
        assert {f"{place} of {case.audience}" for place in ("wall", "notice")} <= met, name
        counts = case.held is None and not case.in_network
        assert (f"countdown of {case.audience}" in met) is counts, name
        paywall.client.cookies.clear()


async def words_met(paywall: Paywall, name: str, case: Case) -> set[str]:
    """The titles that reading each article answered, once explain has named the same before and after."""
    who, headers = await arrive(paywall, case)
    met = set()
    for slug in SLUGS:
        foretold = await explained(paywall, who, slug)
        answer = (await paywall.unlock(slug, **headers)).json()
        await paywall.ledger()
        read_at = paywall.clocks.business()
        paywall.clocks.travel(timedelta(minutes=1))
        wall, notice = answer.get("wall"), answer.get("notice")
        served = (wall or notice or {"title": None})["title"]
        kind = wall and wall["kind"]
        if not case.in_network:  # Of a network explain knows once it was read there.
            said = foretold["said"]
            assert (foretold["wall"], said["prompt"]) == (kind, served), (name, slug)
            assert said["audience"] == case.audience, (name, slug)
        later = await explained(paywall, who, slug, at=instant(read_at))
        assert later["said"] is None
        for told in (await explained(paywall, who, slug), later):
            row = told["recorded"]
            recorded = (row["wall"], row["prompt"], row["reason"])
            assert recorded == (kind, served, answer["reason"]), (name, slug)
        met.add(served or "")
    return met
