"""Who may read, by the local Stripe's own documents and the settings alone: no code of the service's.

It looks at what is at Stripe when nothing is left to do, so what the service does there of its own
accord (ending duplicates, say) has been done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from service.simulator.catalogue.discounts import taken_off
from service.simulator.store import Store

Document = dict[str, Any]
SLACK = timedelta(hours=48)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Policy:
    """The settings that access depends on."""

    refund: str
    grace: timedelta


@dataclass(frozen=True)
class Oracle:
    """Reads one world."""

    store: Store
    policy: Policy

    def subscriptions(self, prices: set[str]) -> Iterator[Document]:
        """Those with a price of the catalogue."""
        for document in self.store.find("subscription", [], oldest_first=True):
            if any(item["price"] in prices for item in document["items"]["data"]):
                yield document

    def open_until(self, subscription: Document) -> datetime:
        """Access up to, not at, this instant; the distant past: none."""
        if self._is_barred(subscription):
            return NEVER
        ends = [_instant(subscription["cancel_at"])] if subscription["cancel_at"] else []
        period = max(item["current_period_end"] for item in subscription["items"]["data"])
        if subscription["cancel_at_period_end"]:
            ends.append(_instant(period))
        match subscription["status"]:
            case "trialing" | "active":
                return min([*ends, _instant(period) + SLACK])
            case "past_due":
                return min([*ends, self._owing_since(subscription) + self.policy.grace])
            case _:
                return NEVER

    def _owing_since(self, subscription: Document) -> datetime:
        unpaid = [
            each["status_transitions"]["finalized_at"]
            for each in self._invoices(subscription)
            if each["status"] == "open"
        ]
        start = min(item["current_period_start"] for item in subscription["items"]["data"])
        return _instant(min((at for at in unpaid if at), default=start))

    def _invoices(self, subscription: Document) -> list[Document]:
        return [
            each
            for each in self.store.find("invoice", [], oldest_first=True)
            if (each.get("parent") or {}).get("subscription_details", {}).get("subscription")
            == subscription["id"]
        ]

    def _charges(self, invoice: Document) -> list[Document]:
        paying = {
            each["payment"]["payment_intent"]
            for each in self.store.find("invoice_payment", [])
            if each["invoice"] == invoice["id"]
        }
        return [each for each in self.store.find("charge", []) if each["payment_intent"] in paying]

    def _is_barred(self, subscription: Document) -> bool:
        """Whether a dispute or a refund takes access away."""
        invoices = self._invoices(subscription)
        charges = {each["id"] for invoice in invoices for each in self._charges(invoice)}
        for dispute in self.store.find("dispute", []):
            if dispute["charge"] in charges and dispute["status"] in {
                "needs_response", "under_review", "lost",
            }:  # fmt: skip
                return True
        paid = [each for each in invoices if each["status"] == "paid" and each["amount_paid"]]
        if not paid:
            return False
        taken = [each for each in self._charges(paid[-1]) if each["status"] == "succeeded"]
        if not taken or not all(each["refunded"] for each in taken):
            return False
        back = [
            each
            for each in self.store.find("refund", [], oldest_first=True)
            if each["charge"] in {charge["id"] for charge in taken}
            and each["status"] in {"succeeded", "pending"}
        ]
        chosen = back[-1]["metadata"].get("paywall_access") if back else None
        return (chosen or self.policy.refund) != "keep"

    def mrr(self, prices: set[str]) -> dict[str, Fraction]:
        """By currency: what is charged each month, less what is taken off for ever."""
        sums: dict[str, Fraction] = {}
        for each in self.subscriptions(prices):
            if each["status"] not in {"active", "past_due"} or each["pause_collection"]:
                continue
            (item,) = each["items"]["data"]
            price = self.store.get(item["price"])
            assert price is not None
            amount = self._less(each, price["unit_amount"] * item["quantity"])
            months = {"month": 1, "year": 12}[price["recurring"]["interval"]]
            if amount:
                currency = price["currency"].upper()
                sums[currency] = sums.get(currency, Fraction(0)) + Fraction(amount, months)
        return sums

    def _less(self, subscription: Document, amount: int) -> int:
        for identifier in subscription["discounts"]:
            discount = self.store.get(identifier)
            coupon = self.store.get(discount["source"]["coupon"]) if discount else None
            if coupon is not None and coupon["duration"] == "forever":
                amount -= taken_off(coupon, [amount])[0]
        return amount

    def renewals(self, subscription: Document) -> set[str]:
        """The invoices that renewed it."""
        return {
            each["id"]
            for each in self._invoices(subscription)
            if each["status"] == "paid" and each["billing_reason"] == "subscription_cycle"
        }


def live_by_holder(
    subscriptions: list[Document], holder: Mapping[str, str]
) -> dict[str, list[str]]:
    """The subscriptions of each reader that aren't over. `holder` names the reader of a customer."""
    found: dict[str, list[str]] = {}
    for each in subscriptions:
        if each["status"] in {"trialing", "active", "past_due", "unpaid", "paused"}:
            found.setdefault(holder[each["customer"]], []).append(each["id"])
    return found


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
