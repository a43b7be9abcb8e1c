"""Which happenings a reader is mailed about: from a row of the ledger to the notice."""

from datetime import datetime, timedelta

from service.billing import notices
from service.billing.notices import About, Notice
from service.billing.outlook import lacks_card, outlook_of
from service.billing.state import StoredState
from service.billing.transitions import TRIAL_WILL_END, Details, Happening
from service.db.tables import Offer

MAILED_WITHIN = timedelta(days=7)
"""What is heard of later, after an outage say, is in the ledger; a mail would only confuse."""


def notice_of(
    happening: Happening, after: StoredState, offer: Offer, *, open_until: datetime
) -> Notice | None:
    """The mail about this happening; None: none. `open_until` is when access ends by what is known now."""
    told = happening.details
    about = About(after, after.id, offer.name, open_until)
    match happening.type:
        case "subscription.started":
            return _welcome(after, about, told)
        case "subscription.trial_will_end":
            return _trial_ending(after, about, happening.at)
        case "subscription.renewed" | "subscription.trial_paid" if _amount(told, "amount_paid"):
            return notices.receipt(
                str(told["invoice"]), about, _invoiced(told, "amount_paid"),
                paid_until=datetime.fromisoformat(str(told["paid_until"])), address=_text(told, "invoice_url"),
            )  # fmt: skip
        case "subscription.payment_failed" if told["invoice_status"] == "open":
            invoice = str(told["invoice"])
            if told.get("needs_action"):
                return notices.card_needed(invoice, about, invoice=_text(told, "invoice_url"))
            return notices.payment_failed(invoice, about, _invoiced(told, "amount_due"))
        case "subscription.paused" if lacks_card(after, open_until):
            return notices.card_needed(happening.once, about, invoice=None)
        case "subscription.cancel_scheduled":
            return notices.cancelled(about, ends_on=after.cancel_at)
        case "subscription.ended":
            return _ended(str(told["reason"]), after, about)
        case "payment.refunded":
            back = notices.Amount(_amount(told, "amount_refunded"), str(told["currency_refunded"]))
            return notices.refund(str(told["refund"]), offer.name, back, about)
        case _:
            return None


def _welcome(after: StoredState, about: About, told: Details) -> Notice | None:
    """None: access was stopped or over before anybody could be told, and another mail says why; or it was
    changed to something that opens nothing.
    """
    if after.access_stop or after.ended_at is not None or after.outside == "price":
        return None
    outlook = outlook_of(after)
    ends_soon = after.trial_end is None or after.trial_end - TRIAL_WILL_END <= after.started_at
    return notices.welcome(
        about,
        is_open=after.status in {"trialing", "active"},
        reminds=after.status == "trialing" and outlook.amount != 0 and not ends_soon,
        may_be_used=after.status == "trialing" or 0 < _amount(told, "amount_paid") < after.amount,
        renews=outlook.charges_at is not None and outlook.ends_at is None,
        receipt=_text(told, "invoice_url") if _amount(told, "amount_paid") else None,
    )


def _trial_ending(after: StoredState, about: About, at: datetime) -> Notice | None:
    """None: nothing is charged then, or the welcome of a short trial has said it in the same minute."""
    outlook = outlook_of(after)
    is_charged = outlook.charges_at is not None and not outlook.is_free
    if after.trial_end is None or after.access_stop or not is_charged or at <= after.started_at:
        return None
    return notices.trial_ending(about, ends_on=after.trial_end)


def _ended(reason: str, after: StoredState, about: About) -> Notice | None:
    match reason:
        case "voluntary":
            return notices.cancelled(about, ends_on=after.ended_at)
        case "payment_failed":
            return notices.ended(about)
        case "trial_used":
            return notices.trial_used(about)
        case _:
            return None  # the mail about the money says it, or the bank has


def _invoiced(told: Details, key: str) -> notices.Amount:
    return notices.Amount(_amount(told, key), str(told["invoice_currency"]))


def _amount(told: Details, key: str) -> int:
    value = told.get(key)
    return value if isinstance(value, int) else 0


def _text(told: Details, key: str) -> str | None:
    value = told.get(key)
    return value if isinstance(value, str) else None
