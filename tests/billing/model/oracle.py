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
    """Reads one world. `prices` are those of the catalogue."""

    store: Store
    policy: Policy
    prices: frozenset[str]

    def subscriptions(self) -> Iterator[Document]:
        """Those that were bought here, whatever they hold by now."""
        for document in self.store.find("subscription", [], oldest_first=True):
            if "checkout" in document["metadata"]:
                yield document

    def our_item(self, subscription: Document) -> Document | None:
        """The item at a price of the catalogue, else at another price of a plan's product."""
        items: list[Document] = subscription["items"]["data"]
        for item in items:
            if item["price"] in self.prices:
                return item
        for item in items:
            if str(self._price(item)["product"]).startswith("pw_plan_"):
                return item
        return None

    def _price(self, item: Document) -> Document:
        price = self.store.get(item["price"])
        assert price is not None
        return price

    def open_until(self, subscription: Document) -> datetime:
        """Access up to, not at, this instant; the distant past: none."""
        if self._is_barred(subscription) or self.our_item(subscription) is None:
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
        unpaid = [each["status_transitions"]["finalized_at"] for each in self._debt(subscription)]
        start = min(item["current_period_start"] for item in subscription["items"]["data"])
        return _instant(min((at for at in unpaid if at), default=start))

    def _debt(self, subscription: Document) -> list[Document]:
        """The open invoices since one was last paid or given up, the oldest first."""
        debt: list[Document] = []
        for each in self._invoices(subscription):
            if each["billing_reason"] != "manual" and each["status"] in {"paid", "uncollectible"}:
                debt = []
            elif each["billing_reason"] != "manual" and each["status"] == "open":
                debt.append(each)
        return debt

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
        periods = [at for at, each in enumerate(paid) if _bills_a_period(each)]
        taken = []
        for invoice in paid[periods[-1] if periods else 0 :]:
            succeeded = [each for each in self._charges(invoice) if each["status"] == "succeeded"]
            if not succeeded or not all(each["refunded"] for each in succeeded):
                return False
            taken += succeeded
        if not taken:
            return False
        # Of two in the same second that of the later charge counts.
        back = [
            each
            for charge in taken
            for each in self.store.find("refund", [], oldest_first=True)
            if each["charge"] == charge["id"] and each["status"] in {"succeeded", "pending"}
        ]
        back.sort(key=lambda each: int(each["created"]))
        chosen = back[-1]["metadata"].get("paywall_access") if back else None
        return (chosen or self.policy.refund) != "keep"

    def mrr(self) -> dict[str, Fraction]:
        """By currency: what is charged each month for what we sell, less what is taken off for ever."""
        sums: dict[str, Fraction] = {}
        for each in self.subscriptions():
            item = self.our_item(each)
            if item is None or each["status"] not in {"active", "past_due"}:
                continue
            price = self._price(item)
            amount = self._less(each, price["unit_amount"] * item["quantity"])
            if amount and not each["pause_collection"]:
                months = {"month": 1, "year": 12}[price["recurring"]["interval"]]
                currency = price["currency"].upper()
                sums[currency] = sums.get(currency, Fraction(0)) + Fraction(amount, months)
        return sums

    def next_charge(self, subscription: Document) -> tuple[datetime, int] | None:
        """When the next period of all that it holds is charged by itself, and how much; None: it isn't."""
        end = min(item["current_period_end"] for item in subscription["items"]["data"])
        stops = subscription["cancel_at"]
        if (
            subscription["status"] not in {"trialing", "active", "past_due"}
            or subscription["pause_collection"]
            or (stops is not None and stops <= end)
        ):
            return None
        left = [
            self._price(item)["unit_amount"] * item["quantity"]
            for item in subscription["items"]["data"]
        ]
        for identifier in subscription["discounts"]:
            discount = self.store.get(identifier)
            assert discount is not None
            coupon = self.store.get(discount["source"]["coupon"])
            assert coupon is not None
            if discount["end"] is None or discount["end"] > end:
                parts = taken_off(coupon, left)
                left = [amount - part for amount, part in zip(left, parts, strict=True)]
        customer = self.store.get(subscription["customer"])
        assert customer is not None
        due = sum(left) + self._waiting(subscription) + customer["balance"]
        return _instant(end), max(0, due)

    def _waiting(self, subscription: Document) -> int:
        """Prorations that the next invoice takes along."""
        return sum(
            item["amount"]
            for item in self.store.find("invoiceitem", [])
            if item["invoice"] is None
            and item["parent"]
            and item["parent"]["subscription_details"]["subscription"] == subscription["id"]
        )

    def facts(self, identifier: str, now: datetime) -> "Facts | None":
        """What a mail may say of this subscription at this moment; None: there is no such."""
        subscription = self.store.get(identifier, "subscription")
        if subscription is None:
            return None
        item = self.our_item(subscription) or subscription["items"]["data"][0]
        price, end = self._price(item), _instant(item["current_period_end"])
        stops = [_instant(at)] if (at := subscription["cancel_at"]) else []
        if subscription["cancel_at_period_end"]:
            stops.append(end)
        invoices = self._invoices(subscription)
        unpaid = self._debt(subscription)
        owes = unpaid and subscription["status"] in {"past_due", "unpaid"}
        charges = {each["id"] for one in invoices for each in self._charges(one)}
        return Facts(
            id=identifier,
            now=now,
            status=subscription["status"],
            price=(
                price["unit_amount"] * item["quantity"], price["currency"].upper(),
                price["recurring"]["interval"],
            ),
            trial_end=_instant(at) if (at := subscription["trial_end"]) else None,
            next_charge=self.next_charge(subscription),
            ends_at=min(stops, default=None),
            open_until=self.open_until(subscription),
            owed=min(unpaid, key=lambda each: each["created"])["amount_remaining"] if owes else None,
            period_end=end,
            ended_at=_instant(at) if (at := subscription["ended_at"]) else None,
            stops=frozenset(
                _instant(each["created"])
                for kind in ("dispute", "refund")
                for each in self.store.find(kind, [])
                if each["charge"] in charges
            ),
        )  # fmt: skip

    def paid_until(self, invoice: Document) -> set[datetime]:
        """The ends of what the invoice is for, of each item."""
        return {
            _instant(each["period"]["end"])
            for each in invoice["lines"]["data"]
            if (item := each["parent"]["subscription_item_details"]) and not item["proration"]
        }

    def subscription_of_charge(self, charge: str) -> str:
        for each in self.store.find("subscription", []):
            for invoice in self._invoices(each):
                if charge in {paid["id"] for paid in self._charges(invoice)}:
                    return str(each["id"])
        raise LookupError(charge)

    def subscription_of_checkout(self, checkout: str) -> str:
        """The subscription that was bought by it."""
        for each in self.subscriptions():
            if each["metadata"]["checkout"] == checkout:
                return str(each["id"])
        raise LookupError(checkout)

    def bought_at(self, subscription: str) -> datetime:
        return _instant(self.document("subscription", subscription)["created"])

    def document(self, kind: str, identifier: str) -> Document:
        found = self.store.get(identifier, kind)
        assert found is not None, identifier
        return found

    def _less(self, subscription: Document, amount: int) -> int:
        for identifier in subscription["discounts"]:
            discount = self.store.get(identifier)
            coupon = self.store.get(discount["source"]["coupon"]) if discount else None
            if coupon is not None and coupon["duration"] == "forever":
                amount -= taken_off(coupon, [amount])[0]
        return amount

    def trial_payment(self, subscription: Document) -> set[str]:
        """The invoice of a renewal that was the first to take something, after a trial; or none."""
        if subscription["trial_end"] is None:
            return set()
        billed = [
            each for each in self._invoices(subscription)
            if each["status"] == "paid" and any(line["amount"] > 0 for line in each["lines"]["data"])
        ]  # fmt: skip
        billed.sort(key=lambda each: each["status_transitions"]["paid_at"])
        return {each["id"] for each in billed[:1] if each["billing_reason"] == "subscription_cycle"}

    def renewals(self, subscription: Document) -> set[str]:
        """The invoices that renewed it."""
        paid = {
            each["id"]
            for each in self._invoices(subscription)
            if each["status"] == "paid" and each["billing_reason"] == "subscription_cycle"
        }
        return paid - self.trial_payment(subscription)


@dataclass(frozen=True)
class Facts:
    """A subscription at one moment: amounts in minor units. `stops` are when money was disputed or went
    back; `ends_at` is the scheduled end.
    """

    id: str
    now: datetime
    status: str
    price: tuple[int, str, str]
    trial_end: datetime | None
    next_charge: tuple[datetime, int] | None
    ends_at: datetime | None
    open_until: datetime
    owed: int | None
    period_end: datetime
    ended_at: datetime | None
    stops: frozenset[datetime]


def live_by_holder(
    subscriptions: list[Document], holder: Mapping[str, str]
) -> dict[str, list[str]]:
    """The subscriptions of each reader that aren't over. `holder` names the reader of a customer."""
    found: dict[str, list[str]] = {}
    for each in subscriptions:
        if each["status"] in {"trialing", "active", "past_due", "unpaid", "paused"}:
            found.setdefault(holder[each["customer"]], []).append(each["id"])
    return found


def _bills_a_period(invoice: Document) -> bool:
    """Rather than prorations alone."""
    lines = [each["parent"]["subscription_item_details"] for each in invoice["lines"]["data"]]
    return invoice["billing_reason"] in {"subscription_create", "subscription_cycle"} or any(
        each is not None and not each["proration"] for each in lines
    )


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
