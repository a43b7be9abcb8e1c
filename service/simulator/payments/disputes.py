"""Disputes: chargebacks and inquiries, decided as in Stripe's test mode by a word in the evidence.

https://docs.stripe.com/testing#evidence: `winning_evidence` wins, `losing_evidence` loses; either
closes an inquiry, which `escalate_inquiry_evidence` turns into a chargeback. No money moves for an
inquiry, and its statuses begin with `warning_`.
"""

from service.simulator.operations import (
    Call,
    created_range,
    equalities,
    listing,
    operation,
    page,
)
from service.simulator.payments.balance import book, fee_of
from service.simulator.payments.charges import OPEN_DISPUTE, card_of
from service.simulator.periods import DAY
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_DECISIONS = {
    "needs_response": {"winning_evidence": "won", "losing_evidence": "lost"},
    "warning_needs_response": {
        "winning_evidence": "warning_closed",
        "losing_evidence": "warning_closed",
        "escalate_inquiry_evidence": "needs_response",
    },
}
_REVIEW = {
    "needs_response": "under_review",
    "warning_needs_response": "warning_under_review",
}
ANSWER_WITHIN = 9 * DAY
FEE = 1_500
_TEXTS = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
)
_FILES = (
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
)


def open_dispute(
    world: World, charge_id: str, *, inquiry: bool = False, reason: str = "fraudulent"
) -> JSON:
    """The buyer's bank takes the money of a charge back, or asks about it first.

    Raises:
        StripeError: 400, no such charge, one that holds no money, or one that is disputed.
    """
    charge = world.fetch("charge", charge_id, param="charge")
    if not charge["paid"] or charge["refunded"]:
        raise invalid_parameter(
            "charge", f"Charge {charge_id} holds no money that a bank could take back."
        )
    open_or_lost = [
        found
        for found in world.store.find("dispute", [Condition("charge", "=", charge_id)])
        if found["status"] not in ("won", "warning_closed")
    ]
    if open_or_lost:
        raise StripeError(
            400,
            f"Charge {charge_id} has been charged back already.",
            code="charge_disputed",
            param="charge",
        )
    dispute = _dispute(world, charge, reason, inquiry=inquiry)
    world.update(charge, {"disputed": True})
    world.create(dispute, "charge.dispute.created")
    world.schedule(dispute["evidence_details"]["due_by"], "dispute.lapse", dispute["id"])
    if not inquiry:
        _move_money(world, dispute, -dispute["amount"], FEE, "charge.dispute.funds_withdrawn")
    return dispute


def handle_opening(world: World, charge_id: str) -> None:
    """The agenda's `dispute.open`: a charge to the disputing card is contested."""
    charge = world.fetch("charge", charge_id)
    card = card_of(world.fetch("payment_method", charge["payment_method"]))
    if not charge["disputed"] and not charge["refunded"]:
        reason = card.dispute_reason if card else "fraudulent"
        inquiry = card is not None and card.disputes == "inquiry"
        open_dispute(world, charge_id, inquiry=inquiry, reason=reason)


def _dispute(world: World, charge: JSON, reason: str, *, inquiry: bool) -> JSON:
    dispute = {
        "id": world.new_id("du", 24),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": world.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}, **dict.fromkeys((*_TEXTS, *_FILES))},
        "evidence_details": {
            "due_by": world.now + ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }
    if charge["payment_method_details"]["type"] == "card":
        kind = "inquiry" if inquiry else "chargeback"
        details = {"case_type": kind, "network_reason_code": "83"}
        paid_with = charge["payment_method_details"]["card"]
        same = {key: paid_with[key] for key in ("brand", "network")}
        card = {**same, **details}
        dispute["payment_method_details"] = {"card": card, "type": "card"}
    return dispute


def _move_money(world: World, dispute: JSON, amount: int, fee: int, event: str) -> None:
    """Book money away or back; a negative fee is one that is given back."""
    is_withdrawal = amount < 0
    entry = book(
        world,
        dispute,
        amount,
        kind="adjustment",
        category="dispute" if is_withdrawal else "dispute_reversal",
        fees=[fee_of(fee, dispute["currency"], "Dispute fee")],
        description=f"Chargeback {'withdrawal' if is_withdrawal else 'reversal'}"
        f" for {dispute['charge']}",
    )
    entries = [*dispute["balance_transactions"], entry]
    world.update(dispute, {"balance_transactions": entries}, event)


def _unanswered(call: Call) -> JSON:
    """The dispute.

    Raises:
        StripeError: 404, no such dispute; 400, it has been answered or decided.
    """
    dispute = _retrieve(call)
    if dispute["status"] not in _REVIEW:
        raise StripeError(
            400,
            f"This dispute is {dispute['status'].replace('_', ' ')}: it takes no answer any more.",
        )
    return dispute


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("dispute", call.ids["dispute"])


def _update(call: Call) -> JSON:
    """Add evidence and, unless `submit` is false, hand it in, upon which the bank decides."""
    world, params = call.world, call.params
    evidence = params.group("evidence")
    evidence.refuse_unknown(frozenset(_TEXTS))
    dispute = _unanswered(call) if evidence.values else _retrieve(call)
    changes: JSON = {}
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(dispute["metadata"])
    submitted = bool(evidence.values) and params.boolean("submit") is not False
    if evidence.values:
        given = {key: evidence.text(key) for key in evidence}
        changes["evidence"] = {**dispute["evidence"], **given}
        changes["evidence_details"] = {
            **dispute["evidence_details"],
            "has_evidence": any(changes["evidence"][key] for key in _TEXTS),
            "submission_count": dispute["evidence_details"]["submission_count"] + submitted,
        }
    asked = dispute["status"]
    if submitted:
        changes["status"] = _REVIEW[asked]
    world.update(dispute, changes, "charge.dispute.updated")
    decision = None
    if submitted:
        decision = _DECISIONS[asked].get(str(dispute["evidence"]["uncategorized_text"]))
    if decision == "needs_response":
        _escalate(world, dispute)
    elif decision is not None:
        _decide(world, dispute, decision)
    return dispute


def _escalate(world: World, dispute: JSON) -> None:
    """The bank isn't content with what it heard: the inquiry becomes a chargeback."""
    changes = {"is_charge_refundable": False, "status": "needs_response"}
    if "payment_method_details" in dispute:
        card = {**dispute["payment_method_details"]["card"], "case_type": "chargeback"}
        changes["payment_method_details"] = {"card": card, "type": "card"}
    world.update(dispute, changes, "charge.dispute.updated")
    _move_money(world, dispute, -dispute["amount"], FEE, "charge.dispute.funds_withdrawn")
    world.schedule(world.now + ANSWER_WITHIN, "dispute.lapse", dispute["id"])


def _decide(world: World, dispute: JSON, status: str) -> None:
    changes = {"is_charge_refundable": status != "lost", "status": status}
    world.update(dispute, changes, "charge.dispute.closed")
    if status == "won":
        _move_money(world, dispute, dispute["amount"], -FEE, "charge.dispute.funds_reinstated")


def _close(call: Call) -> JSON:
    """Accept the dispute: the money is lost."""
    dispute = _unanswered(call)
    if dispute["status"] != "needs_response":
        raise StripeError(
            400, "An inquiry has nothing to lose yet: refund the charge, or answer with evidence."
        )
    _decide(call.world, dispute, "lost")
    return dispute


def _list(call: Call) -> JSON:
    conditions = created_range(call.params)
    return page(call, "dispute", conditions + equalities(call.params, ["charge", "payment_intent"]))


def handle_lapse(world: World, identifier: str) -> None:
    """The agenda's `dispute.lapse`: nobody answered in time, and a bank keeps what it took."""
    dispute = world.fetch("dispute", identifier)
    if dispute["status"] in _REVIEW:
        details = {**dispute["evidence_details"], "past_due": True}
        world.update(dispute, {"evidence_details": details})
        lost = dispute["status"] == "needs_response"
        _decide(world, dispute, "lost" if lost else "warning_closed")


HANDLERS = {OPEN_DISPUTE: handle_opening, "dispute.lapse": handle_lapse}

OPERATIONS = (
    operation("GET", "/v1/disputes/{dispute}", _retrieve),
    operation("POST", "/v1/disputes/{dispute}", _update, "evidence metadata submit"),
    operation("POST", "/v1/disputes/{dispute}/close", _close),
    listing("/v1/disputes", _list, "charge created payment_intent"),
)
