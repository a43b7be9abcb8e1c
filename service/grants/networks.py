"""Networks of institutions: what is refused, and which one an address is in. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network

from service.limits.networks import public_network

Address = IPv4Address | IPv6Address

WIDEST = {4: 12, 6: 28}
"""The shortest prefix of an institution's network: what is wider is a provider's, or a country's."""


def checked_network(text: str) -> str:
    """The network as it is stored. ValueError says in a sentence what is wrong with it."""
    return public_network(
        text, widest=WIDEST, too_wide="an institution's network has at least /{bits}."
    )


def is_in(address: Address | None, networks: Iterable[str]) -> bool:
    """Whether the address is in one of the stored networks."""
    return address is not None and any(address in ip_network(each) for each in networks)
