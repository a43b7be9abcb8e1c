"""Looking an address up among networks finds what the standard library finds in each."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.limits.prefixes import Prefixes

ADDRESSES = st.ip_addresses()
NETWORKS = st.builds(
    lambda address, bits: str(
        ip_network((address, min(bits, address.max_prefixlen)), strict=False)
    ),
    ADDRESSES,
    st.integers(1, 128),
)


@given(st.lists(NETWORKS, max_size=12), ADDRESSES)
def test_it_finds_each_network_that_holds_the_address(networks: list[str], asked: object) -> None:
    address = ip_address(str(asked))
    near = [*networks, *(f"{address}/{bits}" for bits in (address.max_prefixlen,))]
    found = Prefixes((each, each) for each in near).at(address)
    assert sorted(found) == sorted(each for each in near if address in ip_network(each))


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("192.0.2.0", ("narrow", "wide")), ("192.0.2.255", ("narrow", "wide")),
        ("192.0.3.0", ("wide",)), ("192.1.0.0", ()), ("2001:db8::1", ("six",)), ("2001:db9::", ()),
        ("::c000:200", ()),
    ],
)  # fmt: skip
def test_the_narrowest_comes_first(address: str, found: tuple[str, ...]) -> None:
    held = [("192.0.0.0/16", "wide"), ("192.0.2.0/24", "narrow"), ("2001:db8::/32", "six")]
    assert Prefixes(held).at(ip_address(address)) == found


def test_without_networks_nothing_is_found() -> None:
    assert not Prefixes()
    assert Prefixes([("192.0.2.0/24", 1)])
    assert Prefixes([("192.0.2.0/24", 1)]).at(None) == ()
