"""A subscription in its reader's words: its state, what comes next, what they can do: pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from service.access.words import long_day
from service.billing.outlook import outlook_of
from service.offers.pricing import amount_text, price_text
from service.reports.bought import SubscriptionFacts
from service.reports.standing import Standing, standing_of
from service.web.pass_words import processing_line

Tone = Literal["good", "warn", "bad", "quiet"]
OVER: frozenset[Standing] = frozenset({"ended", "incomplete"})
"""After these the reader may subscribe again."""
_OWING: frozenset[Standing] = frozenset({"past_due", "unpaid", "paused"})
_RESUME = "Changed your mind? Resume it with one click before it ends."
_WRITE = "Write to us and we put it right."
_AGAIN = "Subscribe again whenever you like."
_ENDED = {
    "cancellation_requested": ", as you had asked",
    "payment_failed": ", because we couldn’t collect the payment",
    "payment_disputed": ", because a payment was disputed",
}
"""Why, by Stripe's words."""


@dataclass(frozen=True)
class SubscriptionShown:
    """One subscription. `next` says what happens and when, `advice` what the reader can do.

    `owes`: reading goes on, or opens again, with a payment or another card. `pay_url` is where an open
    invoice is paid or confirmed, `pay_text` that link's words; None: no such is known.
    """

    name: str
    price: str
    status: str
    tone: Tone
    next: str
    advice: str
    owes: bool
    pay_url: str | None
    pay_text: str


@dataclass(frozen=True)
class _Told:
    status: str
    tone: Tone
    next: str
    advice: str = ""
    pay_text: str = ""


def subscription_shown(
    facts: SubscriptionFacts, zone: ZoneInfo, now: datetime
) -> SubscriptionShown:
    """The subscription in words at the business time `now`; `next` and `advice` may be empty."""
    told = _told(facts, zone, now)
    return SubscriptionShown(
        name=facts.offer_name,
        price=price_text(facts.price),
        status=told.status,
        tone=told.tone,
        next=told.next,
        advice=told.advice,
        owes=facts.standing in _OWING and facts.payment_problem != "bank" and not facts.access_stop,
        pay_url=facts.payment_url if told.pay_text else None,
        pay_text=told.pay_text,
    )


def leaves_no_room(facts: SubscriptionFacts) -> bool:
    """Whether the reader can't subscribe beside it."""
    is_under_way = facts.standing == "incomplete" and facts.payment_problem == "bank"
    return is_under_way or (facts.standing not in OVER and facts.outside != "price")


def _told(facts: SubscriptionFacts, zone: ZoneInfo, now: datetime) -> _Told:
    if facts.access_stop:
        return _stopped(facts, zone)
    if facts.outside == "price":
        return _Told("Not one of our offers", "bad", _not_sold(facts, zone), _WRITE)
    standing = standing_of(facts.status, facts.cancel_at, "") if facts.outside else facts.standing
    if standing in {"active", "ending"}:
        return _running(facts, zone)
    if standing == "trial":
        return _trial(facts, zone)
    if facts.payment_problem == "bank":
        return _on_its_way(facts, zone, now)
    if standing in {"past_due", "unpaid"}:
        return _owing(facts, zone, now)
    return _resting(facts, standing, zone)


def _running(facts: SubscriptionFacts, zone: ZoneInfo) -> _Told:
    """Paid for, until it is renewed or ends."""
    if facts.cancel_at is not None:
        end = long_day(facts.cancel_at, zone)
        told = f"Ends on {end}. Until then everything is open."
        if outlook_of(facts).charges_at is not None:
            told = f"{_renews(facts, zone)} Ends on {end}."
        return _Told("Cancelled", "warn", told, _RESUME)
    if facts.pauses_collection:
        told = "Nothing is charged for now, and everything stays open."
        advice = f"Once it goes on you pay {price_text(facts.price)} again."
        return _Told("Payment paused", "good", told, advice)
    return _Told("Active", "good", _renews(facts, zone))


def _resting(facts: SubscriptionFacts, standing: Standing, zone: ZoneInfo) -> _Told:
    """Not open now, and no invoice is."""
    match standing:
        case "paused":
            told = "The trial is over and there is no way of paying yet."
            return _Told("Paused", "bad", told, "Add a card to read on.")
        case "outside":
            return _Told("Being checked", "warn", "We don’t know this state yet.", _WRITE)
        case "incomplete":
            told = "The first payment was never completed. Nothing was charged."
            return _Told("Never paid", "quiet", told, "Choose an offer to begin again.")
        case _:
            ended = long_day(facts.ended_at or facts.until, zone)
            told = f"Ended on {ended}{_ENDED.get(facts.cancel_reason, '')}."
            return _Told("Ended", "quiet", told, _AGAIN)


def _renews(facts: SubscriptionFacts, zone: ZoneInfo) -> str:
    """The next charge as Stripe has it."""
    outlook = outlook_of(facts)
    day = long_day(outlook.charges_at or facts.period_end, zone)
    if outlook.amount is None:
        return f"Renews on {day}."
    if outlook.is_free:
        return f"Renews on {day} without a charge."
    return f"Renews on {day} for {amount_text(outlook.amount, facts.currency)}."


def _not_sold(facts: SubscriptionFacts, zone: ZoneInfo) -> str:
    outlook = outlook_of(facts)
    told = "Your subscription was changed to something that opens nothing here."
    if outlook.charges_at is None or not outlook.amount:
        return told
    amount, day = amount_text(outlook.amount, facts.currency), long_day(outlook.charges_at, zone)
    return f"{told} It is charged again on {day}: {amount}."


def _trial(facts: SubscriptionFacts, zone: ZoneInfo) -> _Told:
    outlook = outlook_of(facts)
    if facts.cancel_at is not None and outlook.charges_at is None:
        end = long_day(facts.cancel_at, zone)
        return _Told("Trial, cancelled", "warn", f"You can read until {end}.", _RESUME)
    end = long_day(facts.trial_end or facts.period_end, zone)
    if facts.pauses_collection:
        told = f"Free until {end}. Payment is paused: nothing is charged then either."
        return _Told("Free trial", "good", told)
    then = price_text(facts.price)
    if outlook.amount is not None and outlook.amount != facts.amount:
        first = amount_text(outlook.amount, facts.currency)
        then = f"{first} at first" if outlook.amount else "still without a charge"
    told = f"Free until {end}, then {then}."
    if facts.cancel_at is not None:
        told = f"{told} Ends on {long_day(facts.cancel_at, zone)}."
    return _Told("Free trial", "good", told, "Cancel before that day and nothing is charged.")


def _on_its_way(facts: SubscriptionFacts, zone: ZoneInfo, now: datetime) -> _Told:
    """A bank debit waits for the bank's answer, which takes days."""
    if facts.standing == "incomplete":
        return _Told("Payment on its way", "warn", processing_line(facts.offer_name))
    told = f"Your bank is transferring your payment. {_reading(facts, zone, now)}"
    return _Told("Payment on its way", "warn", told, "You need to do nothing.")


def _reading(facts: SubscriptionFacts, zone: ZoneInfo, now: datetime) -> str:
    """How long reading goes on while an invoice is open."""
    outlook, until = outlook_of(facts), long_day(facts.until, zone)
    if facts.standing == "unpaid":
        reading = "Reading is closed until the open invoice is paid."
    elif facts.until > now:
        reading = f"You can read on until {until}."
    else:
        reading = f"Reading is closed since {until}; it opens as soon as the open invoice is paid."
    if outlook.ends_at is None:
        return reading
    end, paid = long_day(outlook.ends_at, zone), long_day(outlook.paid_until, zone)
    return (
        f"{reading} The subscription is cancelled and ends on {end}. The open payment is still"
        f" tried; once it is paid, you can read until {paid}."
    )


def _owing(facts: SubscriptionFacts, zone: ZoneInfo, now: datetime) -> _Told:
    """An invoice is open, and waits for the reader."""
    outlook = outlook_of(facts)
    amount = amount_text(facts.amount if outlook.owed is None else outlook.owed, facts.currency)
    reading = _reading(facts, zone, now)
    has_link = bool(facts.payment_url)
    if facts.payment_problem == "authentication":
        told = f"Your bank wants you to confirm the payment of {amount}. {reading}"
        return _Told(
            "Waits for your confirmation",
            "bad",
            told,
            "Open the invoice and confirm the payment there, or pay it with another card."
            if has_link
            else "Look for the open invoice under your payments and confirm it there.",
            "Confirm the payment",
        )
    if facts.standing == "unpaid":
        return _Told("Unpaid", "bad", reading, "Pay it, or update your card.", "Pay the invoice")
    return _Told(
        "Payment overdue",
        "bad",
        f"We couldn’t collect {amount}. {reading}",
        "Update your card, or pay the open invoice.",
        "Pay the invoice",
    )


def _stopped(facts: SubscriptionFacts, zone: ZoneInfo) -> _Told:
    """Access was taken away although the status would give it."""
    is_over = facts.standing in OVER
    ended = long_day(facts.access_stopped_at or facts.until, zone)
    match facts.access_stop:
        case "dispute":
            return _Told(
                "On hold",
                "bad",
                f"You or your bank disputed a payment. Reading is on hold since {ended}, until the"
                " bank has decided.",
                "If that is a mistake, ask your bank to withdraw the dispute. Reading then opens"
                " again by itself.",
            )
        case "dispute_lost":
            told = f"Your bank took a disputed payment back, so reading ended on {ended}."
            return _Told("Ended", "quiet", told, _AGAIN if is_over else _SOON)
        case "trial_used":
            told = (
                "This card has had a free trial before, so this one was stopped."
                " Nothing was charged."
            )
            advice = (
                "Subscribe without a trial, with the same card if you like." if is_over else _SOON
            )
            return _Told("Trial not available", "warn", told, advice)
        case "duplicate":
            told = (
                "You had subscribed twice. We cancelled this one, and what you paid for it goes"
                " back to you."
            )
            return _Told("Cancelled, was double", "quiet", told, _AGAIN if is_over else "")
        case _:
            told = f"Your money went back to you, and reading ended on {ended}."
            return _Told("Refunded", "quiet", told, _after_refund(facts, zone))


_SOON = "It is being cancelled. Load this page again in a minute, and you can subscribe anew."


def _after_refund(facts: SubscriptionFacts, zone: ZoneInfo) -> str:
    if facts.standing in OVER:
        return _AGAIN
    if facts.cancel_at is not None:
        end = long_day(facts.cancel_at, zone)
        return (
            f"The subscription ends on {end} and isn’t charged again. Then you can subscribe anew."
        )
    if facts.standing == "active" and not facts.pauses_collection:
        renewal = long_day(facts.period_end, zone)
        return (
            f"Reading opens again with your next payment on {renewal}. If you don’t want that,"
            " cancel before that day."
        )
    return "Reading opens again once the next invoice is paid."
