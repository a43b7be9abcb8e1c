"""Fields that Stripe shows only to those who expand them, and those of which there is nothing here.

Stripe never refuses to expand a field that its API has; so neither does the local Stripe.
"""

from collections.abc import Callable
from typing import Any

from service.simulator.store import JSON, Condition, Store


def list_object(url: str, data: list[JSON], *, has_more: bool = False) -> JSON:
    """Stripe's list envelope."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def _invoice_payments(store: Store, invoice: JSON) -> JSON:
    payments = store.find("invoice_payment", [Condition("invoice", "=", invoice["id"])])
    return list_object(f"/v1/invoice_payments?invoice={invoice['id']}", payments)


def _confirmation_secret(store: Store, invoice: JSON) -> JSON | None:
    """What Stripe.js confirms the invoice's payment with; None where there is nothing to pay."""
    payments = store.find("invoice_payment", [Condition("invoice", "=", invoice["id"])], limit=1)
    intent = store.get(payments[0]["payment"]["payment_intent"]) if payments else None
    return {"client_secret": intent["client_secret"], "type": "payment_intent"} if intent else None


def _line_items(store: Store, session: JSON) -> JSON:
    stored = store.get(session["id"])
    lines = stored["_sim"]["line_items"] if stored else []
    return list_object(f"/v1/checkout/sessions/{session['id']}/line_items", lines)


def _breakdown(store: Store, session: JSON) -> JSON:
    """A session has one discount at most; no tax is calculated."""
    amount = session["total_details"]["amount_discount"]
    return {"discounts": _share(store, session, amount), "taxes": []}


def _item_discounts(store: Store, item: JSON) -> list[JSON]:
    sessions = store.find(
        "checkout.session", [Condition("_sim.line_items", "contains", item["id"])], limit=1
    )
    return _share(store, sessions[0], item["amount_discount"]) if sessions else []


def _share(store: Store, session: JSON, amount: int) -> list[JSON]:
    """`amount` as what the session's discount takes off, before and after somebody has paid."""
    if not amount:
        return []
    by = "subscription" if session["subscription"] else "checkout_session"
    redeemed = store.find(
        "discount", [Condition(by, "=", session["subscription"] or session["id"])]
    )
    discount = redeemed[-1] if redeemed else _unredeemed(session)
    return [{"amount": amount, "discount": discount}]


def _unredeemed(session: JSON) -> JSON:
    [entry] = session["discounts"]
    return {
        "id": f"di_{session['id'][-24:]}",
        "object": "discount",
        "checkout_session": session["id"],
        "customer": session["customer"],
        "end": None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": entry["promotion_code"],
        "source": {"coupon": entry["coupon"], "type": "coupon"},
        "start": session["created"],
        "subscription": None,
        "subscription_item": None,
    }


def _coupon_products(store: Store, coupon: JSON) -> JSON:
    stored = store.get(coupon["id"])
    return {"products": stored["_sim"]["products"] if stored else []}


def _coupon_currencies(_: Store, coupon: JSON) -> JSON:
    if coupon["amount_off"] is None:
        return {}
    return {coupon["currency"]: {"amount_off": coupon["amount_off"]}}


def _price_currencies(_: Store, price: JSON) -> JSON:
    same = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {price["currency"]: {key: price[key] for key in same}}


def _customer_subscriptions(store: Store, customer: JSON) -> JSON:
    live = store.find(
        "subscription",
        [Condition("customer", "=", customer["id"]), Condition("status", "!=", "canceled")],
    )
    return list_object(f"/v1/customers/{customer['id']}/subscriptions", live)


def _tax(_: Store, __: JSON) -> JSON:
    return {
        "automatic_tax": "not_collecting",
        "ip_address": None,
        "location": None,
        "provider": "stripe",
    }


def _refunds(store: Store, charge: JSON) -> JSON:
    refunds = store.find("refund", [Condition("charge", "=", charge["id"])])
    return list_object(f"/v1/charges/{charge['id']}/refunds", refunds)


# Kind and field → what is there, from the object that has it.
INCLUDED: dict[tuple[str, str], Callable[[Store, JSON], Any]] = {
    ("invoice", "payments"): _invoice_payments,
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("checkout.session", "line_items"): _line_items,
    ("checkout.session", "total_details.breakdown"): _breakdown,
    ("item", "discounts"): _item_discounts,
    ("item", "taxes"): lambda _, __: [],
    ("coupon", "applies_to"): _coupon_products,
    ("coupon", "currency_options"): _coupon_currencies,
    ("price", "currency_options"): _price_currencies,
    ("price", "tiers"): lambda _, __: [],
    ("promotion_code", "restrictions.currency_options"): lambda _, __: {},
    ("customer", "cash_balance"): lambda _, __: None,
    ("customer", "invoice_credit_balance"): lambda _, __: {},
    ("customer", "sources"): lambda _, customer: list_object(
        f"/v1/customers/{customer['id']}/sources", []
    ),
    ("customer", "subscriptions"): _customer_subscriptions,
    ("customer", "tax"): _tax,
    ("customer", "tax_ids"): lambda _, customer: list_object(
        f"/v1/customers/{customer['id']}/tax_ids", []
    ),
    ("charge", "refunds"): _refunds,
}

# Ways to pay and to pay back: their fields lie side by side, and a document has one of them.
_METHODS = (
    "ach_credit_transfer ach_debit acss_debit affirm afterpay_clearpay alipay alma amazon_pay"
    " au_becs_debit bacs_debit bancontact billie bizum blik boleto card card_present cashapp crypto"
    " custom customer_balance eps fpx giropay grabpay ideal interac_present kakao_pay klarna konbini"
    " kr_card link mb_way mobilepay multibanco naver_pay nz_bank_account oxxo p24 pay_by_bank payco"
    " paynow paypal payto pix promptpay revolut_pay samsung_pay satispay scalapay sepa_debit sofort"
    " stripe_account sunbit swish twint upi us_bank_account wechat wechat_pay zip"
    " au_bank_transfer br_bank_transfer customer_cash_balance eu_bank_transfer gb_bank_transfer"
    " jp_bank_transfer mx_bank_transfer nz_bank_transfer revolut th_bank_transfer us_bank_transfer"
)
_BY_METHOD = ("destination_details", "payment_method_details", "payment_method_options")
# Kind → fields that Stripe omits where there is nothing, as is always so here.
_LEFT_OUT = {
    kind: frozenset(names.split())
    for kind, names in {
        "account": (
            "business_profile.monthly_estimated_revenue company controller external_accounts "
            "future_requirements groups individual requirements settings tos_acceptance"
        ),
        "billing_portal.configuration": (
            "features.subscription_cancel.cancellation_reason.feedback_options"
        ),
        "charge": (
            "outcome.rule payment_method_details.card.extended_authorization "
            "payment_method_details.card.incremental_authorization "
            "payment_method_details.card.multicapture payment_method_details.card.overcapture "
            "presentment_details radar_options transfer"
        ),
        "checkout.session": (
            "branding_settings managed_payments name_collection optional_items "
            "payment_method_options.card.installments "
            "payment_method_options.card.restrictions presentment_details tax_id_collection"
        ),
        "dispute": (
            "evidence.enhanced_evidence.mastercard_compliance "
            "evidence.enhanced_evidence.visa_compelling_evidence_3 "
            "evidence.enhanced_evidence.visa_compliance "
            "evidence_details.enhanced_eligibility.mastercard_compliance "
            "evidence_details.enhanced_eligibility.visa_compelling_evidence_3 "
            "evidence_details.enhanced_eligibility.visa_compliance"
        ),
        "invoice": "issuer.account threshold_reason",
        "invoice_payment": "payment.charge payment.payment_record",
        "invoiceitem": (
            "pricing.price_details proration_details "
            "proration_details.credited_items.invoice_line_item_details "
            "proration_details.discount_amounts"
        ),
        "payment_intent": (
            "amount_details.error amount_details.line_items amount_details.shipping "
            "amount_details.tax hooks last_payment_error.payment_intent "
            "last_payment_error.payment_method last_payment_error.setup_intent "
            "last_payment_error.source managed_payments payment_details "
            "payment_method_configuration_details payment_method_options.card.routing "
            "payment_method_options.sepa_debit.installments "
            "payment_method_options.sepa_debit.mandate_options "
            "payment_method_options.sepa_debit.routing presentment_details"
        ),
        "payment_method": "radar_options",
        "refund": "failure_balance_transaction next_action presentment_details",
        "setup_intent": (
            "last_setup_error.payment_intent last_setup_error.payment_method "
            "last_setup_error.setup_intent last_setup_error.source managed_payments "
            "payment_method_configuration_details"
        ),
        "test_helpers.test_clock": "status_details.advancing",
        "subscription": (
            "cancellation_details.feedback_option invoice_settings.custom_fields "
            "invoice_settings.issuer.account managed_payments presentment_details"
        ),
    }.items()
}


def is_left_out(kind: str, path: str) -> bool:
    """Whether Stripe has such a field (dotted, within an object of `kind`), but here it is omitted."""
    parent, _, name = path.rpartition(".")
    by_method = parent in _BY_METHOD or (kind == "payment_method" and not parent)
    return path in _LEFT_OUT.get(kind, frozenset()) or (by_method and name in _METHODS.split())
