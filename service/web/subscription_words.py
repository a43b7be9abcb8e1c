"""A subscription in its reader's words: its state, what comes next, what they can do: pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from service.access.words import long_day
from service.offers.pricing import amount_text, price_text
from service.reports.bought import SubscriptionFacts
from service.reports.standing import Standing

Tone = Literal["good", "warn", "bad", "quiet"]
OVER: frozenset[Standing] = frozenset({"ended", "incomplete"})
"""After these the reader may subscribe again."""
_OWING: frozenset[Standing] = frozenset({"past_due", "unpaid", "paused"})
_RESUME = "Changed your mind? Resume it with one click before it ends."
_AGAIN = "Subscribe again whenever you like."


@dataclass(frozen=True)
class SubscriptionShown:
    """One subscription. `next` says what happens and when, `advice` what the reader can do.

    `owes`: reading goes on, or opens again, with a payment or another card. `pay_url` is where an open invoice is paid or confirmed, `pay_text` that link's words; None: no
    such is known.
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
        owes=facts.standing in _OWING and not facts.access_stop,
        pay_url=facts.payment_url if told.pay_text else None,
        pay_text=told.pay_text,
    )


def _told(facts: SubscriptionFacts, zone: ZoneInfo, now: datetime) -> _Told:
    if facts.access_stop:
        return _stopped(facts, zone)
    match facts.standing:
        case "active" if facts.pauses_collection:
            told = "Nothing is charged for now, and everything stays open."
            advice = f"Once it goes on you pay {price_text(facts.price)} again."
            return _Told("Payment paused", "good", told, advice)
        case "active":
            renewal = long_day(facts.period_end, zone)
            amount = amount_text(facts.amount, facts.currency)
            return _Told("Active", "good", f"Renews on {renewal} for {amount}.")
        case "trial":
            return _trial(facts, zone)
        case "ending":
            end = long_day(facts.cancel_at or facts.until, zone)
            told = f"Ends on {end}. Until then everything is open."
            return _Told("Cancelled", "warn", told, _RESUME)
        case "past_due" | "unpaid":
            return _owing(facts, zone, now)
        case "paused":
            told = "The trial is over and there is no way of paying yet."
            return _Told("Paused", "bad", told, "Add a card to read on.")
        case "incomplete":
            told = "The first payment was never completed. Nothing was charged."
            return _Told("Never paid", "quiet", told, "Choose an offer to begin again.")
        case _:
            ended = long_day(facts.ended_at or facts.until, zone)
            return _Told("Ended", "quiet", f"Ended on {ended}.", _AGAIN)


def _trial(facts: SubscriptionFacts, zone: ZoneInfo) -> _Told:
    if facts.cancel_at is not None:
        end = long_day(facts.cancel_at, zone)
        return _Told("Trial, cancelled", "warn", f"You can read until {end}.", _RESUME)
    end = long_day(facts.trial_end or facts.period_end, zone)
    if facts.pauses_collection:
        told = f"Free until {end}. Payment is paused: nothing is charged then either."
        return _Told("Free trial", "good", told)
    told = f"Free until {end}, then {price_text(facts.price)}."
    return _Told("Free trial", "good", told, "Cancel before that day and nothing is charged.")


def _owing(facts: SubscriptionFacts, zone: ZoneInfo, now: datetime) -> _Told:
    """An invoice is open: what it waits for, and how long reading goes on."""
    amount = amount_text(facts.amount, facts.currency)
    until = long_day(facts.until, zone)
    if facts.standing == "unpaid":
        reading = "Reading is closed until the open invoice is paid."
    elif facts.until > now:
        reading = f"You can read on until {until}."
    else:
        reading = f"Reading is closed since {until}; it opens as soon as the open invoice is paid."
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
