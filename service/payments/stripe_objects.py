"""Stripe's JSON objects into our frozen types (API version 2026-10-28.endive).

Unknown fields are tolerated; a reference may be an id or, when expanded, the whole object.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from service.payments.gateway import (
    StripeCard,
    StripeCharge,
    StripeCheckoutSession,
    StripeCustomer,
    StripeCustomerRecord,
    StripeDiscount,
    StripeDispute,
    StripeEvent,
    StripeInvoice,
    StripeInvoiceLine,
    StripeRedemption,
    StripeRefund,
    StripeSubscription,
    StripeSubscriptionItem,
)
from service.payments.set_up import (
    StripeAccount,
    StripePortalConfiguration,
    StripePrice,
    StripeWebhookEndpoint,
)

JSON = Mapping[str, Any]
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
"""An object's id, or an event's type."""
_DURATIONS = frozenset({"once", "repeating", "forever"})
_GIVEN_TO = ("subscription", "subscription_item", "invoice", "invoice_item", "checkout_session")
"""Members of a discount, one of which names what it was given to; none does: to the customer."""


def instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OSError, OverflowError) as error:
        raise ValueError(f"{seconds} is no time") from error


def optional_instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else instant(seconds)


def reference(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else None


def _email(value: Any) -> str | None:
    """None for what no database keeps: what is paid for opens with a bad address as well."""
    return value if isinstance(value, str) and value.isprintable() else None


def price_of(document: JSON) -> StripePrice:
    recurring = document.get("recurring") or {}
    return StripePrice(
        id=document["id"],
        product_id=reference(document.get("product")) or "",
        amount=document.get("unit_amount") or 0,
        currency=document["currency"],
        interval=recurring.get("interval"),
        interval_count=recurring.get("interval_count") or 1,
        lookup_key=document.get("lookup_key"),
        active=bool(document.get("active", True)),
        has_amount=document.get("unit_amount") is not None
        and recurring.get("usage_type") in {None, "licensed"},
    )


def customer_of(document: JSON) -> StripeCustomer:
    """A deleted customer still answers, with `deleted: true` and little else."""
    return StripeCustomer(
        id=document["id"],
        email=_email(document.get("email")),
        deleted=bool(document.get("deleted", False)),
    )


def customer_record_of(document: JSON) -> StripeCustomerRecord:
    return StripeCustomerRecord(
        id=document["id"],
        email=document.get("email"),
        name=document.get("name"),
        phone=document.get("phone"),
        description=document.get("description"),
        address=document.get("address"),
        shipping=document.get("shipping"),
        languages=tuple(document.get("preferred_locales") or ()),
        metadata=dict(document.get("metadata") or {}),
        created_at=instant(document["created"]),
    )


def card_of(document: JSON) -> StripeCard:
    card = document.get("card") or {}
    month, year = card.get("exp_month"), card.get("exp_year")
    return StripeCard(
        id=document["id"],
        type=document["type"],
        brand=card.get("brand"),
        last4=card.get("last4"),
        expires=f"{year}-{month:02}" if month and year else None,
        billing_details=document.get("billing_details") or {},
    )


def checkout_session_of(document: JSON) -> StripeCheckoutSession:
    details = document.get("customer_details") or {}
    payment = document.get("payment_intent")
    return StripeCheckoutSession(
        id=document["id"],
        url=document.get("url"),
        status=document.get("status") or "open",
        payment_status=document["payment_status"],
        client_reference_id=document.get("client_reference_id"),
        customer_id=reference(document.get("customer")),
        subscription_id=reference(document.get("subscription")),
        email=_email(details.get("email")),
        expires_at=instant(document["expires_at"]),
        mode=document["mode"],
        payment_id=reference(payment),
        payment_state=payment.get("status") if isinstance(payment, Mapping) else None,
        amount=document.get("amount_total") or 0,
        currency=document.get("currency") or "",
        discounts=tuple(_redemptions_of(document)),
    )


def _redemptions_of(session: JSON) -> Iterator[StripeRedemption]:
    """The breakdown names the discounts, and the session's own list, expanded, the letters of their codes."""
    codes = [each.get("promotion_code") for each in session.get("discounts") or ()]
    letters = {each["id"]: each["code"] for each in codes if isinstance(each, Mapping)}
    breakdown = (session.get("total_details") or {}).get("breakdown") or {}
    for each in breakdown.get("discounts") or ():
        discount = each["discount"]
        coupon = reference((discount.get("source") or {}).get("coupon"))
        code = reference(discount.get("promotion_code"))
        if coupon is not None:
            yield StripeRedemption(discount["id"], coupon, code, letters.get(code or ""))


def subscription_of(document: JSON) -> StripeSubscription:
    """A list holds only the ids of the payment method and of discounts."""
    details = document.get("cancellation_details") or {}
    return StripeSubscription(
        id=document["id"],
        customer_id=reference(document["customer"]) or "",
        status=document["status"],
        items=tuple(_item_of(item) for item in document["items"]["data"]),
        started_at=instant(document["start_date"]),
        trial_end=optional_instant(document.get("trial_end")),
        cancel_at=optional_instant(document.get("cancel_at")),
        cancel_at_period_end=bool(document.get("cancel_at_period_end")),
        ended_at=optional_instant(document.get("ended_at")),
        metadata=dict(document.get("metadata") or {}),
        pauses_collection=document.get("pause_collection") is not None,
        cancel_reason=details.get("reason"),
        cancel_feedback=details.get("feedback"),
        cancel_comment=details.get("comment"),
        card_fingerprint=_fingerprint(document.get("default_payment_method")),
        canceled_at=optional_instant(document.get("canceled_at")),
        discounts=discounts_of(document),
        has_unread_discounts=_has_unread_discounts(document),
    )


def _has_unread_discounts(subscription: JSON) -> bool:
    """Whether something is taken off of which nobody says how much; ids alone aren't expanded."""
    holders = (subscription, *subscription["items"]["data"])
    held = [each for holder in holders for each in holder.get("discounts") or ()]
    return any(isinstance(each, Mapping) and _discount_of(each) is None for each in held)


def discounts_of(document: JSON) -> tuple[StripeDiscount, ...]:
    """Those of a subscription, item or invoice that are expanded, with their coupons."""
    found = (_discount_of(each) for each in document.get("discounts") or ())
    return tuple(each for each in found if each is not None)


def _discount_of(document: Any) -> StripeDiscount | None:
    """None for an id, and for what a later Stripe may take off in another way. One that was deleted
    still says what it took off, but no end.
    """
    coupon = (document.get("source") or {}).get("coupon") if isinstance(document, Mapping) else None
    if not isinstance(coupon, Mapping) or coupon.get("duration") not in _DURATIONS:
        return None
    if coupon.get("percent_off") is None and coupon.get("amount_off") is None:
        return None
    percent = coupon.get("percent_off")
    code = document.get("promotion_code")
    return StripeDiscount(
        id=document["id"],
        coupon_id=coupon["id"],
        percent_off=None if percent is None else Decimal(str(percent)),
        amount_off=coupon.get("amount_off"),
        currency=coupon.get("currency"),
        duration=coupon["duration"],
        starts_at=instant(document["start"]),
        ends_at=optional_instant(document.get("end")),
        products=tuple((coupon.get("applies_to") or {}).get("products") or ()),
        promotion_code=reference(code),
        code=code["code"] if isinstance(code, Mapping) else None,
    )


def item_coupons(subscription: JSON) -> Iterator[dict[str, Any]]:
    """The sources of its items' discounts that name their coupon by its id alone."""
    for item in subscription["items"]["data"]:
        for discount in item.get("discounts") or ():
            source = discount.get("source") if isinstance(discount, Mapping) else None
            if source and isinstance(source.get("coupon"), str):
                yield source


def _fingerprint(method: Any) -> str | None:
    """Of the card, or of the account where a bank debits one: each kind has its own member."""
    if not isinstance(method, Mapping):
        return None
    found = (method.get(method.get("type")) or {}).get("fingerprint")
    return found if isinstance(found, str) else None


def payments_of(invoice: JSON) -> Iterator[str]:
    for each in (invoice.get("payments") or {}).get("data") or ():
        intent = reference((each.get("payment") or {}).get("payment_intent"))
        if intent is not None:
            yield intent


def _item_of(document: JSON) -> StripeSubscriptionItem:
    return StripeSubscriptionItem(
        price=price_of(document["price"]),
        quantity=document.get("quantity") or 1,
        period_start=instant(document["current_period_start"]),
        period_end=instant(document["current_period_end"]),
        discounts=discounts_of(document),
        id=document.get("id", ""),
    )


def invoice_of(document: JSON) -> StripeInvoice:
    transitions = document.get("status_transitions") or {}
    return StripeInvoice(
        id=document["id"],
        status=document.get("status") or "draft",
        customer_id=reference(document.get("customer")),
        subscription_id=subscription_of_invoice(document),
        amount_due=document["amount_due"],
        amount_paid=document["amount_paid"],
        currency=document["currency"],
        created_at=instant(document["created"]),
        finalized_at=optional_instant(transitions.get("finalized_at")),
        number=document.get("number"),
        hosted_url=document.get("hosted_invoice_url"),
        billing_reason=document.get("billing_reason"),
        paid_at=optional_instant(transitions.get("paid_at")),
        attempt_count=document.get("attempt_count") or 0,
        next_attempt_at=optional_instant(document.get("next_payment_attempt")),
        payments=tuple(payments_of(document)),
        discounts=_counting_discounts(document),
        lines=tuple(_lines_of(document)),
    )


def _lines_of(invoice: JSON) -> Iterator[StripeInvoiceLine]:
    for line in (invoice.get("lines") or {}).get("data") or ():
        parent = line.get("parent") or {}
        details = parent.get("subscription_item_details")
        item = parent.get("invoice_item_details") or {}
        if not details and item.get("proration") and item.get("subscription"):
            details = item  # older prorations are invoice items of the subscription's
        if details and (price := _price_of(line)):
            yield _line_of(line, price, is_proration=bool(details["proration"]))


def pending_of(subscription_id: str, items: Iterable[JSON]) -> Iterator[StripeInvoiceLine]:
    """Of invoice items, the lines that those will be that prorate this subscription."""
    for item in items:
        details = (item.get("parent") or {}).get("subscription_details") or {}
        price = _price_of(item)
        if (
            item["proration"]
            and price
            and reference(details.get("subscription")) == subscription_id
        ):
            yield _line_of(item, price, is_proration=True)


def _price_of(line: JSON) -> str | None:
    return reference(((line.get("pricing") or {}).get("price_details") or {}).get("price"))


def _line_of(line: JSON, price_id: str, *, is_proration: bool) -> StripeInvoiceLine:
    return StripeInvoiceLine(
        price_id=price_id,
        amount=line["amount"],
        quantity=line.get("quantity") or 1,
        starts_at=instant(line["period"]["start"]),
        ends_at=instant(line["period"]["end"]),
        is_proration=is_proration,
    )


def _counting_discounts(invoice: JSON) -> tuple[StripeDiscount, ...]:
    """Those that took something off, without the customer's own: a subscription doesn't show it."""
    taken = invoice.get("total_discount_amounts") or ()
    counting = {reference(each["discount"]) for each in taken if each["amount"]}
    held = [each for each in invoice.get("discounts") or () if isinstance(each, Mapping)]
    counting -= {each["id"] for each in held if not any(map(each.get, _GIVEN_TO))}
    return tuple(each for each in discounts_of(invoice) if each.id in counting)


def charge_of(document: JSON) -> StripeCharge:
    details = document.get("payment_method_details") or {}
    method = details.get("type") or ""
    return StripeCharge(
        id=document["id"],
        payment_intent_id=reference(document.get("payment_intent")),
        status=document["status"],
        amount=document["amount"],
        amount_refunded=document["amount_refunded"],
        currency=document["currency"],
        refunded=bool(document["refunded"]),
        disputed=bool(document["disputed"]),
        created_at=instant(document["created"]),
        method=method,
        fingerprint=(details.get(method) or {}).get("fingerprint"),
    )


def refund_of(document: JSON) -> StripeRefund:
    return StripeRefund(
        id=document["id"],
        charge_id=reference(document.get("charge")),
        payment_intent_id=reference(document.get("payment_intent")),
        amount=document["amount"],
        currency=document["currency"],
        status=document.get("status") or "pending",
        metadata=dict(document.get("metadata") or {}),
        created_at=instant(document["created"]),
    )


def dispute_of(document: JSON) -> StripeDispute:
    return StripeDispute(
        id=document["id"],
        charge_id=reference(document["charge"]) or "",
        payment_intent_id=reference(document.get("payment_intent")),
        status=document["status"],
        created_at=instant(document["created"]),
    )


def payment_of(document: JSON) -> str | None:
    """The payment intent of a charge, refund or dispute."""
    return reference(document.get("payment_intent"))


def subscription_of_payment(document: JSON) -> str | None:
    """Of an invoice payment with its invoice expanded."""
    invoice = document.get("invoice")
    return subscription_of_invoice(invoice) if isinstance(invoice, Mapping) else None


def subscription_of_invoice(document: JSON) -> str | None:
    details = (document.get("parent") or {}).get("subscription_details") or {}
    return reference(details.get("subscription"))


def account_of(document: JSON) -> StripeAccount:
    return StripeAccount(
        id=document["id"],
        country=document.get("country"),
        charges_enabled=bool(document.get("charges_enabled")),
    )


def portal_configuration_of(document: JSON) -> StripePortalConfiguration:
    return StripePortalConfiguration(document["id"], document["features"])


def webhook_endpoint_of(document: JSON, version: str) -> StripeWebhookEndpoint:
    """`version` is that of the API which we read. An endpoint without one has the account's."""
    return StripeWebhookEndpoint(
        id=document["id"],
        url=document["url"],
        status=document["status"],
        events=frozenset(document["enabled_events"]),
        speaks_our_version=document.get("api_version") == version,
        secret=document.get("secret"),
    )


def event_of(document: JSON) -> StripeEvent:
    """The envelope of a webhook; KeyError, TypeError or ValueError when it is none.

    Its ids later stand in paths to Stripe: what hasn't the shape of one counts as absent, such as a
    coupon's, which people make up.
    """
    subject = document["data"]["object"]
    kind = subject.get("object")
    identifier = _named(reference(subject)) or ""
    if kind == "invoice":
        subscription = subscription_of_invoice(subject)
    else:
        subscription = reference(subject.get("subscription"))
    if not _NAME.fullmatch(document["id"]) or not _NAME.fullmatch(document["type"]):
        raise ValueError("an event has an id and a type")
    customer = identifier if kind == "customer" else _named(reference(subject.get("customer")))
    return StripeEvent(
        id=document["id"],
        type=document["type"],
        object_id=identifier,
        customer_id=customer,
        subscription_id=identifier if kind == "subscription" else _named(subscription),
        created_at=instant(document["created"]),
    )


def _named(identifier: str | None) -> str | None:
    return identifier if identifier and _NAME.fullmatch(identifier) else None
