"""Stripe's form encoding, as the SDK writes it and as nobody should."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.simulator.protocol.errors import StripeError
from service.simulator.protocol.forms import Params, decode

NAMES = st.text("abcdefgh_", min_size=1, max_size=6)
TEXTS = st.text(max_size=8)
VALUES = st.recursive(
    TEXTS,
    lambda inner: (
        st.dictionaries(NAMES, inner, min_size=1, max_size=3)
        | st.lists(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=3), min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def _encoded(values: dict[str, Any]) -> str:
    pairs = stripe._encode._api_encode(values)
    return urlencode([(key, value) for key, value in pairs if value is not None])


# How long Hypothesis takes to make them up on a busy machine is no finding.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_the_sdk_encodes_is_read_back(values: dict[str, Any]) -> None:
    assert decode(_encoded(values)) == values


@given(st.text("ab[]0=&%2é", max_size=30))
def test_nonsense_is_refused_or_read_but_never_fatal(encoded: str) -> None:
    with suppress(StripeError):
        params = Params(decode(encoded))
        for name in params:
            for reader in (params.text, params.integer, params.boolean, params.address):
                with suppress(StripeError):
                    reader(name)
            for many in (params.rows, params.texts, params.group):
                with suppress(StripeError):
                    many(name)


@pytest.mark.parametrize(
    ("encoded", "values"),
    [
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[0][b]=1&a[1][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("metadata[7]=x", {"metadata": {"7": "x"}}),
        ("a=", {"a": ""}),
        ("a%5Bb%5D=1+2", {"a": {"b": "1 2"}}),
    ],
)
def test_the_forms_of_lists_and_groups(encoded: str, values: dict[str, Any]) -> None:
    assert decode(encoded) == values
