"""Where webhooks may go: which addresses of the network, and how a name is looked up.

An operator with endpoints could otherwise let this server call what only it can reach: databases,
admin pages, the metadata of a cloud (server-side request forgery).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends

from service.running import part

if TYPE_CHECKING:
    import httpx

LONGEST_URL = 2000
LAST_PORT = 65_535
IpAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host's name, or an address, and a port to all of its addresses; OSError: there are none."""

# IANA's registries of special-purpose addresses (RFC 6890), and multicast (RFC 5771).
_REFUSED_V4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "168.63.129.16/32",  # public by its number, but the inside of a cloud (Azure)
        ),
    )
)
_GLOBAL_V6 = ip_network("2000::/3")
"""All that is given out for the internet: no loopback, mapped IPv4, NAT64, private, multicast."""
_REFUSED_V6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # Teredo and other protocols' own
            "2001:db8::/32",
            "2002::/16",  # 6to4 holds an IPv4 address
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)


class TargetRefused(Exception):
    """Nothing is sent there; the text is a sentence that says why and what to do."""


def is_public(address: IpAddress) -> bool:
    """Whether it is an address of the internet, and of nothing nearer."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _REFUSED_V6)


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver; what it answers comes in the order in which to try it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True)
class Targets:
    """What may be called. `resolve` is asked anew each time.

    `only_https` is production's; `allow_private` lets webhooks reach this machine and its network.
    """

    only_https: bool
    allow_private: bool
    resolve: Resolve = resolve_host

    def parse(self, url: str) -> "httpx.URL":
        """The URL in parts. TargetRefused: it is none that is called, whatever is behind it."""
        import httpx  # noqa: PLC0415 a start has no URL to look at

        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise TargetRefused("This is no URL. Write one such as https://example.org/hooks.") from error  # fmt: skip
        schemes = ("https",) if self.only_https else ("https", "http")
        # Its `host` would be decoded, which raises where the name only begins as an encoded one.
        if parsed.scheme not in schemes or not parsed.raw_host:
            raise TargetRefused(
                f"Webhooks go to {' and '.join(schemes)} addresses only. Write one such as "
                "https://example.org/hooks."
            )
        if parsed.userinfo:
            raise TargetRefused(
                "The URL holds a name or password. Omit them: the signature proves who sends."
            )
        if parsed.fragment or len(url) > LONGEST_URL or not url.isprintable() or " " in url:
            raise TargetRefused(
                f"Leave #…, blanks and characters that can't be seen away, and keep to {LONGEST_URL} characters."
            )
        if parsed.port is not None and not 0 < parsed.port <= LAST_PORT:
            raise TargetRefused(f"Ports are 1 to {LAST_PORT}. Write one of them, or none.")
        return parsed

    async def addresses_of(self, url: "httpx.URL") -> list[IpAddress]:
        """The addresses to connect to, each one allowed; of none that is called in between.

        TargetRefused where one of them isn't, or there are none.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        host = url.raw_host.decode("ascii").strip("[]")
        try:
            found = [ip_address(each) for each in await self.resolve(host, port)]
        except (OSError, ValueError) as error:
            raise TargetRefused(
                f"The name {host} can't be looked up. Check its spelling."
            ) from error
        if not found:
            raise TargetRefused(f"The name {host} has no address. Check its spelling.")
        if not self.allow_private and not all(map(is_public, found)):
            raise TargetRefused(
                f"{host} is an address of this machine, of its network, or reserved: nothing is sent "
                "there. If it is meant to be, set PAYWALL_WEBHOOKS_ALLOW_PRIVATE_TARGETS=true."
            )
        return found


AppTargets = Annotated[Targets, Depends(part(Targets))]
