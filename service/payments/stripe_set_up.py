"""Setting up the account at Stripe: the catalogue, the customer portal, the webhook endpoint."""

from collections.abc import Collection, Mapping
from typing import Any

from service.payments import stripe_objects
from service.payments.gateway import GatewayRefused
from service.payments.set_up import (
    StripeAccount,
    StripePortalConfiguration,
    StripePrice,
    StripeWebhookEndpoint,
)
from service.payments.stripe_connection import API_VERSION, StripeConnection

_PUBLICATION = "paywall_publication"
"""The member of an object's metadata that tells whose it is, where publications share an account."""


class StripeSetUp(StripeConnection):
    """Implements `SetUpGateway`."""

    async def ensure_product(self, product_id: str, name: str) -> None:
        try:
            await self._ask(self._client.v1.products.create_async({"id": product_id, "name": name}))
        except GatewayRefused as error:
            if error.code != "resource_already_exists":
                raise

    async def find_price(self, lookup_key: str) -> StripePrice | None:
        found = await self._ask(
            self._client.v1.prices.list_async({"lookup_keys": [lookup_key], "limit": 1})
        )
        return stripe_objects.price_of(found["data"][0]) if found["data"] else None

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
        params: Any = {
            "product": product_id,
            "lookup_key": lookup_key,
            "unit_amount": amount,
            "currency": currency.lower(),
        }
        if interval is not None:
            params["recurring"] = {"interval": interval, "interval_count": interval_count}
        created = await self._ask(
            self._client.v1.prices.create_async(params, {"idempotency_key": f"price-{lookup_key}"})
        )
        return stripe_objects.price_of(created)

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
        params: Any = {
            "id": coupon_id,
            "name": name,
            "amount_off": amount_off,
            "applies_to": {"products": [product_id]},
            "currency": currency.lower(),
            "duration": "once" if months is None else "repeating",
        }
        if months is not None:
            params["duration_in_months"] = months
        try:
            await self._ask(self._client.v1.coupons.create_async(params))
        except GatewayRefused as error:
            if error.code != "resource_already_exists":
                raise

    async def retrieve_price(self, price_id: str) -> StripePrice | None:
        try:
            found = await self._ask(self._client.v1.prices.retrieve_async(price_id))
        except GatewayRefused as error:
            if error.is_missing:
                return None
            raise
        return stripe_objects.price_of(found)

    async def account(self) -> StripeAccount:
        return stripe_objects.account_of(
            await self._ask(self._client.v1.accounts.retrieve_current_async())
        )

    async def portal_configuration(self, publication: str) -> StripePortalConfiguration | None:
        listing = self._client.v1.billing_portal.configurations.list_async
        # Stripe shows the products of a configuration only where they are asked for.
        shown = "data.features.subscription_update.products"
        async for document in self._pages(listing, {"active": True, "expand": [shown]}):
            if (document.get("metadata") or {}).get(_PUBLICATION) == publication:
                return stripe_objects.portal_configuration_of(document)
        return None

    async def save_portal_configuration(
        self, publication: str, *, features: Mapping[str, Any], configuration_id: str | None
    ) -> StripePortalConfiguration:
        configurations = self._client.v1.billing_portal.configurations
        params: Any = {"features": features, "metadata": {_PUBLICATION: publication}}
        call = (
            configurations.create_async(params)
            if configuration_id is None
            else configurations.update_async(configuration_id, params)
        )
        return stripe_objects.portal_configuration_of(await self._ask(call))

    async def webhook_endpoints(self) -> tuple[StripeWebhookEndpoint, ...]:
        found = await self._all(self._client.v1.webhook_endpoints.list_async, {})
        return tuple(
            stripe_objects.webhook_endpoint_of(document, API_VERSION) for document in found
        )

    async def create_webhook_endpoint(
        self, url: str, events: Collection[str]
    ) -> StripeWebhookEndpoint:
        params: Any = {
            "url": url,
            "enabled_events": sorted(events),
            "api_version": API_VERSION,
        }
        created = await self._ask(self._client.v1.webhook_endpoints.create_async(params))
        return stripe_objects.webhook_endpoint_of(created, API_VERSION)

    async def update_webhook_endpoint(
        self, endpoint_id: str, events: Collection[str]
    ) -> StripeWebhookEndpoint:
        params: Any = {"enabled_events": sorted(events), "disabled": False}
        changed = await self._ask(
            self._client.v1.webhook_endpoints.update_async(endpoint_id, params)
        )
        return stripe_objects.webhook_endpoint_of(changed, API_VERSION)
