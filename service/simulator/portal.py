"""The billing portal: sessions, the one configuration, and what its buttons do."""

from service.simulator.cards import CardEntry, read_card
from service.simulator.collection import attempt
from service.simulator.customers import living_customer
from service.simulator.errors import StripeError
from service.simulator.invoices import invoices_of
from service.simulator.operations import Call, equalities, listing, operation, page
from service.simulator.payment_methods import attach_method, new_card_method
from service.simulator.store import JSON, Condition
from service.simulator.subscriptions import ENDED, period_of, set_cancellation
from service.simulator.world import World

_KEY = "portal_configuration"
_OWING = ("past_due", "unpaid")


def ensure_configuration(world: World) -> JSON:
    """The default configuration, created with the world."""
    identifier = world.store.setting(_KEY)
    if identifier is not None:
        return world.fetch("billing_portal.configuration", identifier)
    identifier = world.new_id("bpc", 24)
    world.store.set_setting(_KEY, identifier)
    return world.create(
        {
            "id": identifier,
            "object": "billing_portal.configuration",
            "active": True,
            "application": None,
            "business_profile": {
                "headline": None,
                "privacy_policy_url": None,
                "terms_of_service_url": None,
            },
            "created": world.now,
            "default_return_url": None,
            "features": _FEATURES,
            "is_default": True,
            "livemode": False,
            "login_page": {"enabled": False, "url": None},
            "metadata": {},
            "name": None,
            "updated": world.now,
        }
    )


_FEATURES: JSON = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": True, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": True,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {"enabled": False},
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "continue_trial",
    },
}


def live_subscriptions(world: World, customer: str) -> list[JSON]:
    """A customer's subscriptions that have not ended, newest first."""
    return [
        subscription
        for subscription in world.store.find("subscription", [Condition("customer", "=", customer)])
        if subscription["status"] not in ENDED
    ]


def choose(world: World, session: JSON, subscription_id: str, action: str) -> None:
    """What a button of the portal does: `cancel` at the period's end, or `resume`.

    The portal sets `cancel_at` and leaves `cancel_at_period_end` false.

    Raises:
        StripeError: 400 or 404, no such action, or not a live subscription of this customer.
    """
    subscription = world.fetch("subscription", subscription_id)
    if subscription["customer"] != session["customer"] or subscription["status"] in ENDED:
        raise StripeError(404, "This subscription has ended; there is nothing left to change.")
    if action not in ("cancel", "resume"):
        raise StripeError(400, "Choose one of the page's buttons.")
    end = period_of(subscription)[1] if action == "cancel" else None
    changes = set_cancellation(world, subscription, cancel_at=end, at_period_end=False)
    world.update(subscription, changes, "customer.subscription.updated")


def owed_invoices(world: World, customer: str) -> list[JSON]:
    """The open invoices of a customer's overdue subscriptions, oldest first."""
    return [
        invoice
        for subscription in live_subscriptions(world, customer)
        if subscription["status"] in _OWING
        for invoice in reversed(invoices_of(world, subscription["id"], ("open",)))
    ]


def change_card(world: World, session: JSON, entry: CardEntry) -> None:
    """What the portal's card form does: make the card the default everywhere, and pay with it.

    Call it in a transaction, which must be rolled back on an error: then nothing has changed.

    Raises:
        StripeError: 402 card_error, the card makes no sense or is declined; 400, the customer was
            deleted; 404, no subscription is left that a card could pay for.
    """
    customer = living_customer(world, session["customer"], "customer")
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


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    customer = living_customer(world, params.required("customer"), "customer")
    configuration = params.text("configuration") or ensure_configuration(world)["id"]
    world.fetch("billing_portal.configuration", configuration, param="configuration")
    identifier = world.new_id("bps", 24)
    session = {
        "id": identifier,
        "object": "billing_portal.session",
        "after_expiration": None,
        "configuration": configuration,
        "created": world.now,
        "customer": customer["id"],
        "flow": None,
        "livemode": False,
        "locale": params.text("locale"),
        "on_behalf_of": None,
        "return_url": params.address("return_url"),
        "url": f"{world.public_url}/portal/{identifier}",
    }
    return world.create(session, "billing_portal.session.created")


def _retrieve_configuration(call: Call) -> JSON:
    return call.world.fetch("billing_portal.configuration", call.ids["configuration"])


def _list_configurations(call: Call) -> JSON:
    return page(
        call, "billing_portal.configuration", equalities(call.params, ["active", "is_default"])
    )


OPERATIONS = (
    operation(
        "POST", "/v1/billing_portal/sessions", _create, "configuration customer locale return_url"
    ),
    operation("GET", "/v1/billing_portal/configurations/{configuration}", _retrieve_configuration),
    listing("/v1/billing_portal/configurations", _list_configurations, "active is_default"),
)
