"""Networks compiled for looking an address up: a few comparisons, however many networks there are. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefixes(Generic[T]):
    """What belongs to networks, such as contracts; several networks may hold one address."""

    def __init__(self, entries: Iterable[tuple[str, T]] = ()) -> None:
        """`entries` are networks as CIDR, IPv4 or IPv6, each with what belongs to it."""
        held: dict[tuple[int, int], dict[int, list[T]]] = defaultdict(lambda: defaultdict(list))
        for text, what in entries:
            network = ip_network(text)
            shift = network.max_prefixlen - network.prefixlen
            held[network.version, shift][int(network.network_address) >> shift].append(what)
        # The narrowest network first.
        self._tables = {
            version: tuple(
                (shift, {key: tuple(found) for key, found in table.items()})
                for (of, shift), table in sorted(held.items(), key=lambda each: each[0])
                if of == version
            )
            for version in (4, 6)
        }

    def __bool__(self) -> bool:
        return any(self._tables.values())

    def at(self, address: IPv4Address | IPv6Address | None) -> tuple[T, ...]:
        """What belongs to the networks that hold the address, the narrowest network's first."""
        if address is None:
            return ()
        number = int(address)
        found: tuple[T, ...] = ()
        for shift, table in self._tables[address.version]:
            found += table.get(number >> shift, ())
        return found
