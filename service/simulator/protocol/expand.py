"""What the outside sees of a stored document, and `expand[]`.

A stored document is the API's object plus one key of our own, `_sim`, which never leaves. Prices
of items are stored as ids and embedded here, since Stripe always shows them whole.
"""

from collections.abc import Sequence
from typing import Any

from service.simulator.protocol.errors import StripeError
from service.simulator.protocol.views import INCLUDED, is_left_out
from service.simulator.store import JSON, Store

_EMBEDDED = {("subscription_item", "price"), ("item", "price")}

_EXPANDABLE: dict[str, frozenset[str]] = {
    "product": frozenset({"default_price"}),
    "price": frozenset({"product"}),
    "customer": frozenset({"invoice_settings.default_payment_method", "test_clock"}),
    "payment_method": frozenset({"customer"}),
    "checkout.session": frozenset(
        {
            "customer",
            "discounts.coupon",
            "discounts.promotion_code",
            "invoice",
            "payment_intent",
            "setup_intent",
            "subscription",
        }
    ),
    "subscription": frozenset(
        {
            "customer",
            "default_payment_method",
            "discounts",
            "latest_invoice",
            "pending_setup_intent",
            "schedule",
            "test_clock",
        }
    ),
    "subscription_item": frozenset({"discounts"}),
    "invoice": frozenset(
        {
            "customer",
            "default_payment_method",
            "discounts",
            "parent.subscription_details.subscription",
            "test_clock",
            "total_discount_amounts.discount",
        }
    ),
    "line_item": frozenset(
        {"discount_amounts.discount", "pricing.price_details.price", "subscription"}
    ),
    "discount": frozenset({"customer", "promotion_code", "source.coupon"}),
    "promotion_code": frozenset({"customer", "promotion.coupon"}),
    "invoice_payment": frozenset({"invoice", "payment.payment_intent", "payment.charge"}),
    "setup_intent": frozenset({"customer", "payment_method"}),
    "payment_intent": frozenset({"customer", "payment_method", "latest_charge"}),
    "charge": frozenset(
        {"customer", "payment_intent", "balance_transaction", "failure_balance_transaction"}
    ),
    "refund": frozenset(
        {
            "balance_transaction",
            "charge",
            "customer",
            "failure_balance_transaction",
            "payment_intent",
            "payment_method",
        }
    ),
    "balance_transaction": frozenset({"source"}),
    "payout": frozenset({"balance_transaction", "failure_balance_transaction"}),
    "dispute": frozenset({"charge", "payment_intent"}),
    "invoiceitem": frozenset({"customer", "invoice", "pricing.price_details.price", "test_clock"}),
    "billing_portal.session": frozenset({"configuration"}),
    "search_result": frozenset({"total_count"}),
}
_LONGEST_PATH = 4


def public(store: Store, value: Any) -> Any:
    """A copy of a document without our own key and with its prices embedded."""
    if isinstance(value, list):
        return [public(store, entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("object")
    shown: JSON = {}
    for key, entry in value.items():
        if isinstance(entry, (dict, list)):
            if key != "_sim":
                shown[key] = public(store, entry)
        elif isinstance(entry, str) and (kind, key) in _EMBEDDED:
            shown[key] = public(store, store.get(entry))
        else:
            shown[key] = entry
    return shown


def expanded(store: Store, document: JSON, paths: Sequence[str]) -> JSON:
    """The document as the API answers it, with `paths` expanded.

    Raises:
        StripeError: 400, a path names nothing that can be expanded or is deeper than four.
    """
    shown: JSON = public(store, document)
    for path in paths:
        parts = path.split(".")
        if len(parts) > _LONGEST_PATH + (parts[0] == "data"):
            raise StripeError(
                400, f"You cannot expand more than 4 levels of a property. Property: {path}"
            )
        _walk(store, shown, parts, shown, "")
    return shown


def _walk(store: Store, node: JSON, parts: list[str], owner: JSON, within: str) -> None:
    """Expand within `node`, a part of the object `owner`; `within` is where in it, with a dot."""
    head, rest = parts[0], parts[1:]
    kind, path = str(owner.get("object")), f"{within}{head}"
    if node.get("deleted"):
        return  # its id is all that is left of it
    included = INCLUDED.get((kind, path))
    if included is not None:
        if head not in node:
            node[head] = public(store, included(store, owner))
    elif head in node:
        expandable = path in _EXPANDABLE.get(kind, frozenset())
        node[head] = _whole(store, node[head], head, expandable=expandable)
    elif is_left_out(kind, path):
        return
    else:
        raise _refused(head)
    if not rest:
        return
    value = node[head]
    for child in value if isinstance(value, list) else [value]:
        if isinstance(child, dict):
            own = bool(child.get("object"))
            _walk(store, child, rest, child if own else owner, "" if own else f"{path}.")


def _whole(store: Store, value: Any, name: str, *, expandable: bool) -> Any:
    """What an id, or a list of ids, stands for; what is whole already stays so."""
    if isinstance(value, str):
        if not expandable:
            raise _refused(name)
        return public(store, store.get(value))
    if isinstance(value, list) and expandable:
        # Two paths may lead through one list: what the first one made whole stays.
        return [
            public(store, store.get(entry)) if isinstance(entry, str) else entry for entry in value
        ]
    if value is not None and not isinstance(value, (dict, list)) and not expandable:
        raise _refused(name)
    return value


def _refused(name: str) -> StripeError:
    return StripeError(
        400,
        f"This property cannot be expanded ({name}). You may want to try expanding 'data.{name}' "
        "if this is a list.",
        param="expand",
    )
