"""What we need of a payment provider before anything is sold: catalogue, portal, webhook endpoint.

In plain values, as in gateway.py, whose rules for amounts, times and errors hold here too.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class StripePrice:
    """`has_amount`: each interval costs the same; `amount` is 0 for tiers, usage and parts of a cent."""

    id: str
    product_id: str
    amount: int
    currency: str
    interval: str | None
    interval_count: int
    lookup_key: str | None
    active: bool = True
    has_amount: bool = True


@dataclass(frozen=True)
class StripeAccount:
    """`charges_enabled`: whether it can take money, in the mode of our key."""

    id: str
    country: str | None
    charges_enabled: bool


@dataclass(frozen=True)
class StripePortalConfiguration:
    """`features` in Stripe's own words."""

    id: str
    features: Mapping[str, Any]


@dataclass(frozen=True)
class StripeWebhookEndpoint:
    """`secret` is told once, when it is created. `status` is enabled or disabled.

    `speaks_our_version`: what it tells is worded as in the version of the API that we read.
    """

    id: str
    url: str
    status: str
    events: frozenset[str]
    speaks_our_version: bool
    secret: str | None = None


class CatalogueGateway(Protocol):
    """The calls that put what is sold into the account's catalogue."""

    async def ensure_product(self, product_id: str, name: str) -> None:
        """Create the product unless it exists."""

    async def find_price(self, lookup_key: str) -> StripePrice | None: ...

    async def create_price(
        self,
        *,
        product_id: str,
        lookup_key: str,
        amount: int,
        currency: str,
        interval: str | None,
        interval_count: int,
    ) -> StripePrice:
        """A price for each `interval_count` intervals; without `interval` one that is paid once."""

    async def ensure_coupon(
        self,
        coupon_id: str,
        *,
        name: str,
        amount_off: int,
        currency: str,
        months: int | None,
        product_id: str,
    ) -> None:
        """Create the coupon unless it exists, for prices of this product alone.

        It takes off for `months`; None: from the first payment.
        """


class SetUpGateway(CatalogueGateway, Protocol):
    """The calls that set an account up."""

    async def retrieve_price(self, price_id: str) -> StripePrice | None:
        """The price, archived or not; None: there is none, or it is another account's."""

    async def account(self) -> StripeAccount:
        """The account that our key belongs to."""

    async def portal_configuration(self, publication: str) -> StripePortalConfiguration | None:
        """The active portal configuration that carries the publication's name in its metadata."""

    async def save_portal_configuration(
        self, publication: str, *, features: Mapping[str, Any], configuration_id: str | None
    ) -> StripePortalConfiguration:
        """Change the configuration of this id, or make one (None)."""

    async def webhook_endpoints(self) -> tuple[StripeWebhookEndpoint, ...]: ...

    async def create_webhook_endpoint(
        self, url: str, events: Collection[str]
    ) -> StripeWebhookEndpoint:
        """A new endpoint, with its secret, for exactly these events in our version of the API."""

    async def update_webhook_endpoint(
        self, endpoint_id: str, events: Collection[str]
    ) -> StripeWebhookEndpoint:
        """Enable the endpoint, for exactly these events."""
