"""Whose address is believed, and what is kept of it."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from starlette.requests import HTTPConnection
from structlog.testing import capture_logs

from service.limits.addresses import (
    NetworkKey,
    _tell_of_unlisted_proxy,
    client_address,
    is_listed_frontend,
    network_name,
    said_by_proxy,
)
from service.settings import Settings

KEY = NetworkKey(b"k" * 32)
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
TRUSTED = ("10.0.0.0/8", "2001:db8:ff::/48", "192.0.2.80")
PROXY, READER = "10.1.2.3", "203.0.113.7"


def call(peer: str | None, *lines: str) -> HTTPConnection:
    """A call from `peer` with these lines of X-Forwarded-For."""
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]
    headers += [(b"forwarded", b"for=198.51.100.1"), (b"x-real-ip", b"198.51.100.2")]
    client = (peer, 50_000) if peer is not None else None
    return HTTPConnection({"type": "http", "headers": headers, "client": client})


def settings_trusting(*proxies: str) -> Settings:
    return Settings(_env_file=None, trusted_proxies=proxies)


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        pytest.param(READER, [], READER, id="the peer itself"),
        pytest.param(READER, ["198.51.100.9"], READER, id="a reader's own header"),
        pytest.param("192.0.2.81", ["198.51.100.9"], "192.0.2.81", id="a proxy that isn't listed"),
        pytest.param("192.0.2.80", [READER], READER, id="a single listed address"),
        pytest.param(PROXY, [READER], READER, id="behind a proxy"),
        pytest.param(PROXY, [f"198.51.100.9, {READER}"], READER, id="an invented entry left of it"),
        pytest.param(PROXY, [f"{PROXY}, {READER}"], READER, id="an invented proxy left of it"),
        pytest.param(PROXY, [f"{READER}, 10.9.9.9"], READER, id="behind two proxies"),
        pytest.param(PROXY, [f"{READER},10.9.9.9 ,\t192.0.2.80"], READER, id="behind three"),
        pytest.param(PROXY, ["198.51.100.9", READER], READER, id="several lines"),
        pytest.param(PROXY, [READER, "10.9.9.9"], READER, id="several lines, two proxies"),
        pytest.param(PROXY, [f", {READER}, ,"], READER, id="empty entries"),
        pytest.param(
            PROXY, [", ".join(["198.51.100.9"] * 999 + [READER])], READER, id="1000 entries"
        ),
        pytest.param(
            PROXY, [", ".join([READER] + ["10.9.9.9"] * 999)], "10.9.9.9", id="1000 proxies"
        ),
        pytest.param(PROXY, ["198.51.100.9"] * 999 + [READER], READER, id="1000 lines"),
        pytest.param(PROXY, [], PROXY, id="a frontend that tells nobody's"),
        pytest.param(PROXY, [""], PROXY, id="an empty line"),
        pytest.param(PROXY, ["10.9.9.9"], "10.9.9.9", id="such a one behind a proxy"),
        pytest.param(PROXY, [f"{READER}:4711"], READER, id="with a port"),
        pytest.param(PROXY, [f'"{READER}"'], READER, id="quoted"),
        pytest.param(PROXY, ["2001:db8::7"], "2001:db8::7", id="IPv6"),
        pytest.param(PROXY, ["[2001:db8::7]"], "2001:db8::7", id="in brackets"),
        pytest.param(PROXY, ["[2001:db8::7]:4711"], "2001:db8::7", id="in brackets, with a port"),
        pytest.param(PROXY, ["2001:DB8:0:0:0:0:0:7"], "2001:db8::7", id="spelled out"),
        pytest.param(PROXY, ["fe80::7%eth0"], "fe80::7", id="with a zone"),
        pytest.param(PROXY, [f"::ffff:{READER}"], READER, id="IPv4 in IPv6"),
        pytest.param(f"::ffff:{PROXY}", [READER], READER, id="the proxy's IPv4 in IPv6"),
        pytest.param("2001:db8:ff::1", [READER], READER, id="a proxy with IPv6"),
        pytest.param("2001:db8:fe::1", [READER], "2001:db8:fe::1", id="its neighbour"),
        pytest.param("fe80::1%eth0", [], "fe80::1", id="a peer with a zone"),
        pytest.param(PROXY, ["unknown"], PROXY, id="unknown"),
        pytest.param(PROXY, ["_hidden"], PROXY, id="obfuscated"),
        pytest.param(PROXY, [f"{READER}, localhost"], PROXY, id="a name"),
        pytest.param(PROXY, [f"{READER}, , not an address"], PROXY, id="words"),
        pytest.param(PROXY, [f"{READER}, 203.0.113.256"], PROXY, id="no octet"),
        pytest.param(PROXY, [f"{READER}, 203.0.113.07"], PROXY, id="a leading zero"),
        pytest.param(PROXY, [f"{READER}, 0x7f000001"], PROXY, id="hexadecimal"),
        pytest.param(PROXY, [f"{READER}, 3405803783"], PROXY, id="one number"),
        pytest.param(PROXY, [f"{READER}, 10.0.0.0/8"], PROXY, id="a network"),
        pytest.param(PROXY, [f"{READER}, [2001:db8::7"], PROXY, id="an open bracket"),
        pytest.param(PROXY, [f"{READER}, 203.0.113.9:port"], PROXY, id="a port in letters"),
        pytest.param(PROXY, [f"{READER}, \xb2.0.0.1"], PROXY, id="other digits"),
        pytest.param(PROXY, [f"{READER}, {'9' * 5000}"], PROXY, id="5000 digits"),
        pytest.param(PROXY, [f"{READER}, junk, 10.9.9.9"], "10.9.9.9", id="junk behind two"),
        pytest.param(None, [READER], None, id="a transport without addresses"),
        pytest.param("testclient", [READER], None, id="a peer that is no address"),
    ],
)
def test_the_address_that_is_believed(
    peer: str | None, lines: list[str], expected: str | None
) -> None:
    found = client_address(call(peer, *lines), settings_trusting(*TRUSTED))
    assert found == (ip_address(expected) if expected else None)


def test_without_a_list_no_header_counts() -> None:
    for peer in (PROXY, "127.0.0.1", "::1"):
        assert str(client_address(call(peer, READER), settings_trusting())) == peer


def test_a_network_listed_as_ipv4_in_ipv6() -> None:
    settings = settings_trusting("::ffff:10.0.0.0/104")
    assert str(client_address(call(PROXY, READER), settings)) == READER
    assert str(client_address(call("11.0.0.1", READER), settings)) == "11.0.0.1"


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        pytest.param(PROXY, [], True, id="tells nobody's address"),
        pytest.param(PROXY, [" ,"], True, id="an empty header"),
        pytest.param(PROXY, ["10.9.9.9"], True, id="through another proxy"),
        pytest.param(PROXY, [READER], False, id="tells the reader's"),
        pytest.param(PROXY, ["unknown"], False, id="tells something that can't be read"),
        pytest.param(READER, [], False, id="a reader"),
        pytest.param(READER, [PROXY], False, id="a reader who names a frontend"),
        pytest.param(None, [], False, id="nobody"),
    ],
)
def test_which_frontends_are_exempt(peer: str | None, lines: list[str], expected: bool) -> None:
    assert is_listed_frontend(call(peer, *lines), settings_trusting(*TRUSTED)) is expected


@pytest.mark.parametrize(
    ("peer", "lines", "told"),
    [
        pytest.param("172.17.0.1", [READER], 1, id="a proxy that was forgotten"),
        pytest.param("172.17.0.1", [], 0, id="a machine nearby"),
        pytest.param("9.9.9.9", [READER], 0, id="a reader who invents a header"),
        pytest.param(PROXY, [READER], 0, id="a listed proxy"),
    ],
)
def test_a_proxy_that_seems_forgotten_is_told_of_once(
    peer: str, lines: list[str], told: int
) -> None:
    _tell_of_unlisted_proxy.cache_clear()
    with capture_logs() as logged:
        for _ in range(3):
            client_address(call(peer, *lines), settings_trusting(*TRUSTED))
    assert [entry["event"] for entry in logged] == ["proxy.unlisted"] * told
    assert READER not in str(logged)
    assert peer not in str(logged)


def name(address: str, after: timedelta = timedelta(0), key: NetworkKey = KEY) -> str:
    return network_name(ip_address(address), key, NOW + after)


def test_a_network_has_one_name_a_day() -> None:
    assert name("203.0.113.7") == name("203.0.113.255") != name("203.0.114.7")
    assert name("2001:db8:1::1") == name("2001:db8:1:ffff::9") != name("2001:db8:2::1")
    assert name("127.0.0.1") == name("127.0.0.2") != name("::1")
    assert name("203.0.113.7") == name("203.0.113.7", timedelta(hours=14.9))
    assert name("203.0.113.7") != name("203.0.113.7", timedelta(hours=15))


def test_nothing_of_the_address_is_in_the_name() -> None:
    made = name("203.0.113.7")
    assert len(made) == 64
    assert made != name("203.0.113.7", key=NetworkKey(b"l" * 32))
    assert made != network_name(None, KEY, NOW)


@pytest.mark.parametrize(
    ("peer", "said", "believed"),
    [
        pytest.param(PROXY, ["PT"], "PT", id="a trusted proxy"),
        pytest.param(PROXY, [], "", id="which says nothing"),
        pytest.param(PROXY, ["PT", "CH"], "", id="which hands on the reader's own one too"),
        pytest.param(READER, ["PT"], "", id="the reader"),
        pytest.param("192.0.2.81", ["PT"], "", id="a proxy that isn't listed"),
        pytest.param(None, ["PT"], "", id="a transport without addresses"),
    ],
)
def test_a_header_is_believed_from_trusted_proxies_alone(
    peer: str | None, said: list[str], believed: str
) -> None:
    client = (peer, 50_000) if peer is not None else None
    headers = [(b"cf-ipcountry", each.encode()) for each in said]
    connection = HTTPConnection({"type": "http", "headers": headers, "client": client})
    assert said_by_proxy(connection, "CF-IPCountry", settings_trusting(*TRUSTED)) == believed


def test_where_a_request_comes_from_is_worked_out_once() -> None:
    connection, settings = call(PROXY, READER), settings_trusting(*TRUSTED)
    assert client_address(connection, settings) == ip_address(READER)
    connection.scope["headers"] = []
    again = HTTPConnection(connection.scope)
    assert client_address(again, settings) == ip_address(READER)
    assert not is_listed_frontend(again, settings)
