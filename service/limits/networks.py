"""Networks that somebody types or loads: what is refused of them. Pure."""

from collections.abc import Mapping
from ipaddress import IPv6Network, ip_interface, ip_network

_MAPPED_BITS = 96
_NOBODYS = tuple(
    ip_network(each)
    for each in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "0.0.0.0/8", "224.0.0.0/3", "fc00::/7", "fe80::/10", "ff00::/8", "::/96",
        "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "::ffff:0:0:0/96",
    )
)  # fmt: skip
"""The last five lead to any IPv4 address: a translator's prefixes (RFC 6052, RFC 8215), Teredo (RFC 4380) and
IPv4-translated addresses (RFC 7915).
"""


def public_network(text: str, *, widest: Mapping[int, int], too_wide: str) -> str:
    """The network as it is stored. ValueError says in a sentence what is wrong with it.

    `widest` is the shortest prefix that is taken, by IP version; `too_wide` says why, with `{bits}` in it.
    """
    shown = text.strip()
    try:
        # The zone of an address, behind its %, names an interface of one machine (RFC 4007).
        given = ip_interface(shown.replace("%", " "))
    except ValueError:
        raise ValueError(
            f"{shown[:80]} is no network. Write it as 192.0.2.0/24 or 2001:db8::/32."
        ) from None
    network = given.network
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        inner = f"{network.network_address.ipv4_mapped}/{max(0, network.prefixlen - _MAPPED_BITS)}"
        raise ValueError(f"{shown} is IPv4 written as IPv6. Write {inner}.")
    if given.ip != network.network_address:
        raise ValueError(f"{shown} is an address in a network. The network is {network}.")
    bits = widest[network.version]
    if network.prefixlen < bits:
        raise ValueError(f"{shown} is too wide: {too_wide.format(bits=bits)}")
    if any(network.version == each.version and network.overlaps(each) for each in _NOBODYS):
        raise ValueError(f"{shown} isn't a public network: nobody comes from it.")
    return str(network)
