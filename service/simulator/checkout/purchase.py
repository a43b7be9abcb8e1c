"""Paying a Checkout session: what the buyer's click on the hosted page does."""

from dataclasses import asdict, dataclass

from service.simulator.billing.cycle import Start, start_subscription
from service.simulator.billing.plans import Plan
from service.simulator.catalogue.discounts import redeem
from service.simulator.checkout.discounts import session_redemptions
from service.simulator.checkout.places import Place, check_place, place_details
from service.simulator.checkout.receipts import receipt
from service.simulator.checkout.sessions import details_of
from service.simulator.payments.card_numbers import Decline
from service.simulator.payments.cards import CardEntry, read_card
from service.simulator.payments.charges import (
    asks_authentication,
    card_of,
    confirm,
    new_intent,
    remember_authentication,
)
from service.simulator.payments.customers import new_customer
from service.simulator.payments.debits import read_account
from service.simulator.payments.payment_methods import (
    attach_method,
    new_card_method,
    new_debit_method,
)
from service.simulator.payments.setup_intents import ask_holder, finish_setup, refuse_setup
from service.simulator.periods import DAY
from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_parameter
from service.simulator.store import JSON
from service.simulator.world import World

_LONGEST_EMAIL, _LONGEST_NAME = 512, 256
_NOT_CONFIRMED = Decline(
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method "
    "and try again.",
)


@dataclass(frozen=True)
class Buyer:
    """Who pays, with a card or a bank account; with neither where nothing is due.

    A session bound to a customer keeps that customer's own e-mail, and the name unless it asks for
    another. `authenticate` is what the card's holder answers the bank, None before it asks. The
    address and the tax id are kept where the session asks for them.
    """

    email: str
    name: str
    card: CardEntry | None = None
    account: str | None = None
    authenticate: bool | None = None
    place: Place | None = None


def success_address(session: JSON) -> str:
    """Where the buyer goes after paying; Stripe fills in the session's id."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def authentication_address(world: World, session: JSON) -> str:
    """The page on which the card's holder answers the bank."""
    return f"{world.public_url}/checkout/{session['id']}/authenticate"


def is_free(session: JSON) -> bool:
    """Whether nothing is due now and no payment method is asked for either."""
    asks_for_none = session["payment_method_collection"] == "if_required"
    return bool(session["amount_total"] == 0 and (asks_for_none or session["mode"] == "payment"))


def pay(world: World, session: JSON, buyer: Buyer) -> StripeError | None:
    """Pay an open session.

    Returns:
        None when the session is complete, else why it stays open: the method's refusal, or
        authentication_required; what was tried is on record.

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
    customer = world.store.get(session["customer"]) if session["customer"] else None
    if customer is not None and customer.get("deleted"):
        raise StripeError(400, "This customer was deleted; start again.", param="customer")
    method = _new_method(world, session, buyer)
    if method is None:
        _complete(world, session, buyer, None)
        return None
    if asks_authentication(method) and not buyer.authenticate:
        return _ask(world, session, buyer, method)
    refusal = _refusal(world, session, method)
    if refusal is not None:
        _record_refusal(world, session, method, refusal)
        return refusal.error()
    _complete(world, session, buyer, method)
    return None


def _check(buyer: Buyer) -> None:
    # Line breaks, NUL and half characters would go on to readers of the customer.
    is_plain = buyer.email.isprintable() and len(buyer.email) <= _LONGEST_EMAIL
    if not is_plain or "@" not in buyer.email.strip("@ "):
        raise invalid_parameter("email", "Enter an e-mail address such as reader@example.com.")
    if not buyer.name.isprintable() or len(buyer.name) > _LONGEST_NAME:
        raise invalid_parameter("name", f"Enter a name of at most {_LONGEST_NAME} characters.")
    if buyer.place is not None:
        check_place(buyer.place)


def _new_method(world: World, session: JSON, buyer: Buyer) -> JSON | None:
    if buyer.account is not None:
        if "sepa_debit" not in session["payment_method_types"]:
            raise invalid_parameter("account", "This payment can't be made by bank debit.")
        account = read_account(buyer.account, session["currency"])
        return new_debit_method(world, account, email=buyer.email, name=buyer.name)
    if buyer.card is not None:
        read = read_card(buyer.card, world.now)
        return new_card_method(world, read, email=buyer.email, name=buyer.name, on_session=True)
    if not is_free(session):
        raise missing_parameter("card")
    return None


def _refusal(world: World, session: JSON, method: JSON) -> Decline | None:
    card = card_of(method)
    if card is None:
        return None
    is_charged = session["mode"] != "setup" and not _trial_end(world, session)
    return card.on_attach or (card.on_charge if is_charged else None)


def _trial_end(world: World, session: JSON) -> int | None:
    terms = session["_sim"]
    if terms.get("trial_days"):
        return int(world.now + terms["trial_days"] * DAY)
    end: int | None = terms.get("trial_end")
    return end


def _intent(world: World, session: JSON) -> JSON:
    """The payment intent that this session's buyer tries to pay; in mode payment it stays."""
    pending = session["_sim"]["pending"] or {}
    known = session["payment_intent"] or pending.get("intent")
    if known is not None:
        return world.fetch("payment_intent", known)
    terms = session["_sim"]
    is_payment = session["mode"] == "payment"
    intent = new_intent(
        world,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        description=terms["description"] if is_payment else "Subscription creation",
        future_usage=terms["future_usage"] if is_payment else "off_session",
    )
    if is_payment:
        own = {"metadata": terms["intent_metadata"], "receipt_email": terms["receipt_email"]}
        world.update(intent, own)
        world.update(session, {"payment_intent": intent["id"]})
    return intent


def _record_refusal(world: World, session: JSON, method: JSON, refusal: Decline) -> None:
    """A refused charge leaves its intent and charge behind; a trial asks for no money."""
    if session["mode"] == "setup":
        refuse_setup(world, world.fetch("setup_intent", session["setup_intent"]), method, refusal)
    elif session["amount_total"]:
        confirm(world, _intent(world, session), method, authenticated=True)
    pending = session["_sim"]["pending"]
    if pending:  # the bank's page has had its answer: another card is needed
        asked = {key: value for key, value in pending.items() if key != "card"}
        world.update(session, {"_sim": {**session["_sim"], "pending": asked}})


def _ask(world: World, session: JSON, buyer: Buyer, method: JSON) -> StripeError:
    """The bank asks the card's holder; the session waits for the answer, or for another card."""
    refused = buyer.authenticate is False
    pending = None
    if session["mode"] == "setup":
        setup = world.fetch("setup_intent", session["setup_intent"])
        if refused:
            refuse_setup(world, setup, method, _NOT_CONFIRMED)
        else:
            ask_holder(world, setup, method, authentication_address(world, session))
    elif session["amount_total"]:
        intent = _intent(world, session)
        pending = intent["id"]
        if refused:
            _fail_authentication(world, intent)
        else:
            confirm(world, intent, method, page=authentication_address(world, session))
    kept: JSON = {"intent": pending, "email": buyer.email, "name": buyer.name}
    if buyer.place is not None:
        kept["place"] = asdict(buyer.place)
    if buyer.card is not None and not refused:
        kept["card"] = [buyer.card.number, buyer.card.expiry, buyer.card.cvc]
    world.update(session, {"_sim": {**session["_sim"], "pending": kept}})
    if refused:
        return _NOT_CONFIRMED.error()
    return StripeError(
        402,
        "The card's bank wants its holder to confirm this payment.",
        kind="card_error",
        code="authentication_required",
    )


def _fail_authentication(world: World, intent: JSON) -> None:
    changes = {
        "last_payment_error": _NOT_CONFIRMED.error().details(),
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    world.update(intent, changes)
    world.emit("payment_intent.payment_failed", intent)


def pending_buyer(session: JSON, *, confirmed: bool) -> Buyer | None:
    """The buyer whose bank waits for an answer, with that answer; None where none waits."""
    pending = session["_sim"]["pending"]
    if not pending or "card" not in pending:
        return None
    card = CardEntry(*pending["card"])
    place = Place(**pending["place"]) if "place" in pending else None
    return Buyer(pending["email"], pending["name"], card, authenticate=confirmed, place=place)


def _complete(world: World, session: JSON, buyer: Buyer, method: JSON | None) -> None:
    world.store.unschedule(session["id"])
    customer = _customer(world, session, buyer)
    if method is not None and buyer.authenticate:
        remember_authentication(world, method)
    complete = {"payment": _buy, "setup": _save, "subscription": _subscribe}[session["mode"]]
    changes = complete(world, session, customer, method, bool(buyer.authenticate))
    known = world.fetch("customer", customer) if customer else {"email": None, "name": None}
    details = details_of(known["email"] or buyer.email, known["name"] or buyer.name)
    if buyer.place is not None:
        details |= place_details(session, buyer.place)
    if session["automatic_tax"]["enabled"]:
        changes["automatic_tax"] = {**session["automatic_tax"], "status": "complete"}
    changes |= {
        "customer": customer,
        "customer_details": details,
        "status": "complete",
        "url": None,
        "_sim": {**session["_sim"], "pending": None},
    }
    world.update(session, changes)
    world.emit("checkout.session.completed", session)


def _customer(world: World, session: JSON, buyer: Buyer) -> str | None:
    """Who the purchase belongs to: in mode payment it may be nobody."""
    known: str | None = session["customer"]
    if known is not None:
        _update_customer(world, session, buyer, known)
        return known
    if not session["_sim"].get("needs_customer", True):
        return None
    made = new_customer(world, email=buyer.email, name=buyer.name)
    if buyer.place is not None:
        place = place_details(session, buyer.place)
        world.update(made, {"address": place["address"]}, "customer.updated")
    return str(made["id"])


def _update_customer(world: World, session: JSON, buyer: Buyer, identifier: str) -> None:
    """What `customer_update` lets Checkout change of a known customer."""
    wanted = session["_sim"]["customer_update"]
    changes: JSON = {"name": buyer.name} if wanted.get("name") == "auto" else {}
    if wanted.get("address") == "auto" and buyer.place is not None:
        changes["address"] = place_details(session, buyer.place)["address"]
    world.update(world.fetch("customer", identifier), changes, "customer.updated")


def _subscribe(
    world: World, session: JSON, customer: str | None, method: JSON | None, authenticated: bool
) -> JSON:
    terms = session["_sim"]
    trial_end = _trial_end(world, session)
    if terms["pending"] and terms["pending"]["intent"]:
        _abandon(world, world.fetch("payment_intent", terms["pending"]["intent"]))
    if method is not None and customer is not None:
        attach_method(world, method, customer)
    subscription = start_subscription(
        world,
        Start(
            customer=customer or "",
            plan=Plan([(price, count) for price, count in terms["plan"]], *terms["interval"]),
            trial_end=trial_end,
            method=method["id"] if method else None,
            metadata=terms["subscription_metadata"],
            description=terms["subscription_description"],
            without_method=terms["trial_settings"],
            discounts=session_redemptions(world, session),
            authenticated=authenticated,
        ),
    )
    invoice = world.fetch("invoice", subscription["latest_invoice"])
    paid = "paid" if invoice["status"] == "paid" else "unpaid"
    return {
        "invoice": subscription["latest_invoice"],
        "payment_status": paid if session["amount_total"] else "no_payment_required",
        "subscription": subscription["id"],
    }


def _abandon(world: World, intent: JSON) -> None:
    """The subscription's invoice has an intent of its own."""
    changes = {
        "canceled_at": world.now,
        "cancellation_reason": "abandoned",
        "next_action": None,
        "status": "canceled",
    }
    world.update(intent, changes)
    world.emit("payment_intent.canceled", intent)


def _buy(
    world: World, session: JSON, customer: str | None, method: JSON | None, authenticated: bool
) -> JSON:
    redemptions = session_redemptions(world, session)
    redeem(world, redemptions, customer=customer, checkout_session=session["id"])
    if not session["amount_total"]:
        return {"payment_status": "no_payment_required"}
    intent = _intent(world, session)
    world.update(intent, {"customer": customer})
    if method is not None and customer and session["_sim"]["future_usage"]:
        attach_method(world, method, customer)
    confirm(world, intent, method, authenticated=authenticated)
    if intent["status"] == "processing":
        return {"payment_intent": intent["id"], "payment_status": "unpaid"}
    paid = {"payment_intent": intent["id"], "payment_status": "paid"}
    return paid | receipt(world, session, intent)


def _save(world: World, session: JSON, customer: str | None, method: JSON | None, _: bool) -> JSON:
    intent = world.fetch("setup_intent", session["setup_intent"])
    world.update(intent, {"customer": customer})
    if method is not None:
        finish_setup(world, intent, method)
    return {}
