"""The local Stripe under test, and the document that judges it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MovingClocks
from tests.simulator.document import StripeDocument, stripe_document
from tests.simulator.local import Host, LocalStripe, hosting, local_stripe


@pytest.fixture(scope="session")
def found_document() -> StripeDocument | None:
    """Stripe's document where it is at hand. Without it answers go unchecked."""
    path = os.environ.get("STRIPE_SPEC", "")
    return stripe_document(path) if Path(path).is_file() else None


@pytest.fixture
def document(found_document: StripeDocument | None) -> StripeDocument:
    if found_document is None:
        pytest.skip("STRIPE_SPEC names no file: set it to the cut OpenAPI document of Stripe")
    return found_document


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


@pytest.fixture
def local(
    host: Host, clocks: MovingClocks, found_document: StripeDocument | None
) -> Iterator[LocalStripe]:
    """A local Stripe in memory, with a receiver that gets every event."""
    with local_stripe(host, clocks, found_document) as running:
        yield running


@pytest.fixture
def quiet(
    host: Host, clocks: MovingClocks, found_document: StripeDocument | None
) -> Iterator[LocalStripe]:
    """As `local`, without webhooks: what it says is asked for, with `said`. That takes half as long."""
    with local_stripe(host, clocks, found_document, targets=()) as running:
        yield running
