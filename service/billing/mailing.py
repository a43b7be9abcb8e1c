"""Which happenings a reader is mailed about: from a row of the ledger to the notice."""

from datetime import datetime, timedelta

from service.billing import notices
from service.billing.notices import Notice
from service.billing.outlook import outlook_of
from service.billing.state import StoredState
from service.billing.transitions import Details, Happening
from service.db.tables import Offer

MAILED_WITHIN = timedelta(days=7)
"""What is heard of later, after an outage say, is in the ledger; a mail would only confuse."""


def notice_of(
    happening: Happening, after: StoredState, offer: Offer, *, open_until: datetime
) -> Notice | None:
    """The mail about this happening; None: none. `open_until` is when access ends by what is known now."""
    told, name = happening.details, offer.name
    match happening.type:
        case "subscription.started":
            return _welcome(after, name, told)
        case "subscription.trial_will_end":
            return _trial_ending(after, name, happening.at)
        case "subscription.renewed" if _amount(told, "amount_paid"):
            return notices.receipt(
                str(told["invoice"]), name, _invoiced(told, "amount_paid"),
                paid_until=after.current_period_end, address=_text(told, "invoice_url"),
            )  # fmt: skip
        case "subscription.payment_failed" if told["invoice_status"] == "open":
            invoice, due = str(told["invoice"]), _invoiced(told, "amount_due")
            if told.get("needs_action"):
                return notices.card_needed(
                    invoice, name, due, asks_bank=True, until=open_until,
                    invoice=_text(told, "invoice_url"),
                )  # fmt: skip
            return notices.payment_failed(invoice, name, due, until=open_until)
        case "subscription.paused":
            due = notices.Amount(after.amount, after.currency)
            return notices.card_needed(
                happening.once, name, due, asks_bank=False, until=None, invoice=None
            )
        case "subscription.cancel_scheduled":
            return _cancelled(after, name, open_until)
        case "subscription.ended":
            return _ended(str(told["reason"]), after, name)
        case "payment.refunded":
            back = notices.Amount(_amount(told, "amount_refunded"), str(told["currency_refunded"]))
            twice = told["reason"] == "duplicate"
            return notices.refund(str(told["refund"]), name, back, twice=twice)
        case _:
            return None


def _cancelled(after: StoredState, name: str, open_until: datetime) -> Notice:
    """With what is still charged or tried: an end that is asked for doesn't end an open invoice."""
    outlook = outlook_of(after)
    owed = None if not outlook.owed else notices.Amount(outlook.owed, after.currency)
    return notices.cancelled(
        after.id, name, ends_on=after.cancel_at, ended=False, owed=owed,
        open_until=None if after.access_stop else open_until, paid_until=outlook.paid_until, renews_on=outlook.charges_at,
    )  # fmt: skip


def _welcome(after: StoredState, name: str, told: Details) -> Notice | None:
    """None: access was stopped or over before anybody could be told, and another mail says why."""
    if after.access_stop or after.ended_at is not None:
        return None
    return notices.welcome(
        after.id, name, _price(after), first=_next(after), renews_on=after.current_period_end,
        trial_until=after.trial_end if after.status == "trialing" else None,
        receipt=_text(told, "invoice_url") if _amount(told, "amount_paid") else None,
    )  # fmt: skip


def _trial_ending(after: StoredState, name: str, at: datetime) -> Notice | None:
    """None: nothing is charged then, or the welcome of a short trial has said it in the same minute."""
    outlook = outlook_of(after)
    is_charged = outlook.charges_at is not None and not outlook.is_free
    if after.trial_end is None or after.access_stop or not is_charged or at <= after.started_at:
        return None
    return notices.trial_ending(
        after.id, name, _price(after), ends_on=after.trial_end, first=_next(after)
    )


def _price(after: StoredState) -> notices.Rate:
    return notices.Rate(after.amount, after.currency, after.interval, after.interval_count)


def _next(after: StoredState) -> notices.Amount | None:
    """The next charge where it isn't the price; None: it is, or nobody can say."""
    amount = outlook_of(after).amount
    if amount is None or amount == after.amount:
        return None
    return notices.Amount(amount, after.currency)


def _ended(reason: str, after: StoredState, name: str) -> Notice | None:
    match reason:
        case "voluntary":
            return notices.cancelled(after.id, name, ends_on=after.ended_at, ended=True)
        case "payment_failed":
            return notices.ended(after.id, name)
        case "trial_used":
            return notices.trial_used(after.id, name)
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
