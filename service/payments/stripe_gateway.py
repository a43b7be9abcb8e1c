"""The gateway to Stripe: customers, checkout, subscriptions, money and webhooks."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from service.payments import stripe_objects
from service.payments.gateway import (
    CheckoutMode,
    GatewayPermissionMissing,
    GatewayRefused,
    MoneyObject,
    SignatureRefused,
    StripeCard,
    StripeCharge,
    StripeCheckoutSession,
    StripeCustomer,
    StripeCustomerRecord,
    StripeDispute,
    StripeEvent,
    StripeInvoice,
    StripeInvoiceLine,
    StripeRefund,
    StripeSubscription,
)
from service.payments.stripe_books import StripeBooks
from service.payments.stripe_set_up import StripeSetUp

log = structlog.get_logger()

MAX_AGE_SECONDS = 300
"""Stripe's own tolerance for the age of a webhook."""
MAX_AHEAD_SECONDS = 60
"""`construct_event` accepts any future; we allow for clocks that differ a little."""
_MOST_TYPES = 20
_WITH = [
    "default_payment_method", "discounts.source.coupon.applies_to", "discounts.promotion_code",
    "items.data.discounts.promotion_code",
]  # fmt: skip
"""What a retrieved subscription shows whole."""
_WITH_SESSION = ["payment_intent", "total_details.breakdown", "discounts.promotion_code"]
"""The same of a Checkout session."""
_BEGINS_PERIOD = frozenset({"subscription_create", "subscription_cycle"})
"""Why an invoice was made whose period is the running one, where no newer one begins another."""


class StripeGateway(StripeSetUp, StripeBooks):
    """Implements `Gateway` by Stripe's API at `api_base`, or at Stripe itself."""

    async def create_customer(
        self, *, reader_id: str, email: str | None, instead_of: str | None = None
    ) -> StripeCustomer:
        key = f"customer-{reader_id}" + (f"-{instead_of}" if instead_of else "")
        params: Any = {"metadata": {"reader": reader_id}}
        if email is not None:
            params["email"] = email
        created = await self._ask(
            self._client.v1.customers.create_async(params, {"idempotency_key": key})
        )
        return stripe_objects.customer_of(created)

    async def retrieve_customer(self, customer_id: str) -> StripeCustomer:
        return stripe_objects.customer_of(
            await self._ask(self._client.v1.customers.retrieve_async(customer_id))
        )

    async def customer_record(self, customer_id: str) -> StripeCustomerRecord | None:
        try:
            found = await self._ask(self._client.v1.customers.retrieve_async(customer_id))
        except GatewayRefused as error:
            if error.is_missing:
                return None
            raise
        return None if found.get("deleted") else stripe_objects.customer_record_of(found)

    async def change_email(self, customer_id: str, email: str) -> None:
        try:
            await self._ask(self._client.v1.customers.update_async(customer_id, {"email": email}))
        except GatewayRefused as error:
            if not error.is_missing:
                raise

    async def delete_customer(self, customer_id: str) -> None:
        try:
            await self._ask(self._client.v1.customers.delete_async(customer_id))
        except GatewayRefused as error:
            if not error.is_missing:
                raise

    async def subscriptions_of(self, customer_id: str) -> tuple[StripeSubscription, ...]:
        asked: Any = {"customer": customer_id, "status": "all"}
        found = await self._all(self._client.v1.subscriptions.list_async, asked)
        return tuple(stripe_objects.subscription_of(document) for document in found)

    async def cards_of(self, customer_id: str) -> tuple[StripeCard, ...]:
        asked: Any = {"customer": customer_id}
        found = await self._all(self._client.v1.payment_methods.list_async, asked)
        return tuple(stripe_objects.card_of(document) for document in found)

    async def invoices_of(self, customer_id: str) -> tuple[StripeInvoice, ...]:
        found = await self._all(self._client.v1.invoices.list_async, {"customer": customer_id})
        return tuple(stripe_objects.invoice_of(document) for document in found)

    async def find_promotion_code(self, code: str) -> str | None:
        found = await self._ask(
            self._client.v1.promotion_codes.list_async({"code": code, "active": True, "limit": 1})
        )
        return str(found["data"][0]["id"]) if found["data"] else None

    async def create_checkout_session(
        self,
        *,
        checkout_id: str,
        mode: CheckoutMode,
        price_id: str,
        quantity: int,
        trial_days: int,
        customer_id: str | None,
        coupon_id: str | None,
        promotion_code_id: str | None,
        success_url: str,
        cancel_url: str,
        automatic_tax: bool,
        collect_tax_ids: bool,
    ) -> StripeCheckoutSession:
        params: Any = {
            "mode": mode,
            "line_items": [{"price": price_id, "quantity": quantity}],
            "client_reference_id": checkout_id,
            "success_url": success_url,
            "cancel_url": cancel_url,
            **_what_is_bought(mode, checkout_id, trial_days),
            **_discount(coupon_id, promotion_code_id),
        }
        if customer_id is not None:
            params["customer"] = customer_id
        elif mode == "payment":
            # Otherwise Stripe would let a guest pay, and nothing would say whose the next one is.
            params["customer_creation"] = "always"
        params |= _taxes(customer_id, automatic=automatic_tax, collects_ids=collect_tax_ids)
        created = await self._ask(
            self._client.v1.checkout.sessions.create_async(
                params, {"idempotency_key": f"checkout-{checkout_id}-{price_id}"}
            )
        )
        return stripe_objects.checkout_session_of(created)

    async def retrieve_checkout_session(self, session_id: str) -> StripeCheckoutSession:
        return stripe_objects.checkout_session_of(
            await self._ask(
                self._client.v1.checkout.sessions.retrieve_async(
                    session_id, {"expand": _WITH_SESSION}
                )
            )
        )

    async def expire_checkout_session(self, session_id: str) -> StripeCheckoutSession:
        return stripe_objects.checkout_session_of(
            await self._ask(self._client.v1.checkout.sessions.expire_async(session_id))
        )

    async def retrieve_subscription(self, subscription_id: str) -> StripeSubscription:
        document = await self._ask(
            self._client.v1.subscriptions.retrieve_async(subscription_id, {"expand": _WITH})
        )
        # A fifth level isn't expanded: the few coupons of single items are asked for one by one.
        for source in stripe_objects.item_coupons(document):
            source["coupon"] = await self._coupon(source["coupon"])
        return stripe_objects.subscription_of(document)

    async def _coupon(self, coupon_id: str) -> Any:
        """The coupon; its id where it was deleted, and nobody can say what it takes off."""
        try:
            return await self._ask(
                self._client.v1.coupons.retrieve_async(coupon_id, {"expand": ["applies_to"]})
            )
        except GatewayRefused as error:
            if not error.is_missing:
                raise
            log.warning("stripe.deleted_coupon", coupon=coupon_id)
            return coupon_id

    async def charges_of(self, customer_id: str) -> tuple[StripeCharge, ...]:
        found = await self._all(self._client.v1.charges.list_async, {"customer": customer_id})
        return tuple(stripe_objects.charge_of(document) for document in found)

    async def charges_of_payment(self, payment_intent_id: str) -> tuple[StripeCharge, ...]:
        asked = {"payment_intent": payment_intent_id}
        found = await self._all(self._client.v1.charges.list_async, asked)
        return tuple(stripe_objects.charge_of(document) for document in found)

    async def refunds_of(self, charge_id: str) -> tuple[StripeRefund, ...]:
        found = await self._all(self._client.v1.refunds.list_async, {"charge": charge_id})
        return tuple(stripe_objects.refund_of(document) for document in found)

    async def disputes_of(self, charge_id: str) -> tuple[StripeDispute, ...]:
        found = await self._all(self._client.v1.disputes.list_async, {"charge": charge_id})
        return tuple(stripe_objects.dispute_of(document) for document in found)

    async def subscription_of_payment(self, payment_intent_id: str) -> str | None:
        payment: Any = {"type": "payment_intent", "payment_intent": payment_intent_id}
        found = await self._ask(
            self._client.v1.invoice_payments.list_async(
                {"payment": payment, "limit": 1, "expand": ["data.invoice"]}
            )
        )
        return stripe_objects.subscription_of_payment(found["data"][0]) if found["data"] else None

    async def set_quantity(self, item_id: str, quantity: int) -> None:
        params: Any = {"quantity": quantity, "proration_behavior": "none"}
        await self._ask(self._client.v1.subscription_items.update_async(item_id, params))

    async def cancel_subscription(self, subscription_id: str) -> StripeSubscription:
        try:
            await self._ask(self._client.v1.subscriptions.cancel_async(subscription_id))
        except GatewayRefused:
            # One that has ended can't be ended; one that isn't there is refused again below.
            log.info("stripe.cancel_refused", subscription=subscription_id)
        return await self.retrieve_subscription(subscription_id)

    async def refund(
        self,
        *,
        payment_intent_id: str,
        amount: int | None,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> StripeRefund:
        params: Any = {"payment_intent": payment_intent_id, "metadata": dict(metadata)}
        if amount is not None:
            params["amount"] = amount
        created = await self._ask(
            self._client.v1.refunds.create_async(params, {"idempotency_key": idempotency_key})
        )
        return stripe_objects.refund_of(created)

    async def subscriptions(self) -> AsyncIterator[StripeSubscription]:
        asked: Any = {"status": "all"}
        async for document in self._pages(self._client.v1.subscriptions.list_async, asked):
            yield stripe_objects.subscription_of(document)

    async def events(
        self, *, since: datetime, types: Collection[str]
    ) -> AsyncIterator[StripeEvent]:
        asked: Any = {"created": {"gte": int(since.timestamp())}}
        wanted = sorted(types)
        # Stripe takes at most twenty types at a time.
        for start in range(0, len(wanted), _MOST_TYPES):
            asked["types"] = wanted[start : start + _MOST_TYPES]
            async for document in self._pages(self._client.v1.events.list_async, asked):
                yield stripe_objects.event_of(document)

    async def invoices_of_subscription(self, subscription_id: str) -> tuple[StripeInvoice, ...]:
        shown = [
            "data.payments", "data.discounts.source.coupon", "data.discounts.promotion_code",
        ]  # fmt: skip
        asked: Any = {"subscription": subscription_id, "expand": shown}
        found = await self._all(self._client.v1.invoices.list_async, asked)
        for document in found:
            # A list holds the first ten lines of each invoice. Those of the running period are read whole.
            if (document.get("lines") or {}).get("has_more"):
                lines = partial(self._client.v1.invoices.line_items.list_async, document["id"])
                document["lines"] = {"data": await self._all(lines, {})}
            if document.get("billing_reason") in _BEGINS_PERIOD:
                break
        return tuple(stripe_objects.invoice_of(document) for document in found)

    async def next_amount_of(self, subscription_id: str) -> int | None:
        asked: Any = {"subscription": subscription_id}
        try:
            preview = await self._ask(self._client.v1.invoices.create_preview_async(asked))
        except GatewayRefused as error:
            if error.code != "invoice_upcoming_none":
                log.warning("stripe.no_preview", subscription=subscription_id, reason=error.reason)
            return None
        return int(preview["amount_due"])

    async def pending_prorations_of(
        self, customer_id: str, subscription_id: str
    ) -> tuple[StripeInvoiceLine, ...]:
        asked: Any = {"customer": customer_id, "pending": True}
        try:
            found = await self._all(self._client.v1.invoice_items.list_async, asked)
        except GatewayPermissionMissing:
            # Only sales by the seat need them: all others go on with the key that they have.
            log.warning("stripe.no_invoice_items", subscription=subscription_id)
            return ()
        return tuple(stripe_objects.pending_of(subscription_id, reversed(found)))

    async def needs_action(self, payment_intent_id: str) -> bool:
        found = await self._ask(self._client.v1.payment_intents.retrieve_async(payment_intent_id))
        return bool(found["status"] == "requires_action")

    async def payment_of(self, kind: MoneyObject, object_id: str) -> str | None:
        retrieve: Mapping[MoneyObject, Callable[[str], Awaitable[Any]]] = {
            "charge": self._client.v1.charges.retrieve_async,
            "refund": self._client.v1.refunds.retrieve_async,
            "dispute": self._client.v1.disputes.retrieve_async,
        }
        return stripe_objects.payment_of(await self._ask(retrieve[kind](object_id)))

    async def create_portal_session(
        self, *, customer_id: str, return_url: str, configuration_id: str | None
    ) -> str:
        params: Any = {"customer": customer_id, "return_url": return_url}
        if configuration_id is not None:
            params["configuration"] = configuration_id
        created = await self._ask(self._client.v1.billing_portal.sessions.create_async(params))
        return str(created["url"])

    def verify_webhook(self, payload: bytes, signature: str | None, now: datetime) -> StripeEvent:
        # The SDK checks the signature; the age is ours, since it asks its own clock and would
        # accept any time in the future.
        if signature is None or not signature.isascii():
            raise SignatureRefused(
                "unsigned", "The Stripe-Signature header is missing or unreadable."
            )
        if not self._is_signed(payload, signature):
            raise SignatureRefused("signature", "The signature doesn't match the body.")
        age = int(now.timestamp()) - _signed_at(signature)
        if not -MAX_AHEAD_SECONDS <= age <= MAX_AGE_SECONDS:
            when = f"{age} seconds ago" if age >= 0 else f"{-age} seconds in the future"
            raise SignatureRefused("time", f"The webhook was signed {when}.")
        try:
            return stripe_objects.event_of(json.loads(payload))
        except (
            ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError
        ) as error:  # fmt: skip
            raise SignatureRefused("body", "The body isn't an event.") from error


def _what_is_bought(mode: CheckoutMode, checkout_id: str, trial_days: int) -> dict[str, Any]:
    """The checkout's name on the session and on what comes of it, and the trial."""
    metadata = {"checkout": checkout_id}
    if mode == "payment":
        return {"metadata": metadata, "payment_intent_data": {"metadata": metadata}}
    trial = {"trial_period_days": trial_days} if trial_days else {}
    return {"metadata": metadata, "subscription_data": {"metadata": metadata, **trial}}


def _discount(coupon_id: str | None, promotion_code_id: str | None) -> dict[str, Any]:
    """Ours, else the code that was typed here, else a field for one at Stripe."""
    if coupon_id is not None:
        return {"discounts": [{"coupon": coupon_id}]}
    if promotion_code_id is not None:
        return {"discounts": [{"promotion_code": promotion_code_id}]}
    return {"allow_promotion_codes": True}


def _taxes(customer_id: str | None, *, automatic: bool, collects_ids: bool) -> dict[str, Any]:
    """A known customer's address and name have to be taken over from what Checkout asks for."""
    params: dict[str, Any] = {}
    updates: dict[str, str] = {}
    if automatic:
        params["automatic_tax"] = {"enabled": True}
        updates["address"] = "auto"
    if collects_ids:
        params["tax_id_collection"] = {"enabled": True}
        updates["name"] = "auto"
    if updates and customer_id is not None:
        params["customer_update"] = updates
    return params


def _signed_at(signature: str) -> int:
    """The time of a verified header: the SDK signs over its first `t`, so does this."""
    times = [part.split("=")[1] for part in signature.split(",") if part.startswith("t=")]
    return int(times[0])
