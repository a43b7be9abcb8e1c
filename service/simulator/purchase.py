"""Paying a Checkout session: what the buyer's click on the hosted page does."""

from dataclasses import dataclass

from service.simulator.cards import CardEntry, ReadCard, read_card
from service.simulator.checkout import details_of
from service.simulator.customers import new_customer
from service.simulator.cycle import Plan, Start, start_subscription
from service.simulator.errors import StripeError, invalid_parameter
from service.simulator.payment_methods import attach_method, new_card_method
from service.simulator.payments import confirm, new_intent
from service.simulator.periods import DAY
from service.simulator.store import JSON
from service.simulator.world import World

_LONGEST_EMAIL, _LONGEST_NAME = 512, 256


@dataclass(frozen=True)
class Buyer:
    """Who pays. A session bound to a customer keeps that customer's own e-mail and name."""

    email: str
    name: str
    card: CardEntry


def success_address(session: JSON) -> str:
    """Where the buyer goes after paying; Stripe fills in the session's id."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def pay(world: World, session: JSON, buyer: Buyer) -> StripeError | None:
    """Pay an open session with a card.

    Returns:
        None when the session is complete, else the card's refusal; the session then stays open,
        and the failed charge is on record.

    Raises:
        StripeError: 409 the session isn't open; 402 or 400 the entries make no sense.
    """
    if session["status"] != "open":
        raise StripeError(
            409,
            f"This Checkout Session is {session['status']}; start a new one.",
            code="checkout_session_not_open",
        )
    _check(buyer)
    read = read_card(buyer.card, world.now)
    customer = world.store.get(session["customer"]) if session["customer"] else None
    if customer is not None and customer.get("deleted"):
        raise StripeError(400, "This customer was deleted; start again.", param="customer")
    refusal = read.card.on_attach or (None if _trial_end(world, session) else read.card.on_charge)
    if refusal is not None:
        _record_refusal(world, session, buyer, read)
        return refusal.error()
    _complete(world, session, buyer, read)
    return None


def _check(buyer: Buyer) -> None:
    # Line breaks, NUL and half characters would go on to whoever reads the customer.
    is_plain = buyer.email.isprintable() and len(buyer.email) <= _LONGEST_EMAIL
    if not is_plain or "@" not in buyer.email.strip("@ "):
        raise invalid_parameter("email", "Enter an e-mail address such as reader@example.com.")
    if not buyer.name.isprintable() or len(buyer.name) > _LONGEST_NAME:
        raise invalid_parameter("name", f"Enter a name of at most {_LONGEST_NAME} characters.")


def _trial_end(world: World, session: JSON) -> int | None:
    terms = session["_sim"]
    if terms["trial_days"]:
        return int(world.now + terms["trial_days"] * DAY)
    end: int | None = terms["trial_end"]
    return end


def _record_refusal(world: World, session: JSON, buyer: Buyer, read: ReadCard) -> None:
    """A refused charge leaves its intent and charge behind; a trial asks for no money."""
    method = new_card_method(world, read, email=buyer.email, name=buyer.name)
    if session["amount_total"]:
        intent = new_intent(
            world,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            description="Subscription creation",
        )
        confirm(world, intent, method)


def _complete(world: World, session: JSON, buyer: Buyer, read: ReadCard) -> None:
    customer = session["customer"] or new_customer(world, email=buyer.email, name=buyer.name)["id"]
    method = new_card_method(world, read, email=buyer.email, name=buyer.name)
    attach_method(world, method, customer)
    terms = session["_sim"]
    trial_end = _trial_end(world, session)
    subscription = start_subscription(
        world,
        Start(
            customer=customer,
            plan=Plan([(price, count) for price, count in terms["plan"]], *terms["interval"]),
            trial_end=trial_end,
            method=method["id"],
            metadata=terms["subscription_metadata"],
            description=terms["subscription_description"],
        ),
    )
    world.store.unschedule(session["id"])
    known = world.fetch("customer", customer)
    world.update(
        session,
        {
            "customer": customer,
            "customer_details": details_of(
                known["email"] or buyer.email, known["name"] or buyer.name
            ),
            "invoice": subscription["latest_invoice"],
            "payment_status": "no_payment_required" if trial_end else "paid",
            "status": "complete",
            "subscription": subscription["id"],
            "url": None,
        },
    )
    world.emit("checkout.session.completed", session)
