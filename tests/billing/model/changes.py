"""What happens to a subscription at Stripe: by the portal, at the dashboard, or by a bank."""

import json
from typing import Any
from urllib.parse import urlencode

from service.simulator.api import ApiRequest, answer
from service.simulator.payments.cards import CardEntry, default_expiry
from service.simulator.payments.disputes import open_dispute
from service.simulator.portal.sessions import change_card
from service.simulator.world import World
from tests.billing.model.oracle import Document

CARDS = (
    "4242424242424242", "4000000000007726", "4000000000000341", "4000000000000259",
    "4000002500003155", "4000000000005126",
)  # fmt: skip
COUPONS: tuple[dict[str, Any], ...] = (
    {"percent_off": "100", "duration": "forever"},
    {"percent_off": "33.3", "duration": "forever"},
    {"percent_off": "50", "duration": "repeating", "duration_in_months": 2},
    {"amount_off": 200, "currency": "eur", "duration": "once"},
    {},
)


class Changes:
    """Each takes the subscription, and a number that chooses among variants."""

    def __init__(self, world: World) -> None:
        self.world = world

    def make(self, how: str, subscription: Document, more: int) -> None:
        """The change of this name."""
        getattr(self, how)(subscription, more)

    def cancel(self, subscription: Document, more: int) -> None:
        end = max(item["current_period_end"] for item in subscription["items"]["data"])
        form = {"cancel_at": end} if more % 2 else {"cancel_at_period_end": "true"}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def resume(self, subscription: Document, _: int) -> None:
        form = {"cancel_at": ""} if subscription["cancel_at"] else {"cancel_at_period_end": "false"}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def end(self, subscription: Document, _: int) -> None:
        self._api("DELETE", f"/v1/subscriptions/{subscription['id']}", {})

    def switch(self, subscription: Document, more: int) -> None:
        prices = [each["id"] for each in self.world.store.find("price", [], oldest_first=True)]
        item = subscription["items"]["data"][0]
        self._reprice(subscription, item, prices[more % len(prices)])

    def special(self, subscription: Document, more: int) -> None:
        """Another price of the same product, agreed with this reader."""
        item = subscription["items"]["data"][0]
        self._reprice(subscription, item, self._new_price(item, 400 + more))

    def leave_us(self, subscription: Document, more: int) -> None:
        """What another shop sells takes the place of what we sell."""
        item = subscription["items"]["data"][0]
        self._reprice(subscription, item, self._mugs(item, 300 + more))

    def add_item(self, subscription: Document, more: int) -> None:
        """What another shop sells is charged with the same invoice."""
        price = self._mugs(subscription["items"]["data"][0], 300 + more)
        form = {"subscription": subscription["id"], "price": price}
        self._api("POST", "/v1/subscription_items", form)

    def _reprice(self, subscription: Document, item: Document, price: str) -> None:
        form = {"items[0][id]": item["id"], "items[0][price]": price}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def _mugs(self, like: Document, amount: int) -> str:
        return self._new_price(
            like, amount, product=self._api("POST", "/v1/products", {"name": "Mugs"})["id"]
        )

    def remove_item(self, subscription: Document, more: int) -> None:
        """One of several, perhaps ours; Stripe refuses to remove the last."""
        items = subscription["items"]["data"]
        self._api("DELETE", f"/v1/subscription_items/{items[more % len(items)]['id']}", {})

    def _new_price(self, like: Document, amount: int, *, product: str | None = None) -> str:
        price = self.world.fetch("price", like["price"])
        form = {
            "product": product or price["product"], "unit_amount": amount,
            "currency": price["currency"], "recurring[interval]": price["recurring"]["interval"],
        }  # fmt: skip
        return str(self._api("POST", "/v1/prices", form)["id"])

    def pause(self, subscription: Document, more: int) -> None:
        behaviour = ("keep_as_draft", "void", "mark_uncollectible")[more % 3]
        form = {"pause_collection[behavior]": behaviour}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def collect(self, subscription: Document, _: int) -> None:
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", {"pause_collection": ""})

    def coupon(self, subscription: Document, more: int) -> None:
        """A coupon instead of those that it has, or none any more."""
        form: dict[str, Any] = {"discounts": ""}
        if coupon := COUPONS[more % len(COUPONS)]:
            made = self._api("POST", "/v1/coupons", coupon)
            form = {"discounts[0][coupon]": made["id"]}
        self._api("POST", f"/v1/subscriptions/{subscription['id']}", form)

    def card(self, subscription: Document, more: int) -> None:
        """Another card, good or bad; what is owed is then paid or not."""
        form = {"customer": subscription["customer"], "return_url": "https://gazette.example/"}
        session = self._api("POST", "/v1/billing_portal/sessions", form)
        if "error" in session:
            return
        entry = CardEntry(CARDS[more % 3], default_expiry(self.world.now), "123")
        with self.world.transaction():
            change_card(
                self.world, self.world.fetch("billing_portal.session", session["id"]), entry
            )

    def refund(self, subscription: Document, more: int) -> None:
        """Of the newest payment mostly, in full mostly; the operator says what becomes of access."""
        charges = [
            each for each in self.world.store.find("charge", [])
            if each["customer"] == subscription["customer"] and each["status"] == "succeeded"
        ]  # fmt: skip
        if not charges:
            return
        form: dict[str, Any] = {"charge": charges[more // 8 % len(charges)]["id"]}
        if more == 0:
            form["amount"] = 100
        if chosen := ("", "keep", "end_access", "cancel")[more % 4]:
            form["metadata[paywall_access]"] = chosen
        self._api("POST", "/v1/refunds", form)

    def dispute(self, subscription: Document, more: int) -> None:
        open_ones = [
            each for each in self.world.store.find("dispute", [])
            if each["status"] == "needs_response"
        ]  # fmt: skip
        if open_ones and more % 2:
            word = "winning_evidence" if more % 4 == 1 else "losing_evidence"
            path = f"/v1/disputes/{open_ones[0]['id']}"
            self._api("POST", path, {"evidence[uncategorized_text]": word})
            return
        for charge in self.world.store.find("charge", []):
            if charge["customer"] == subscription["customer"] and charge["status"] == "succeeded":
                with self.world.transaction():
                    open_dispute(self.world, charge["id"])
                return

    def give_up(self, subscription: Document, more: int) -> None:
        """An open invoice is voided or marked uncollectible."""
        verb = ("void", "mark_uncollectible")[more % 2]
        self._api("POST", f"/v1/invoices/{subscription['latest_invoice']}/{verb}", {})

    def delete(self, subscription: Document, _: int) -> None:
        self._api("DELETE", f"/v1/customers/{subscription['customer']}", {})

    def archive(self, subscription: Document, _: int) -> None:
        price = subscription["items"]["data"][0]["price"]
        self._api("POST", f"/v1/prices/{price}", {"active": "false"})

    def _api(self, method: str, path: str, form: dict[str, Any]) -> Document:
        given = answer(
            self.world,
            ApiRequest(method, path, urlencode(form), "Bearer sk_test_local", None, None),
        )
        assert given.status < 500, given.body
        answered: Document = json.loads(given.body)
        return answered
