"""The billing portal: its sessions, and what its page's buttons do as its configuration allows."""

from service.simulator.billing.changes import Terms, apply_switch, end_trial, plan_switch
from service.simulator.billing.collection import attempt
from service.simulator.billing.ending import cancel_now
from service.simulator.billing.invoices import invoices_of
from service.simulator.billing.subscriptions import (
    ENDED,
    FEEDBACK,
    living_subscription,
    period_of,
    set_cancellation,
)
from service.simulator.operations import Call, operation
from service.simulator.payments.cards import CardEntry, read_card
from service.simulator.payments.customers import living_customer
from service.simulator.payments.payment_methods import attach_method, new_card_method
from service.simulator.portal.configurations import KIND, usable_configuration
from service.simulator.protocol.errors import StripeError, invalid_parameter, not_simulated
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_OWING = ("past_due", "unpaid")
_FLOWS = (
    "customer_update",
    "payment_method_update",
    "subscription_cancel",
    "subscription_update",
)
_LONGEST_COMMENT = 500


def features_of(world: World, session: JSON) -> JSON:
    """The features that a session's page offers."""
    features: JSON = world.fetch(KIND, session["configuration"])["features"]
    return features


def live_subscriptions(world: World, customer: str) -> list[JSON]:
    """A customer's subscriptions that have not ended, newest first."""
    return [
        subscription
        for subscription in world.store.find("subscription", [Condition("customer", "=", customer)])
        if subscription["status"] not in ENDED
    ]


def _own(world: World, session: JSON, subscription_id: str) -> JSON:
    subscription = world.fetch("subscription", subscription_id)
    if subscription["customer"] != session["customer"] or subscription["status"] in ENDED:
        raise StripeError(404, "This subscription has ended; there is nothing left to change.")
    return subscription


def _require(world: World, session: JSON, feature: str) -> JSON:
    found: JSON = features_of(world, session)[feature]
    if not found["enabled"]:
        raise StripeError(400, "This portal doesn't offer that. Choose one of the page's buttons.")
    return found


def cancel(
    world: World, session: JSON, subscription_id: str, feedback: str = "", comment: str = ""
) -> None:
    """What the portal's button does: cancel at the period's end, or at once if so configured.

    The portal sets `cancel_at` and leaves `cancel_at_period_end` false.

    Raises:
        StripeError: 400 or 404, not offered, or not a live subscription of this customer.
    """
    subscription = _own(world, session, subscription_id)
    feature = _require(world, session, "subscription_cancel")
    subscription["cancellation_details"] |= {
        "comment": comment[:_LONGEST_COMMENT] or None,
        "feedback": feedback if feedback in FEEDBACK else None,
    }
    if feature["mode"] == "immediately":
        world.store.put(subscription)
        prorates = feature["proration_behavior"] == "create_prorations"
        cancel_now(world, subscription, prorate=prorates)
        return
    end = period_of(subscription)[1]
    changes = set_cancellation(world, subscription, cancel_at=end, at_period_end=False)
    world.update(subscription, changes, "customer.subscription.updated")


def resume(world: World, session: JSON, subscription_id: str) -> None:
    """What the portal's button does: take a scheduled end back.

    Raises:
        StripeError: as `cancel`.
    """
    subscription = _own(world, session, subscription_id)
    _require(world, session, "subscription_cancel")
    changes = set_cancellation(world, subscription, cancel_at=None, at_period_end=False)
    world.update(subscription, changes, "customer.subscription.updated")


def plans(world: World, session: JSON, subscription: JSON) -> list[JSON]:
    """The prices that a subscription of one item may be switched to in the portal."""
    feature = features_of(world, session)["subscription_update"]
    items = subscription["items"]["data"]
    offered = feature["enabled"] and "price" in feature["default_allowed_updates"]
    if not offered or len(items) > 1 or subscription["status"] == "incomplete":
        return []
    listed = [
        world.fetch("price", price)
        for product in feature["products"]
        for price in product["prices"]
    ]
    return [
        price
        for price in listed
        if price["active"]
        and price["currency"] == subscription["currency"]
        and price["id"] != items[0]["price"]
    ]


def switch(world: World, session: JSON, subscription_id: str, price: str) -> None:
    """What the portal's button does: switch to another plan, billed as the configuration says.

    Call it in a transaction, which must be rolled back on an error: then nothing has changed.

    Raises:
        StripeError: 400 or 404, not offered; 402 card_error, the payment that it needs failed.
    """
    subscription = _own(world, session, subscription_id)
    feature = _require(world, session, "subscription_update")
    if price not in [plan["id"] for plan in plans(world, session, subscription)]:
        raise StripeError(400, "This plan isn't on offer. Choose one of the page's plans.")
    [item] = subscription["items"]["data"]
    _change_item(world, subscription, {**item, "price": price}, feature)


def numbers(world: World, session: JSON, subscription: JSON) -> JSON | None:
    """The least and the greatest quantity that a subscription of one item may have in the portal; None: only the
    present one.
    """
    feature = features_of(world, session)["subscription_update"]
    items = subscription["items"]["data"]
    offered = feature["enabled"] and "quantity" in feature["default_allowed_updates"]
    if not offered or len(items) > 1 or subscription["status"] == "incomplete":
        return None
    price = items[0]["price"]
    found = [each for each in feature["products"] if price in each["prices"]]
    if not found or not found[0]["adjustable_quantity"]["enabled"]:
        return None
    return {"of": items[0]["quantity"], **found[0]["adjustable_quantity"]}


def change_number(world: World, session: JSON, subscription_id: str, quantity: str) -> None:
    """What the portal's button does: another quantity, billed as the configuration says.

    Call it in a transaction, which must be rolled back on an error: then nothing has changed.

    Raises:
        StripeError: as `switch`.
    """
    subscription = _own(world, session, subscription_id)
    feature = _require(world, session, "subscription_update")
    allowed = numbers(world, session, subscription)
    number = int(quantity) if quantity.isascii() and quantity.isdigit() else -1
    if allowed is None or not allowed["minimum"] <= number <= (allowed["maximum"] or number):
        raise StripeError(400, "This number isn't on offer. Choose one that the page allows.")
    [item] = subscription["items"]["data"]
    _change_item(world, subscription, {**item, "quantity": number}, feature)


def _change_item(world: World, subscription: JSON, item: JSON, feature: JSON) -> None:
    terms = Terms(
        proration=feature["proration_behavior"],
        at=world.now,
        restart=feature["billing_cycle_anchor"] == "now",
    )
    items = [item]
    ends_trial = feature["trial_update_behavior"] == "end_trial"
    planned = (
        end_trial(world, subscription, items, terms)
        if subscription["status"] == "trialing" and ends_trial
        else plan_switch(world, subscription, items, terms)
    )
    apply_switch(world, subscription, planned, {}, refuse_unpaid=True)


def owed_invoices(world: World, customer: str) -> list[JSON]:
    """The open invoices of a customer's overdue subscriptions, oldest first."""
    return [
        invoice
        for subscription in live_subscriptions(world, customer)
        if subscription["status"] in _OWING
        for invoice in reversed(invoices_of(world, subscription["id"], ("open",)))
    ]


def history(world: World, customer: str) -> list[JSON]:
    """A customer's invoices as the portal lists them, newest first; drafts aren't shown."""
    return [
        invoice
        for invoice in world.store.find("invoice", [Condition("customer", "=", customer)])
        if invoice["status"] not in (None, "draft") and not invoice.get("deleted")
    ]


def change_card(world: World, session: JSON, entry: CardEntry) -> None:
    """What the portal's card form does: make the card the default everywhere, and pay with it.

    Call it in a transaction, which must be rolled back on an error: then nothing has changed.

    Raises:
        StripeError: 402 card_error, the card makes no sense or is declined; 400, the customer was
            deleted or the portal doesn't offer it; 404, no subscription is left that a card could
            pay for.
    """
    customer = living_customer(world, session["customer"], "customer")
    _require(world, session, "payment_method_update")
    subscriptions = live_subscriptions(world, customer["id"])
    if not subscriptions:
        raise StripeError(404, "There is no running subscription that a card could pay for.")
    read = read_card(entry, world.now)
    if read.card.on_attach is not None:
        raise read.card.on_attach.error()
    method = new_card_method(world, read, email=customer["email"], name=customer["name"])
    attach_method(world, method, customer["id"])
    settings = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    world.update(customer, {"invoice_settings": settings}, "customer.updated")
    for subscription in subscriptions:
        changes = {"default_payment_method": method["id"]}
        world.update(subscription, changes, "customer.subscription.updated")
    for invoice in owed_invoices(world, customer["id"]):
        refusal = attempt(world, invoice, method)
        if refusal is not None:
            raise refusal.error()


def change_details(world: World, session: JSON, entries: dict[str, str]) -> None:
    """What the portal's form for the customer's own details does, as far as they may be changed.

    Raises:
        StripeError: 400, not offered, or an entry that can't be kept.
    """
    customer = living_customer(world, session["customer"], "customer")
    allowed = _require(world, session, "customer_update")["allowed_updates"]
    changes: JSON = {}
    for name in ("email", "name", "phone"):
        if name in allowed and name in entries:
            value = entries[name].strip()
            if not value.isprintable() or (name == "email" and "@" not in value.strip("@ ")):
                raise invalid_parameter(name, f"Enter a valid {name}.")
            changes[name] = value or None
    world.update(customer, changes, "customer.updated")


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    customer = living_customer(world, params.required("customer"), "customer")
    configuration = usable_configuration(world, params.text("configuration"))
    identifier = world.new_id("bps", 24)
    session = {
        "id": identifier,
        "object": "billing_portal.session",
        "after_expiration": None,
        "configuration": configuration["id"],
        "created": world.now,
        "customer": customer["id"],
        "flow": _flow(world, params.group("flow_data"), customer, configuration),
        "livemode": False,
        "locale": params.text("locale"),
        "on_behalf_of": None,
        "return_url": params.address("return_url") or configuration["default_return_url"],
        "url": f"{world.public_url}/portal/{identifier}",
        "_sim": {"flow_done": False},
    }
    return world.create(session, "billing_portal.session.created")


def _flow(world: World, params: Params, customer: JSON, configuration: JSON) -> JSON | None:
    """The one thing that a session is for.

    See https://docs.stripe.com/customer-management/portal-deep-links.
    """
    if not params.values:
        return None
    kind = params.required("type")
    if kind not in _FLOWS:
        raise not_simulated(params.name("type"), f"the portal's flow {kind}")
    params.refuse_unknown(
        frozenset({"after_completion", "subscription_cancel", "subscription_update", "type"})
    )
    if not configuration["features"][kind]["enabled"]:
        raise invalid_parameter(
            params.name("type"), f"The portal configuration doesn't enable the feature {kind}."
        )
    flow: JSON = {
        "after_completion": _completion(params.group("after_completion")),
        "subscription_cancel": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": kind,
    }
    if kind.startswith("subscription_"):
        flow[kind] = {"subscription": _subject(world, params.group(kind), customer)}
        if kind == "subscription_cancel":
            flow[kind]["retention"] = None
    return flow


def _subject(world: World, params: Params, customer: JSON) -> str:
    params.refuse_unknown(frozenset({"subscription"}))
    param = params.name("subscription")
    subscription = living_subscription(world, params.required("subscription"), param)
    if subscription["customer"] != customer["id"]:
        raise invalid_parameter(param, "This subscription is another customer's.")
    identifier: str = subscription["id"]
    return identifier


def _completion(params: Params) -> JSON:
    params.refuse_unknown(frozenset({"hosted_confirmation", "redirect", "type"}))
    kind = params.choice("type", ("hosted_confirmation", "portal_homepage", "redirect"))
    after: JSON = {"hosted_confirmation": None, "redirect": None, "type": kind or "portal_homepage"}
    if kind == "redirect":
        redirect = params.group("redirect")
        redirect.required("return_url")
        after["redirect"] = {"return_url": redirect.address("return_url")}
    if kind == "hosted_confirmation":
        message = params.group("hosted_confirmation").text("custom_message")
        after["hosted_confirmation"] = {"custom_message": message}
    return after


OPERATIONS = (
    operation(
        "POST",
        "/v1/billing_portal/sessions",
        _create,
        "configuration customer flow_data locale return_url",
    ),
)
