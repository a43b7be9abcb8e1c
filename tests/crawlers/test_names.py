"""Forward-confirmed reverse DNS: what is believed, remembered, and not waited for."""

import asyncio
import socket
from datetime import timedelta
from ipaddress import ip_address

import pytest

from service.crawlers.known import KNOWN
from service.crawlers.names import AT_ONCE, ConfirmedNames
from service.limits.addresses import IpAddress
from tests.conftest import MovingClocks
from tests.crawlers.fake_names import FakeNames
from tests.patience import PATIENCE

GOOGLE = ip_address("192.0.2.10")
DOMAINS = ("googlebot.com",)


async def test_a_name_counts_that_leads_back(clocks: MovingClocks) -> None:
    cases = {
        "crawl-1.googlebot.com": True, "Crawl-1.GoogleBot.com.": True, "googlebot.com": True,
        "googlebot.com.evil.example": False, "evilgooglebot.com": False, "reader.example": False,
    }  # fmt: skip
    for name, believed in cases.items():
        names = FakeNames({GOOGLE: (name,)}, {name: (GOOGLE,)})
        assert await ConfirmedNames(names, clocks).is_in(GOOGLE, DOMAINS) is believed, name
    forged = FakeNames(
        {GOOGLE: ("crawl-1.googlebot.com",)},
        {"crawl-1.googlebot.com": (ip_address("192.0.2.11"),)},
    )
    assert not await ConfirmedNames(forged, clocks).is_in(GOOGLE, DOMAINS)
    assert not await ConfirmedNames(FakeNames({}, {}), clocks).is_in(GOOGLE, DOMAINS)


async def test_an_answer_is_remembered_for_a_day_and_none_for_an_hour(clocks: MovingClocks) -> None:
    names = FakeNames({}, {})
    confirmed = ConfirmedNames(names, clocks)
    await confirmed.is_in(GOOGLE, DOMAINS)
    names.known[GOOGLE] = ("a.googlebot.com",)
    names.addresses_of["a.googlebot.com"] = (GOOGLE,)
    assert not await confirmed.is_in(GOOGLE, DOMAINS)
    clocks.travel(timedelta(hours=1))
    assert await confirmed.is_in(GOOGLE, DOMAINS)
    names.known.clear()
    clocks.travel(timedelta(hours=23))
    assert await confirmed.is_in(GOOGLE, DOMAINS)
    clocks.travel(timedelta(hours=1))
    assert not await confirmed.is_in(GOOGLE, DOMAINS)
    assert names.asked == 3


async def test_a_name_server_that_does_not_answer_holds_nobody_up(clocks: MovingClocks) -> None:
    names = FakeNames({}, {})
    names.silent = asyncio.Event()
    confirmed = ConfirmedNames(names, clocks, patience=0.01)
    assert not await confirmed.is_in(GOOGLE, DOMAINS)


@pytest.mark.parametrize(
    "failure",
    [
        socket.gaierror(socket.EAI_AGAIN, "try again"), socket.herror(2, "lookup failure"),
        TimeoutError(), ConnectionRefusedError(),
    ],
    ids=repr,
)  # fmt: skip
async def test_no_answer_is_forgotten_in_a_minute_and_takes_no_confirmation_away(
    clocks: MovingClocks, failure: OSError
) -> None:
    names = FakeNames({GOOGLE: ("a.googlebot.com",)}, {"a.googlebot.com": (GOOGLE,)})
    confirmed = ConfirmedNames(names, clocks)
    names.failure = failure
    assert not await confirmed.is_in(GOOGLE, DOMAINS)
    names.failure = None
    assert not await confirmed.is_in(GOOGLE, DOMAINS)
    clocks.travel(timedelta(minutes=1))
    assert await confirmed.is_in(GOOGLE, DOMAINS)
    names.failure = failure
    clocks.travel(timedelta(hours=47))
    assert await confirmed.is_in(GOOGLE, DOMAINS), "a day longer than it is believed"
    clocks.travel(timedelta(hours=1))
    assert not await confirmed.is_in(GOOGLE, DOMAINS)


@pytest.mark.parametrize(
    "failure", [socket.gaierror(socket.EAI_NONAME, "none"), socket.herror(1, "none")], ids=repr
)
async def test_no_such_name_is_an_answer(clocks: MovingClocks, failure: OSError) -> None:
    names = FakeNames({GOOGLE: ("a.googlebot.com",)}, {"a.googlebot.com": (GOOGLE,)})
    confirmed = ConfirmedNames(names, clocks)
    assert await confirmed.is_in(GOOGLE, DOMAINS)
    names.failure = failure
    clocks.travel(timedelta(hours=24))
    assert not await confirmed.is_in(GOOGLE, DOMAINS)
    names.failure = None
    clocks.travel(timedelta(minutes=59))
    assert not await confirmed.is_in(GOOGLE, DOMAINS)


@pytest.mark.parametrize(
    ("crawler", "name", "believed"),
    [
        ("googlebot", "crawl-192-0-2-10.googlebot.com", True),
        ("googlebot", "geo-crawl-192-0-2-10.geo.googlebot.com", True),
        ("googlebot", "google-proxy-192-0-2-10.google.com", False),
        ("googlebot", "rate-limited-proxy-192-0-2-10.google.com", False),
        ("googlebot", "192-0-2-10.gae.googleusercontent.com", False),
        ("bingbot", "msnbot-192-0-2-10.search.msn.com", True),
        ("bingbot", "host.msn.com", False),
        ("applebot", "192-0-2-10.applebot.apple.com", True),
        ("applebot", "relay.apple.com", False),
    ],
)  # fmt: skip
async def test_the_names_that_the_operators_of_crawlers_give_to_them_alone(
    clocks: MovingClocks, crawler: str, name: str, believed: bool
) -> None:
    names = ConfirmedNames(FakeNames({GOOGLE: (name,)}, {name: (GOOGLE,)}), clocks)
    hosts = next(each.hosts for each in KNOWN if each.name == crawler)
    assert await names.is_in(GOOGLE, hosts) is believed


def strangers(count: int) -> list[IpAddress]:
    """Addresses of as many networks."""
    return [ip_address(f"198.18.{each}.7") for each in range(count)]


async def test_few_questions_are_open_at_a_time(clocks: MovingClocks) -> None:
    names = FakeNames({}, {})
    names.silent = asyncio.Event()
    confirmed = ConfirmedNames(names, clocks)
    addresses = strangers(AT_ONCE)
    waiting = [
        asyncio.create_task(confirmed.is_in(each, DOMAINS)) for each in (*addresses, *addresses)
    ]
    await names.all_asked(AT_ONCE)
    assert not await confirmed.is_in(GOOGLE, DOMAINS), "at once, without asking"
    names.silent.set()
    assert await asyncio.gather(*waiting) == [False] * 2 * AT_ONCE
    assert names.asked == AT_ONCE


def google(*more: IpAddress) -> FakeNames:
    """All of these are Google's; the zones of others never answer."""
    names = FakeNames({}, {})
    for each in (GOOGLE, *more):
        name = f"crawl-{each}.googlebot.com"
        names.known[each], names.addresses_of[name] = (name,), (each,)
    names.silent = asyncio.Event()
    return names


async def without_an_answer(confirmed: ConfirmedNames, address: IpAddress) -> bool:
    """Ask for one of a zone that never answers, without a wait."""
    confirmed._patience, usual = 0.0, confirmed._patience
    try:
        return await confirmed.is_in(address, DOMAINS)
    finally:
        confirmed._patience = usual


async def test_a_question_is_open_until_the_resolver_gives_it_up(clocks: MovingClocks) -> None:
    names = google()
    dead = strangers(AT_ONCE)
    names.dead = frozenset(dead)
    confirmed = ConfirmedNames(names, clocks, patience=PATIENCE)
    assert not any([await without_an_answer(confirmed, each) for each in dead])
    assert not await confirmed.is_in(GOOGLE, DOMAINS), "no room: nobody has given up yet"
    assert names.asked == AT_ONCE
    assert names.silent is not None
    names.silent.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await confirmed.is_in(GOOGLE, DOMAINS)


async def test_strangers_of_one_network_hold_one_question_and_wait_longer_each_time(
    clocks: MovingClocks,
) -> None:
    names = google()
    dead = [ip_address(f"198.18.0.{each}") for each in range(8)]
    dead += [ip_address(f"2001:db8:{each}::7") for each in range(8)]
    names.dead = frozenset(dead)
    confirmed = ConfirmedNames(names, clocks, patience=PATIENCE)
    for each in dead:
        assert not await without_an_answer(confirmed, each)
    assert names.asked == 2
    assert await confirmed.is_in(GOOGLE, DOMAINS)
    assert names.silent is not None
    names.silent.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    names.silent.clear()
    asked = []
    for minutes, neighbour in ((1, 2), (1, 3), (1, 4), (3, 5), (1, 6)):
        clocks.travel(timedelta(minutes=minutes))
        before = names.asked
        assert not await without_an_answer(confirmed, dead[neighbour])
        asked.append(names.asked > before)
        names.silent.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        names.silent.clear()
    assert asked == [True, False, True, False, True]


async def test_networks_of_crawlers_have_room_of_their_own(clocks: MovingClocks) -> None:
    neighbour = ip_address("192.0.2.11")
    names = google(neighbour)
    dead = strangers(AT_ONCE)
    names.dead = frozenset(dead)
    confirmed = ConfirmedNames(names, clocks, patience=PATIENCE)
    assert await confirmed.is_in(GOOGLE, DOMAINS)
    for each in dead:
        assert not await without_an_answer(confirmed, each)
    assert await confirmed.is_in(neighbour, DOMAINS)
    elsewhere = ip_address("203.0.113.10")
    names.known[elsewhere] = ("crawl-9.googlebot.com",)
    names.addresses_of["crawl-9.googlebot.com"] = (elsewhere,)
    assert not await confirmed.is_in(elsewhere, DOMAINS)


async def test_an_answer_that_comes_late_counts(clocks: MovingClocks) -> None:
    names = google()
    names.dead = frozenset({GOOGLE})
    confirmed = ConfirmedNames(names, clocks, patience=PATIENCE)
    assert not await without_an_answer(confirmed, GOOGLE)
    assert names.silent is not None
    names.silent.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await confirmed.is_in(GOOGLE, DOMAINS)
    assert names.asked == 1
