"""A subscription's cycle: its start, trial, renewals, and the invoices they bring."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.simulator.billing.collection import attempt, is_under_way, mark_uncollectible, void
from service.simulator.billing.invoices import draft_invoice, finalise, keep_draft
from service.simulator.billing.plans import (
    Plan,
    plan_amount,
    read_plan,
    read_trial,
    read_trial_settings,
)
from service.simulator.billing.subscriptions import (
    ENDED,
    NO_SETTINGS,
    end_subscription,
    moved_items,
    new_items,
    own_method,
    pause_subscription,
    period_of,
    read_payment_settings,
    refuse_other_currency,
    requested_cancellation,
    schedule_cycle,
)
from service.simulator.catalogue.discounts import Purchase, Redemption, read_discounts, redeem
from service.simulator.operations import Call, operation
from service.simulator.payments.customers import living_customer
from service.simulator.payments.payment_methods import payer
from service.simulator.periods import DAY, after, next_boundary
from service.simulator.protocol.errors import StripeError
from service.simulator.store import JSON
from service.simulator.world import World


@dataclass(frozen=True)
class Start:
    """The terms of a new subscription. `trial_end` is a Unix time; charging may be left out.

    `without_method` is what the trial's end brings where there is no payment method;
    `authenticated` says that the card's holder has confirmed the first charge.
    """

    customer: str
    plan: Plan
    trial_end: int | None = None
    method: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    charge: bool = True
    discounts: Sequence[Redemption | str] = ()
    without_method: str = "create_invoice"
    payment_settings: JSON = field(default_factory=lambda: dict(NO_SETTINGS))
    authenticated: bool = False


def start_subscription(world: World, start: Start) -> JSON:
    """Create a subscription with its first invoice, and collect that.

    Returns:
        The subscription: trialing, active, or incomplete where the first charge failed.
    """
    refuse_other_currency(world, start.customer, start.plan.currency)
    subscription = new_subscription(world, start)
    subscription["discounts"] = redeem(
        world, start.discounts, customer=start.customer, subscription=subscription["id"]
    )
    trial = start.trial_end is not None
    invoice = draft_invoice(
        world,
        subscription,
        reason="subscription_create",
        period=(world.now, world.now),
        trial=trial,
    )
    subscription |= keep_draft(world, subscription, invoice)
    world.store.put(subscription)
    finalise(world, invoice)
    world.emit("customer.subscription.created", subscription)
    if start.charge or invoice["amount_due"] == 0:
        attempt(world, invoice, authenticated=start.authenticated)
    begun = world.fetch("subscription", subscription["id"])
    if begun["status"] == "incomplete" and not is_under_way(world, invoice):
        expiry = world.now + world.rules.incomplete_expires
        world.schedule(expiry, "subscription.expire_incomplete", begun["id"])
    if trial:
        notice = period_of(begun)[1] - world.rules.trial_notice
        world.schedule(notice, "subscription.trial_notice", begun["id"])
    schedule_cycle(world, begun)
    return begun


def new_subscription(world: World, start: Start) -> JSON:
    """The document of a subscription that begins now, not kept yet."""
    identifier = world.new_id("sub", 24)
    plan, trial_end = start.plan, start.trial_end
    end = trial_end or after(world.now, plan.interval, plan.interval_count)
    document: JSON = {
        "id": identifier,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or world.now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": world.now,
        },
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": world.now,
        "currency": plan.currency,
        "customer": start.customer,
        "days_until_due": None,
        "default_payment_method": start.method,
        "default_source": None,
        "default_tax_rates": [],
        "description": start.description,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": new_items(world, identifier, plan.items),
        "latest_invoice": None,
        "livemode": False,
        "metadata": start.metadata,
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": start.payment_settings,
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": world.now,
        "status": "incomplete" if trial_end is None else "trialing",
        "status_details": None,
        "test_clock": world.clock,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": start.without_method}},
        "trial_start": world.now if trial_end is not None else None,
        "_sim": {"interval": plan.interval, "interval_count": plan.interval_count},
    }
    document["items"] = moved_items(document, (world.now, end))
    return document


def next_period(subscription: JSON) -> tuple[int, int]:
    """Start and end of the period after the present one."""
    start = period_of(subscription)[1]
    terms = subscription["_sim"]
    anchor = subscription["billing_cycle_anchor"]
    return start, next_boundary(anchor, terms["interval"], terms["interval_count"], start)


def handle_cycle(world: World, identifier: str) -> None:
    """The agenda's `subscription.cycle`: a period or a trial is over, the next one begins."""
    subscription = world.fetch("subscription", identifier)
    if subscription["status"] in (*ENDED, "paused"):
        return
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= world.now:
        end_subscription(world, subscription)
        return
    if subscription["status"] == "trialing" and not _can_pay(world, subscription):
        return
    ended = period_of(subscription)
    items = moved_items(subscription, next_period(subscription))
    invoice = draft_invoice(
        world, {**subscription, "items": items}, reason="subscription_cycle", period=ended
    )
    status = "active" if subscription["status"] == "trialing" else subscription["status"]
    pause: JSON | None = subscription["pause_collection"]
    invoice["auto_advance"] = collects = status != "unpaid" and pause is None
    if collects:
        invoice["automatically_finalizes_at"] = world.now + world.rules.finalise_after
        world.schedule(world.now + world.rules.finalise_after, "invoice.advance", invoice["id"])
    changes = keep_draft(world, subscription, invoice) | {"items": items, "status": status}
    world.update(subscription, changes, "customer.subscription.updated")
    schedule_cycle(world, subscription)
    if pause is not None:
        hold_back(world, invoice, pause)


def hold_back(world: World, invoice: JSON, pause: JSON) -> None:
    """Do with a new draft what `pause_collection` says; nobody collects it."""
    if pause["behavior"] != "keep_as_draft":
        finalise(world, invoice)
        write_off = void if pause["behavior"] == "void" else mark_uncollectible
        write_off(world, invoice)


def _can_pay(world: World, subscription: JSON) -> bool:
    """Whether a trial may go over into a paid period; else what was agreed for that is done."""
    behaviour = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if behaviour == "create_invoice" or payer(world, subscription) is not None:
        return True
    if behaviour == "cancel":
        end_subscription(world, subscription)
    else:
        pause_subscription(world, subscription, "trial_end_without_payment_method")
    return False


def handle_advance(world: World, identifier: str) -> None:
    """The agenda's `invoice.advance`: a draft's hour is over, it is finalised and collected."""
    invoice = world.fetch("invoice", identifier)
    if invoice["status"] == "draft":
        finalise(world, invoice)
        attempt(world, invoice)


def handle_upcoming(world: World, identifier: str) -> None:
    """The agenda's `subscription.upcoming`: announce the next invoice, if there will be one."""
    subscription = world.fetch("subscription", identifier)
    if goes_on(subscription):
        world.emit("invoice.upcoming", _announced(upcoming_invoice(world, subscription)))


def _announced(invoice: JSON) -> JSON:
    """An upcoming invoice as its event tells it: there is none to retrieve yet, so it has no id."""
    lines = [{**line, "invoice": None} for line in invoice["lines"]["data"]]
    listed = {**invoice["lines"], "data": lines, "url": "/v1/invoices/upcoming/lines"}
    return {**{key: invoice[key] for key in invoice if key != "id"}, "lines": listed}


def goes_on(subscription: JSON) -> bool:
    """Whether another period follows the present one."""
    cancel_at, end = subscription["cancel_at"], period_of(subscription)[1]
    ending = cancel_at is not None and cancel_at <= end
    return subscription["status"] in ("active", "trialing", "past_due") and not ending


def upcoming_invoice(world: World, subscription: JSON) -> JSON:
    """What the end of the present period will bring, by what is known now."""
    end = period_of(subscription)[1]
    items = moved_items(subscription, next_period(subscription))
    invoice = draft_invoice(
        world,
        {**subscription, "items": items},
        reason="upcoming",
        period=period_of(subscription),
        at=end,
    )
    return invoice | {
        "id": world.new_id("upcoming_in", 24),
        "created": end,
        "next_payment_attempt": end + world.rules.finalise_after,
    }


def handle_trial_notice(world: World, identifier: str) -> None:
    """The agenda's `subscription.trial_notice`: three days before a trial ends."""
    subscription = world.fetch("subscription", identifier)
    if subscription["status"] == "trialing":
        world.emit("customer.subscription.trial_will_end", subscription)


def handle_incomplete(world: World, identifier: str) -> None:
    """The agenda's `subscription.expire_incomplete`: the first invoice was not paid in a day."""
    subscription = world.fetch("subscription", identifier)
    if subscription["status"] == "incomplete":
        void(world, world.fetch("invoice", subscription["latest_invoice"]))


def _create(call: Call) -> JSON | StripeError:
    world, params = call.world, call.params
    customer = living_customer(world, params.required("customer"), "customer")
    behaviour = params.choice(
        "payment_behavior", ("allow_incomplete", "default_incomplete", "error_if_incomplete")
    )
    days, trial_end = read_trial(params, world.now)
    plan = read_plan(world, params.rows("items"), "items", inline=True)
    purchase = Purchase(customer["id"], plan.currency, plan_amount(world, plan))
    subscription = start_subscription(
        world,
        Start(
            customer=customer["id"],
            plan=plan,
            trial_end=world.now + days * DAY if days else trial_end,
            method=own_method(world, params, customer["id"]),
            metadata=params.metadata(),
            description=params.text("description"),
            charge=behaviour != "default_incomplete",
            discounts=read_discounts(world, params, purchase),
            without_method=read_trial_settings(params),
            payment_settings=read_payment_settings(params, NO_SETTINGS),
        ),
    )
    if subscription["status"] == "incomplete" and behaviour == "error_if_incomplete":
        raise StripeError(402, "The first payment failed.", kind="card_error", code="card_declined")
    changes = requested_cancellation(world, params, subscription)
    world.update(subscription, changes, "customer.subscription.updated")
    return subscription


HANDLERS = {
    "subscription.cycle": handle_cycle,
    "subscription.upcoming": handle_upcoming,
    "subscription.trial_notice": handle_trial_notice,
    "subscription.expire_incomplete": handle_incomplete,
    "invoice.advance": handle_advance,
}

OPERATIONS = (
    operation(
        "POST",
        "/v1/subscriptions",
        _create,
        "cancel_at cancel_at_period_end customer default_payment_method description discounts items"
        " metadata off_session payment_behavior payment_settings trial_end trial_period_days trial_settings",
    ),
)
