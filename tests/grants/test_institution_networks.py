"""Reading from an institution's network without signing in: what opens, for how long, and what is counted."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.access.openings import Openings
from service.db.session import Database
from service.db.tables import Institution
from service.grants.institution_reads import InstitutionReads
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.grants.test_institutions import confirmed
from tests.inside import CANARY, Paywall, inside
from tests.statements import statements

ADDRESS = "/v1/admin/institutions/city-library"
AGREED = {"name": "City Library", "plan": "digital", "networks": ["192.0.2.0/24", "2001:db8::/32"]}
INSIDE = "192.0.2.9"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    behind = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    async with inside(database, behind, clocks) as made:
        await made.publish("premium", access={"level": "subscribers"})
        await made.publish("prints", access={"level": "subscribers", "plans": ["print"]})
        await made.publish("counted", access={"level": "metered"})
        await put(made)
        yield made


async def put(paywall: Paywall, **fields: Any) -> None:
    answer = await paywall.client.put(ADDRESS, json=AGREED | fields, headers=paywall.staff)
    assert answer.status_code == 200, answer.text
    await paywall.app.running.get(Openings).refresh()


async def unlock(
    paywall: Paywall, slug: str = "premium", forwarded: str = INSIDE
) -> httpx2.Response:
    """By somebody without cookies at this address."""
    async with paywall.new_client() as somebody:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        return await somebody.post(f"/v1/articles/{slug}/unlock", headers=headers)


@on_sqlite
@pytest.mark.parametrize(
    ("forwarded", "reason"),
    [
        (INSIDE, "institution"), ("192.0.2.255", "institution"), ("2001:db8::7", "institution"),
        ("::ffff:192.0.2.9", "institution"), ("198.51.100.1, 192.0.2.9", "institution"),
        ("192.0.3.0", "subscribers_only"), ("2001:db9::1", "subscribers_only"),
        ("", "subscribers_only"), ("abc", "subscribers_only"),
        ("192.0.2.9, 198.51.100.1", "subscribers_only"),
    ],
)  # fmt: skip
async def test_who_is_in_the_network(paywall: Paywall, forwarded: str, reason: str) -> None:
    assert (await unlock(paywall, forwarded=forwarded)).json()["reason"] == reason


async def test_a_network_opens_what_the_contract_covers_until_it_ends(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    assert (await unlock(paywall, "prints")).status_code == 402
    opened = (await unlock(paywall, "counted")).json()
    assert (opened["reason"], opened["consumed"], opened["meter"]) == ("institution", False, None)
    await put(paywall, ends_at=(clocks.business() + timedelta(days=10)).isoformat())
    token = (await unlock(paywall)).json()["token"]
    assert CANARY in (await paywall.full("premium", token)).text
    clocks.travel(timedelta(days=10))
    assert (await unlock(paywall)).status_code == 402
    await put(paywall)
    assert (await unlock(paywall)).status_code == 200
    await paywall.client.delete(ADDRESS, headers=paywall.staff)
    await paywall.app.running.get(Openings).refresh()
    assert (await unlock(paywall)).status_code == 402


@on_sqlite
async def test_who_leaves_the_network_meets_the_wall_at_once(paywall: Paywall) -> None:
    for forwarded, status in ((INSIDE, 200), ("198.51.100.1", 402), (INSIDE, 200), ("", 402)):
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        answers = [
            await paywall.client.post("/v1/articles/premium/unlock", headers=headers)
            for _ in range(2)
        ]
        assert [each.status_code for each in answers] == [status] * 2, forwarded


@on_sqlite
async def test_the_page_shows_the_whole_text_to_nobody_but_the_network(paywall: Paywall) -> None:
    async with paywall.new_client() as somebody:
        there = await somebody.get("/articles/premium", headers={"X-Forwarded-For": INSIDE})
        away = await somebody.get("/articles/premium")
        look = await somebody.get(
            "/v1/articles/premium/access", headers={"X-Forwarded-For": INSIDE}
        )
    assert (CANARY in there.text, CANARY in away.text) == (True, False)
    assert there.headers["Cache-Control"] == "private, no-store"
    assert look.json()["reason"] == "institution"


@on_sqlite
async def test_an_address_that_no_proxy_of_ours_names_opens_nothing(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with inside(database, settings, clocks) as paywall:
        await paywall.publish("premium", access={"level": "subscribers"})
        await put(paywall)
        assert (await unlock(paywall)).status_code == 402


async def test_what_the_release_before_this_one_changes_is_seen(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    clocks.travel(timedelta(seconds=1))
    async with paywall.database.transaction() as session:
        row = await session.get_one(Institution, "city-library")
        row.networks, row.updated_at = ["198.51.100.0/24"], clocks.business()
    await paywall.app.running.get(Openings).refresh()
    assert (await unlock(paywall)).status_code == 402
    assert (await unlock(paywall, forwarded="198.51.100.7")).status_code == 200


@on_sqlite
async def test_a_read_from_the_network_asks_the_database_nothing(paywall: Paywall) -> None:
    await unlock(paywall)
    with statements() as seen:
        assert (await unlock(paywall)).status_code == 200
    assert seen == []


async def test_reads_are_counted_by_network_and_domain(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    for _ in range(3):
        await unlock(paywall)
    await unlock(paywall, forwarded="2001:db8::7")
    async with paywall.new_client() as somebody:
        await somebody.get("/articles/premium", headers={"X-Forwarded-For": INSIDE})
    await paywall.app.running.get(InstitutionReads).flush(paywall.database)
    await unlock(paywall)
    await paywall.app.running.get(InstitutionReads).flush(paywall.database)
    answer = await paywall.client.get(f"{ADDRESS}/reads", headers=paywall.staff)
    assert answer.json()["reads"] == 6
    assert [(each["way"], each["name"], each["reads"]) for each in answer.json()["ways"]] == [
        ("network", "192.0.2.0/24", 5), ("network", "2001:db8::/32", 1),
    ]  # fmt: skip
    clocks.travel(timedelta(days=1))
    await confirmed(paywall, "ana@library.example")
    await put(paywall, domains=["library.example"])
    assert (await paywall.unlock("premium")).json()["reason"] == "institution"
    await paywall.app.running.get(InstitutionReads).flush(paywall.database)
    day = {"from": clocks.business().date().isoformat()}
    since = await paywall.client.get(f"{ADDRESS}/reads", params=day, headers=paywall.staff)
    assert since.json()["ways"] == [{"way": "domain", "name": "library.example", "reads": 1}]
    clocks.travel(timedelta(days=30))
    later = await paywall.client.get(f"{ADDRESS}/reads", headers=paywall.staff)
    assert later.json()["ways"] == []
