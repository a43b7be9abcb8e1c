"""Networks of institutions: what is refused, and which one an address is in. Pure."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_interface,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

WIDEST = {4: 12, 6: 28}
"""The shortest prefix of an institution's network: what is wider is a provider's, or a country's."""
_MAPPED_BITS = 96
_NOBODYS = tuple(
    ip_network(each)
    for each in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "0.0.0.0/8", "224.0.0.0/3", "fc00::/7", "fe80::/10", "ff00::/8", "::/127",
    )
)  # fmt: skip


def checked_network(text: str) -> str:
    """The network as it is stored. ValueError says in a sentence what is wrong with it."""
    try:
        given = ip_interface(text.strip())
    except ValueError:
        raise ValueError(
            f"{text} is no network. Write it as 192.0.2.0/24 or 2001:db8::/32."
        ) from None
    network, shown = given.network, text.strip()
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        inner = f"{network.network_address.ipv4_mapped}/{max(0, network.prefixlen - _MAPPED_BITS)}"
        raise ValueError(f"{shown} is IPv4 written as IPv6. Write {inner}.")
    if given.ip != network.network_address:
        raise ValueError(f"{shown} is an address in a network. The network is {network}.")
    if network.prefixlen < WIDEST[network.version]:
        raise ValueError(
            f"{shown} is too wide: an institution's network has at least /{WIDEST[network.version]}."
        )
    if any(network.version == each.version and network.overlaps(each) for each in _NOBODYS):
        raise ValueError(f"{shown} isn't a public network: readers never come from it.")
    return str(network)


def is_in(address: Address | None, networks: Iterable[str]) -> bool:
    """Whether the address is in one of the stored networks."""
    return address is not None and any(address in ip_network(each) for each in networks)
