"""`paywall stripe setup` against the local Stripe: looks, makes what is missing, and says so."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest

from service.billing.events import HANDLED
from service.billing.stripe_setup import offer_finding, webhook_findings
from service.db.tables import Offer
from service.payments.set_up import StripePrice, StripeWebhookEndpoint
from service.simulator.app import WebhookTarget, create_simulator
from tests.cli.conftest import Paywall
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.served import serving
from tests.stripe_at_hand import gateway_to
from tests.wire import Wire

URL = "https://news.example.org/v1/webhooks/stripe"
OFFER = Offer(
    name="Monthly", plan="digital", kind="subscription", amount=900, currency="EUR",
    interval="month", interval_count=1,
)  # fmt: skip
CREATE = (
    "offers", "create", "--name", "Monthly", "--plan", "digital", "--amount", "9.00",
    "--currency", "EUR", "--interval",
)  # fmt: skip


@pytest.fixture
def stripe() -> Iterator[dict[str, str]]:
    """A local Stripe without any endpoint; the variables that lead to it."""
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    local = create_simulator(database=None, public_url=root, wall_now=lambda: datetime.now(UTC))
    with serving(local, port):
        yield {
            "PAYWALL_STRIPE_API_BASE": root,
            "PAYWALL_STRIPE_SECRET_KEY": "sk_test_local",
            "PAYWALL_PUBLICATION": "gazette",
        }


def _told(stripe: dict[str, str], path: str) -> list[dict[str, object]]:
    """What is at the local Stripe."""
    answer = httpx2.get(
        f"{stripe['PAYWALL_STRIPE_API_BASE']}{path}", auth=("sk_test_local", ""), timeout=PATIENCE
    )
    found: list[dict[str, object]] = answer.json()["data"]
    return found


@on_sqlite
def test_an_account_is_set_up_once(paywall: Paywall, stripe: dict[str, str]) -> None:
    for interval in ("month", "year"):
        assert paywall(*CREATE, interval).code == 0
    before = paywall("stripe", "setup", "--check", **stripe)
    assert before.code == 1
    assert (
        before.out.count("MISSING") == 5
    )  # two prices, the portal and that of seats, the endpoint
    for path in ("/v1/products", "/v1/prices", "/v1/webhook_endpoints"):
        assert _told(stripe, path) == [], "a check changes nothing"

    first = paywall("stripe", "setup", **stripe)
    secret = first.out.rpartition("PAYWALL_STRIPE_WEBHOOK_SECRET=")[2].strip()
    assert secret.startswith("whsec_")
    (endpoint,) = _told(stripe, "/v1/webhook_endpoints")
    assert set(endpoint["enabled_events"]) == set(HANDLED)  # type: ignore[call-overload]
    assert len(_told(stripe, "/v1/prices")) == 2

    stripe["PAYWALL_STRIPE_WEBHOOK_SECRET"] = secret
    for arguments in (("--check",), (), ("--check",)):
        again = paywall("stripe", "setup", *arguments, **stripe)
        assert (again.code, again.err) == (0, "")
        assert "MISSING" not in again.out
        assert "DIFFERS" not in again.out
        assert secret not in again.out
    assert len(_told(stripe, "/v1/webhook_endpoints")) == 1
    assert len(_told(stripe, "/v1/prices")) == 2

    assert paywall(*CREATE, "week").code == 0
    grown = paywall("stripe", "setup", "--check", **stripe)
    assert (grown.code, grown.out.count("MISSING")) == (1, 1)
    assert paywall("stripe", "setup", **stripe).code == 0


@on_sqlite
def test_without_a_key_or_a_stripe_it_says_what_to_do(paywall: Paywall) -> None:
    none = paywall("stripe", "setup")
    assert none.code == 1
    assert "docs/stripe.md" in none.err
    away = paywall(
        "stripe", "setup", PAYWALL_STRIPE_SECRET_KEY="sk_test_x",
        PAYWALL_STRIPE_API_BASE=f"http://127.0.0.1:{free_port()}",
    )  # fmt: skip
    assert away.code == 1
    assert "run the same command again later" in away.err


def price(**fields: object) -> StripePrice:
    values: dict[str, object] = {
        "id": "price_1", "product_id": "p", "amount": 900, "currency": "eur", "interval": "month",
        "interval_count": 1, "lookup_key": None, **fields,
    }  # fmt: skip
    return StripePrice(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (None, "missing"),
        (price(), "ready"),
        (price(active=False), "differs"),
        (price(amount=901), "differs"),
        (price(currency="usd"), "differs"),
        (price(interval="year"), "differs"),
        (price(interval=None), "differs"),
        (price(interval_count=3), "differs"),
    ],
)
def test_an_offer_and_its_price(found: StripePrice | None, state: str) -> None:
    assert offer_finding(OFFER, found).state == state


ALL = frozenset(HANDLED)


@pytest.mark.parametrize(
    ("url", "status", "events", "secret", "states"),
    [
        (URL, "enabled", ALL, True, ["ready"]),
        (URL, "enabled", ALL, False, ["ready", "missing"]),
        ("https://other.example.org/hook", "enabled", ALL, True, ["missing"]),
        (URL, "disabled", ALL, True, ["differs"]),
        (URL, "enabled", ALL - {"invoice.paid"}, True, ["differs"]),
        (URL, "enabled", ALL | {"charge.captured"}, True, ["differs"]),
        (URL, "enabled", frozenset({"*"}), True, ["differs"]),
    ],
)
def test_an_endpoint(
    url: str, status: str, events: frozenset[str], *, secret: bool, states: list[str]
) -> None:
    endpoint = StripeWebhookEndpoint("we_1", url, status, events, speaks_our_version=True)
    found = list(webhook_findings([endpoint], URL, has_secret=secret))
    assert [each.state for each in found] == states
    assert all(each.advice for each in found if each.state != "ready")
    (other, *_) = webhook_findings(
        [replace(endpoint, speaks_our_version=False)], url, has_secret=secret
    )
    assert (other.state, "delete it" in other.advice) == ("differs", True)


async def test_the_endpoint_that_a_local_stripe_begins_with_needs_no_setup(
    clocks: MovingClocks,
) -> None:
    local = create_simulator(
        database=None, public_url="https://stripe.example", wall_now=clocks.wall,
        endpoints=(WebhookTarget(URL, "whsec_local", events=tuple(HANDLED)),),
    )  # fmt: skip
    gateway = gateway_to("https://stripe.example", http=Wire(local.world))
    found = webhook_findings(await gateway.webhook_endpoints(), URL, has_secret=True)
    assert [each.state for each in found] == ["ready"]
