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


async def test_few_questions_are_open_at_a_time(clocks: MovingClocks) -> None:
    names = FakeNames({}, {})
    names.silent = asyncio.Event()
    confirmed = ConfirmedNames(names, clocks)
    addresses: list[IpAddress] = [ip_address(f"192.0.2.{each}") for each in range(AT_ONCE)]
    waiting = [
        asyncio.create_task(confirmed.is_in(each, DOMAINS)) for each in (*addresses, *addresses)
    ]
    await names.all_asked(AT_ONCE)
    assert not await confirmed.is_in(GOOGLE, DOMAINS), "at once, without asking"
    names.silent.set()
    assert await asyncio.gather(*waiting) == [False] * 2 * AT_ONCE
    assert names.asked == AT_ONCE
