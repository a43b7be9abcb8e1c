"""Institutions: what is refused, who is a member, and when that ends."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from service.account import address
from service.account.address import change_by_operator
from service.account.merge import merge
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Grant, Reader
from service.grants import institutions
from service.grants.domains import checked_domain, domain_of
from service.grants.institutions import end_institution, facts_of, find_institution, terms_of
from service.grants.networks import checked_network, is_in
from service.grants.places import InstitutionNetworks
from service.grants.store import live_grants_of
from service.identity.email import email_key
from service.identity.meanwhile import etag_of
from service.problems import Problem
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.interleaving import amid

ADDRESS = "/v1/admin/institutions"
LIBRARY = {"name": "City Library", "plan": "digital"}

REFUSED_NETWORKS = [
    ("abc", "is no network"), ("", "is no network"), ("2001:db8::%1/32", "is no network"),
    ("2001:db8::1%eth0", "is no network"), ("192.0.2.0/33", "is no network"),
    ("192.0.2.7/24", "The network is 192.0.2.0/24."), ("2001:db8::1/32", "The network is 2001:db8::/32."),
    ("0.0.0.0/0", "too wide"), ("::/0", "too wide"), ("16.0.0.0/8", "too wide"), ("2000::/3", "too wide"),
    ("::ffff:192.0.2.0/120", "Write 192.0.2.0/24."), ("::ffff:0:0/96", "IPv4 written as IPv6"),
    ("10.0.0.0/16", "isn't a public network"), ("127.0.0.1", "isn't a public network"),
    ("fe80::/64", "isn't a public network"), ("fc00::/32", "isn't a public network"),
    ("64:ff9b::/96", "isn't a public network"), ("64:ff9b::c000:200/120", "isn't a public network"),
    ("::ffff:0:0:0/96", "isn't a public network"), ("::ffff:0:c000:200/120", "isn't a public network"),
    ("2001::/32", "isn't a public network"), ("::c000:200/120", "isn't a public network"),
    ("224.0.0.0/16", "isn't a public network"), ("100.64.0.0/16", "isn't a public network"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), REFUSED_NETWORKS)
def test_a_network_that_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        checked_network(text)
    assert told in str(refused.value)
    assert str(refused.value).endswith(".")


def test_networks_that_are_taken() -> None:
    taken = [
        checked_network(each)
        for each in ("192.0.2.0/24", " 198.51.100.7 ", "2001:DB8::/32", "2001:db8::1")
    ]
    assert taken == ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "2001:db8::1/128"]
    assert is_in(ip_address("192.0.2.255"), taken)
    assert is_in(ip_address("2001:db8:ffff::"), taken)
    assert not is_in(ip_address("192.0.3.0"), taken)
    assert not is_in(None, taken)


@pytest.mark.parametrize(
    "text", ["", "com", "a b.example", "-x.example", "gmail.com", "@GMAIL.com", "x..y", "1.2.3.4"]
)
def test_a_domain_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\."):
        checked_domain(text)


def test_domains_that_are_taken() -> None:
    given = ("@Uni.Example", "universität.example", "Straße.example", "Universität.example")
    taken = [checked_domain(each) for each in given]
    umlaut = "xn--universitt-y5a.example"
    assert taken == ["uni.example", umlaut, "xn--strae-oqa.example", umlaut]
    assert taken[2] == domain_of(email_key("ana@straße.example") or ""), "as readers' addresses"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    behind = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    async with inside(database, behind, clocks) as made:
        await made.publish("premium", access={"level": "subscribers"})
        yield made


async def put(paywall: Paywall, **fields: Any) -> httpx2.Response:
    return await paywall.client.put(
        f"{ADDRESS}/city-library", json={**LIBRARY, **fields}, headers=paywall.staff
    )


async def confirmed(paywall: Paywall, address: str) -> str:
    reader_id = await paywall.sign_in()
    async with paywall.database.transaction() as session:
        await session.execute(
            update(Reader).where(Reader.id == reader_id).values(
                email=address, email_key=address, verified_key=address,
                email_verified_at=paywall.clocks.business(),
            )
        )  # fmt: skip
    return reader_id


async def live_grants(paywall: Paywall, reader_id: str) -> list[str]:
    async with paywall.database.reading() as session:
        found = await live_grants_of(session, reader_id, paywall.clocks.business())
        return [each.scope for each in found]


async def reason(paywall: Paywall) -> Any:
    return (await paywall.unlock("premium")).json()["reason"]


async def test_readers_at_a_domain_read_until_the_contract_ends(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await confirmed(paywall, "ana@library.example")
    until = clocks.business() + timedelta(days=10)
    first = await put(paywall, domains=["library.example"], ends_at=until.isoformat())
    assert first.status_code == 200, first.text
    assert (
        await put(paywall, domains=["Library.example"], ends_at=until.isoformat())
    ).json() == first.json()
    assert await reason(paywall) == "institution"
    assert (await paywall.full("premium", await paywall.access_token())).status_code == 200
    clocks.travel(timedelta(days=10))
    assert await reason(paywall) == "subscribers_only"


async def test_a_domain_that_is_taken_out_and_a_contract_that_is_ended(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await confirmed(paywall, "ana@library.example")
    await put(paywall, domains=["library.example"])
    clocks.travel(timedelta(minutes=1))
    await put(paywall, domains=["other.example"])
    assert await reason(paywall) == "subscribers_only"
    clocks.travel(timedelta(minutes=1))
    await put(paywall, domains=["library.example"])
    assert await reason(paywall) == "institution"
    clocks.travel(timedelta(minutes=1))
    ended = await paywall.client.delete(f"{ADDRESS}/city-library", headers=paywall.staff)
    again = await paywall.client.delete(f"{ADDRESS}/city-library", headers=paywall.staff)
    assert ended.json() == again.json()
    assert await reason(paywall) == "subscribers_only"


async def test_the_end_reaches_every_grant_of_a_reader_who_was_merged(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await put(paywall, networks=["192.0.2.0/24"])
    account_id = await confirmed(paywall, "ana@elsewhere.example")

    async def join() -> None:
        headers = {"X-Forwarded-For": "192.0.2.9"}
        assert (await paywall.client.post("/v1/me/institution", headers=headers)).status_code == 200

    await join()
    for _ in range(2):
        former_id = await paywall.sign_in()
        await join()
        async with paywall.database.transaction() as session:
            former = await session.get_one(Reader, former_id)
            await merge(session, former, await session.get_one(Reader, account_id), clocks)

    async def ends() -> list[datetime | None]:
        async with paywall.database.reading() as session:
            found = await session.scalars(
                select(Grant.ends_at).where(Grant.reader_id == account_id)
            )
            return list(found)

    until = clocks.business() + timedelta(days=9)
    await put(paywall, networks=["192.0.2.0/24"], ends_at=until.isoformat())
    assert await ends() == [until] * 3
    clocks.travel(timedelta(minutes=1))
    await paywall.client.delete(f"{ADDRESS}/city-library", headers=paywall.staff)
    assert await ends() == [clocks.business()] * 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_an_end_is_refused_for_what_somebody_changed_before_it_had_the_lock(
    paywall: Paywall,
) -> None:
    await put(paywall)
    context = Context(paywall.settings, paywall.clocks, paywall.database)
    async with paywall.database.transaction() as session:
        seen = etag_of(facts_of(terms_of(await find_institution(session, "city-library"))))
        await put(paywall, name="Library of the City")
        with pytest.raises(Problem) as refused:
            await end_institution(session, context, "city-library", actor="key:1", seen=seen)
    assert (refused.value.slug, refused.value.members["changed"]) == (
        "changed-meanwhile",
        ["name"],
    )


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_contract_that_is_ended_while_somebody_becomes_a_member_opens_nothing(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(paywall, domains=["library.example"])
    reader_id = await confirmed(paywall, "ana@elsewhere.example")

    async def end() -> None:
        answer = await paywall.client.delete(f"{ADDRESS}/city-library", headers=paywall.staff)
        assert answer.status_code == 200

    begun = amid(monkeypatch, institutions, "_give", paywall.database, end)
    context = Context(paywall.settings, paywall.clocks, paywall.database)
    await change_by_operator(
        context, reader_id=reader_id, email="ana@library.example", actor="tests"
    )
    await begun[0]
    assert await live_grants(paywall, reader_id) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_contract_that_is_ended_while_somebody_joins_opens_nothing(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(paywall, networks=["192.0.2.0/24"])
    reader_id = await paywall.sign_in()

    async def end() -> None:
        answer = await paywall.client.delete(f"{ADDRESS}/city-library", headers=paywall.staff)
        assert answer.status_code == 200

    begun = amid(monkeypatch, institutions, "_give", paywall.database, end)
    headers = {"X-Forwarded-For": "192.0.2.9"}
    assert (await paywall.client.post("/v1/me/institution", headers=headers)).status_code == 200
    await begun[0]
    assert await live_grants(paywall, reader_id) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("first", ["the reader", "the contract"])
async def test_who_confirms_an_address_while_its_domain_is_agreed_is_a_member(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    reader_id = await confirmed(paywall, "ana@elsewhere.example")
    context = Context(paywall.settings, paywall.clocks, paywall.database)

    async def confirm() -> None:
        await change_by_operator(
            context, reader_id=reader_id, email="ana@library.example", actor="tests"
        )

    async def agree() -> None:
        assert (await put(paywall, domains=["library.example"])).status_code == 200

    if first == "the reader":
        begun = amid(monkeypatch, address, "end_sessions_of", paywall.database, agree)
        await confirm()
    else:
        begun = amid(monkeypatch, institutions, "record", paywall.database, confirm)
        await agree()
    await begun[0]
    assert await live_grants(paywall, reader_id) == ["plan:digital"]


async def test_members_for_whom_nothing_changes_are_not_written(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    agreed = {"domains": ["library.example"], "networks": ["192.0.2.0/24"]}
    await confirmed(paywall, "ana@library.example")
    await put(paywall, **agreed)
    await paywall.sign_in()
    await paywall.client.post("/v1/me/institution", headers={"X-Forwarded-For": "192.0.2.9"})
    before = clocks.business()
    clocks.travel(timedelta(minutes=1))
    await put(paywall, name="Library of the City", **agreed)
    async with paywall.database.reading() as session:
        assert set(await session.scalars(select(Grant.updated_at))) == {before}
    await put(paywall, plan="daily", **agreed)
    async with paywall.database.reading() as session:
        assert set(await session.scalars(select(Grant.scope))) == {"plan:daily"}


async def test_an_address_that_is_changed_takes_access_along_or_leaves_it(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await put(paywall, domains=["library.example"])
    reader_id = await confirmed(paywall, "ana@elsewhere.example")
    assert await reason(paywall) == "subscribers_only"
    context = Context(paywall.settings, clocks, paywall.database)
    clocks.travel(timedelta(minutes=1))
    await change_by_operator(
        context, reader_id=reader_id, email="ana@library.example", actor="tests"
    )

    async def live() -> list[str]:
        query = {"reader": reader_id, "article": "premium"}
        told = await paywall.client.get("/v1/admin/explain", params=query, headers=paywall.staff)
        return [step["saw"] for step in told.json()["trail"] if step["rule"] == "grant"]

    assert "institution plan:digital" in (await live())[0]
    clocks.travel(timedelta(minutes=1))
    await change_by_operator(context, reader_id=reader_id, email="ana@x.example", actor="tests")
    assert (await live())[0].startswith("no grant is held")


async def test_a_reader_joins_from_the_network_for_thirty_days(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    await put(paywall, networks=["192.0.2.0/24", "2001:db8::/32"])
    await paywall.sign_in()

    async def join(forwarded: str) -> httpx2.Response:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        return await paywall.client.post("/v1/me/institution", headers=headers)

    for outside in ("", "198.51.100.1", "192.0.2.9, 198.51.100.1", "abc", "2001:db9::1"):
        assert (await join(outside)).status_code == 404, outside
    joined = await join("192.0.2.9")
    assert joined.json() == {"institution": "City Library", "until": "2026-04-09T09:00:00Z"}
    assert await reason(paywall) == "institution"
    clocks.travel(timedelta(days=29))
    assert (await join("2001:db8::7")).json()["until"] == "2026-05-08T09:00:00Z"
    clocks.travel(timedelta(days=30))
    assert await reason(paywall) == "subscribers_only"


@on_sqlite
async def test_an_address_that_is_only_claimed_is_not_believed(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with inside(database, settings, clocks) as paywall:
        await put(paywall, networks=["192.0.2.0/24"])
        await paywall.sign_in()
        answer = await paywall.client.post(
            "/v1/me/institution", headers={"X-Forwarded-For": "192.0.2.9"}
        )
        assert answer.status_code == 404
        assert (await paywall.new_client().post("/v1/me/institution")).status_code == 401


@on_sqlite
async def test_the_readers_page(paywall: Paywall) -> None:
    await put(paywall, networks=["192.0.2.0/24"])
    stranger = await paywall.new_client().get("/account/institution")
    assert "Sign in first" in stranger.text
    await paywall.sign_in()
    assert "Join from this network" in (await paywall.client.get("/account/institution")).text
    async with paywall.database.reading() as session:
        await paywall.app.running.get(InstitutionNetworks).refresh(session, paywall.clocks)
    assert 'href="/account/institution"' in (await paywall.client.get("/account")).text
    away = await paywall.client.post("/account/institution")
    assert (away.status_code, "network of an institution" in away.text) == (404, True)
    headers = {"X-Forwarded-For": "192.0.2.9"}
    there = await paywall.client.post("/account/institution", headers=headers)
    assert "access through City Library until 9 April 2026" in there.text


@on_sqlite
async def test_what_makes_no_sense_is_refused(paywall: Paywall) -> None:
    for fields in (
        {"networks": ["0.0.0.0/0"]}, {"networks": ["abc"]}, {"networks": ["192.0.2.1/24"]},
        {"domains": ["gmail.com"]}, {"domains": ["nothing"]}, {"name": ""}, {"plan": "No Plan"},
        {"ends_at": "soon"}, {"other": 1}, {"domains": ["a.example"] * 201},
    ):  # fmt: skip
        assert (await put(paywall, **fields)).status_code == 422, fields
    answer = await paywall.client.get(f"{ADDRESS}/nothing", headers=paywall.staff)
    assert answer.status_code == 404
