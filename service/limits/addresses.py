"""Where a call comes from: an address to count by, never to keep.

The peer's own address is believed. `X-Forwarded-For` is believed only as far as trusted proxies
wrote it, so it is read from the right: each of them appends whom it was called by, and whatever
is further left came with the call and may be invented. The header `Forwarded` is not read:
two headers that could say different things would be a way around either.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from hmac import digest
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from starlette.requests import HTTPConnection

from service.clock import Clocks
from service.running import running_of
from service.settings import Settings

IpAddress = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network
log = structlog.get_logger()

_HEADER = "x-forwarded-for"
_KEPT = "paywall.origin"
"""Where a request's scope has what was worked out; it goes with the request."""
_MOST_HOPS = 32
"""No installation has more proxies in a row; what is further left isn't looked at."""
_MAPPED_BITS = 96
_NETWORK_BITS = {4: 24, 6: 48}
"""What one household or firm is given at most: a single host in it has many addresses."""
_WITH_PORT = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class NetworkKey:
    """What networks are named with; `secret` is 32 bytes for this purpose alone."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class _Origin:
    """The furthest hop that can be believed; `silent`: a trusted one that named nobody."""

    address: IpAddress | None
    silent: bool


def client_address(connection: HTTPConnection, settings: Settings) -> IpAddress | None:
    """The caller's address: the peer's, or what trusted proxies say of whom they were called by.

    IPv4 in IPv6 is answered as IPv4, without a zone. Where an entry of the header can't be read, the
    proxy that wrote it stands for its caller. None: the transport has no addresses.
    """
    return _origin(connection, settings).address


def is_listed_frontend(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether a trusted proxy or frontend calls for readers whose addresses it doesn't tell.

    One that tells them is judged by the reader's.
    """
    return _origin(connection, settings).silent


def comes_from(connection: HTTPConnection, networks: tuple[str, ...], settings: Settings) -> bool:
    """Whether the caller's address is in one of the networks.

    Never where a proxy that isn't listed says that it calls for somebody else.
    """
    origin = _origin(connection, settings)
    peer = _read(connection.client.host) if connection.client else None
    is_forwarded = _HEADER in connection.headers
    if is_forwarded and (peer is None or not _is_trusted(peer, settings.trusted_proxies)):
        return False
    return origin.address is not None and _is_trusted(origin.address, networks)


def said_by_proxy(connection: HTTPConnection, header: str, settings: Settings) -> str:
    """What the trusted proxy that calls says in this header of its own; empty: nothing, or several
    things, or somebody else calls.
    """
    peer = _read(connection.client.host) if connection.client else None
    said = connection.headers.getlist(header)
    is_believed = peer is not None and _is_trusted(peer, settings.trusted_proxies)
    return said[0] if is_believed and len(said) == 1 else ""


def client_network(connection: HTTPConnection, settings: Settings, clocks: Clocks) -> str:
    """A name of today's for the caller's network (/24, IPv6: /48), from which nobody gets it back.

    A keyed hash that differs from day to day (UTC), so that what is kept can't be joined over days.
    """
    address = client_address(connection, settings)
    return network_name(address, running_of(connection).get(NetworkKey), clocks.wall())


def network_name(address: IpAddress | None, key: NetworkKey, now: datetime) -> str:
    """HMAC-SHA256 of day and network in hexadecimal."""
    network = "unknown"
    if address is not None:
        network = str(ip_network((address, _NETWORK_BITS[address.version]), strict=False))
    days_key = _days_key(key.secret, now.astimezone(UTC).date())
    return digest(days_key, network.encode(), "sha256").hex()


@lru_cache(maxsize=2)
def _days_key(secret: bytes, day: date) -> bytes:
    return digest(secret, day.isoformat().encode(), "sha256")


def _origin(connection: HTTPConnection, settings: Settings) -> _Origin:
    """Worked out once a request: a read asks for its address, its network, and whether that counts."""
    kept: _Origin | None = connection.scope.get(_KEPT)
    if kept is None:
        kept = connection.scope[_KEPT] = _believed(connection, settings)
    return kept


def _believed(connection: HTTPConnection, settings: Settings) -> _Origin:
    hop = _read(connection.client.host) if connection.client else None
    if hop is None or not _is_trusted(hop, settings.trusted_proxies):
        if hop is not None and hop.is_private and _HEADER in connection.headers:
            _tell_of_unlisted_proxy()
        return _Origin(hop, silent=False)
    for entry in _entries(connection):
        said = _read(entry)
        if said is None:
            return _Origin(hop, silent=False)
        hop = said
        if not _is_trusted(hop, settings.trusted_proxies):
            return _Origin(hop, silent=False)
    return _Origin(hop, silent=True)


@lru_cache(maxsize=1)
def _tell_of_unlisted_proxy() -> None:
    """Once a process: until it is listed, the readers behind it are limited as one."""
    log.warning(
        "proxy.unlisted",
        advice="There seems to be a proxy before the service: list it in PAYWALL_TRUSTED_PROXIES. "
        "Until then all readers that come by it are one network, and are limited as one.",
    )


def _entries(connection: HTTPConnection) -> Iterator[str]:
    """The entries of all lines of the header, the nearest hop's first."""
    # Several lines are one list in their order (RFC 9110, 5.3); empty elements say nothing.
    said = ",".join(connection.headers.getlist(_HEADER)).rsplit(",", _MOST_HOPS)
    return (entry.strip() for entry in reversed(said[-_MOST_HOPS:]) if entry.strip())


def _read(text: str) -> IpAddress | None:
    """An address as proxies write it: in brackets, with a port or a zone; None: it is none."""
    with_port = _WITH_PORT.fullmatch(text.strip('"'))
    if with_port is not None:
        text = with_port.group(1) or with_port.group(2)
    address = None
    with suppress(ValueError):
        address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_trusted(address: IpAddress, listed: tuple[str, ...]) -> bool:
    return any(address in network for network in _networks(listed))


@lru_cache(maxsize=8)
def _networks(listed: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(_unmapped(network) for network in listed)


def _unmapped(text: str) -> _Network:
    network = ip_network(text)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        return ip_network((mapped, network.prefixlen - _MAPPED_BITS))
    return network
