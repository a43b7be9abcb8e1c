"""A subscription in its reader's words, from its whole state: pure.

Pages, walls, mails and the API take them from here alone. The English is the source that the
catalogues translate (docs/mail.md), so each text stands whole in a call of `say`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from service.billing.outlook import Situation, lacks_card, outlook_of
from service.billing.statuses import NEVER_STARTED, TERMINAL_STATUS

Tone = Literal["good", "warn", "bad", "quiet"]
_OVER = NEVER_STARTED | {TERMINAL_STATUS}


class Language(Protocol):
    """How a language writes; `say` takes an English text and fills its translation in."""

    def say(self, text: str, **values: str) -> str: ...
    def day(self, at: datetime) -> str: ...
    def money(self, amount: int, currency: str) -> str: ...
    def price(self, amount: int, currency: str, interval: str, count: int) -> str: ...


class WholeState(Situation, Protocol):
    """All that the words depend on."""

    @property
    def trial_end(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def pauses_collection(self) -> bool: ...
    @property
    def cancel_reason(self) -> str: ...
    @property
    def access_stop(self) -> str: ...
    @property
    def access_stopped_at(self) -> datetime | None: ...
    @property
    def payment_problem(self) -> str: ...
    @property
    def payment_url(self) -> str | None: ...
    @property
    def outside(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def interval(self) -> str: ...
    @property
    def interval_count(self) -> int: ...


@dataclass(frozen=True)
class Words:
    """`status` in a word or two, `next` what happens and when, `advice` what the reader can do.

    `next` and `advice` may be empty. `pay_text` are the words of a link to the open invoice; empty:
    there is nothing to pay there.
    """

    status: str
    tone: Tone
    next: str
    advice: str = ""
    pay_text: str = ""

    @property
    def told(self) -> str:
        """What happens and what to do, in a row."""
        return f"{self.next} {self.advice}".strip()


@dataclass(frozen=True)
class Told:
    """A subscription to be put into words at the business time `now`.

    `name` is its offer's. `until` is the end of the access that it gives or gave.
    """

    state: WholeState
    name: str
    until: datetime
    now: datetime
    language: Language


def words_of(told: Told) -> Words:
    """The one wording of this state."""
    state, say = told.state, told.language.say
    if state.access_stop:
        return _stopped(told)
    if state.outside == "price":
        return Words(say("Not one of our offers"), "bad", _not_sold(told), _write(told))
    match state.status:
        case "active":
            return _running(told)
        case "trialing":
            return _trial(told)
        case "past_due" | "unpaid" | "incomplete" if state.payment_problem == "bank":
            return _on_its_way(told)
        case "past_due" | "unpaid":
            return _owing(told)
        case "paused":
            return _without_card(told) if lacks_card(state, told.until) else _paused(told)
        case "incomplete" | "incomplete_expired":
            return Words(
                say("Payment not completed"), "quiet",
                say("The first payment wasn’t completed. You weren’t charged."),
                say("Choose an offer to start again."),
            )  # fmt: skip
        case "canceled":
            return Words(say("Ended"), "quiet", _ended(told), _again(told))
        case _:
            known = say("We don’t recognise the status of this subscription yet.")
            return Words(say("Under review"), "warn", known, _write(told))


def owing_line(state: WholeState, language: Language) -> str:
    """That a payment waits for the reader, in a line; empty: none does."""
    if state.payment_problem in {"", "bank"} or state.access_stop:
        return ""
    if state.payment_problem == "authentication":
        return language.say("Your bank asks you to confirm your payment.")
    return language.say("Your payment failed.")


def on_its_way(name: str, language: Language) -> str:
    """What was bought by a payment method that takes days; `name` is the offer's."""
    return language.say(
        "Your payment for %(name)s is being processed. This can take several days. You can read as soon as it arrives.",
        name=name,
    )  # fmt: skip


def _running(told: Told) -> Words:
    """Paid for, until it is renewed or ends."""
    state, say = told.state, told.language.say
    if state.cancel_at is not None:
        return Words(say("Cancelled"), "warn", _running_out(told, state.cancel_at), _resume(told))
    if state.pauses_collection:
        open_ = say("You won’t be charged for now, and you keep your access.")
        then = say("When payments resume, you pay %(price)s.", price=_price(told))
        return Words(say("Payments paused"), "good", open_, then)
    return Words(say("Active"), "good", _renews(told))


def _running_out(told: Told, end: datetime) -> str:
    say, day = told.language.say, told.language.day(end)
    if outlook_of(told.state).charges_at is not None:
        return _row(_renews(told), say("Ends on %(day)s.", day=day))
    return say(
        "Ends on %(day)s. You keep your access until then and won’t be charged again.", day=day
    )


def _renews(told: Told) -> str:
    """The next charge as Stripe has it."""
    outlook, say = outlook_of(told.state), told.language.say
    day = told.language.day(outlook.charges_at or told.state.current_period_end)
    if outlook.amount is None:
        return say("Renews on %(day)s.", day=day)
    if outlook.is_free:
        return say("Renews on %(day)s free of charge.", day=day)
    return say(
        "Renews on %(day)s for %(amount)s.", day=day, amount=_money(told, outlook.amount)
    )  # fmt: skip


def _trial(told: Told) -> Words:
    state, say = told.state, told.language.say
    outlook = outlook_of(state)
    if state.cancel_at is not None and outlook.charges_at is None:
        day = told.language.day(state.cancel_at)
        text = say("You can read until %(day)s. You won’t be charged.", day=day)
        return Words(say("Trial cancelled"), "warn", text, _resume(told))
    day = told.language.day(state.trial_end or state.current_period_end)
    if state.pauses_collection:
        text = say(
            "Free until %(day)s. Payments are paused: you won’t be charged after that either.",
            day=day,
        )
        return Words(say("Free trial"), "good", text)
    text = _after_trial(told, day)
    if state.cancel_at is not None:
        end = told.language.day(state.cancel_at)
        text = _row(text, say("Ends on %(day)s.", day=end))
    return Words(
        say("Free trial"), "good", text, say("Cancel before then and you won’t be charged.")
    )


def _after_trial(told: Told, day: str) -> str:
    """Stripe says the next charge alone, and a discount may last for several."""
    say, first = told.language.say, outlook_of(told.state).amount
    if first is None or first == told.state.amount:
        return say("Free until %(day)s, then %(price)s.", day=day, price=_price(told))
    if first == 0:
        return say("Free until %(day)s, then free of charge at first.", day=day)
    return say("Free until %(day)s, then %(amount)s at first.", day=day, amount=_money(told, first))


def _without_card(told: Told) -> Words:
    """The trial is over, and Stripe has nothing to charge."""
    state, say = told.state, told.language.say
    text = say("Your trial has ended, and we have no payment method for you.")
    if state.cancel_at is not None:
        end = told.language.day(state.cancel_at)
        text = _row(text, say("Ends on %(day)s.", day=end))
    return Words(say("Paused"), "bad", text, say("Add a payment method to keep reading."))


def _paused(told: Told) -> Words:
    """The newsroom, or the reader at Stripe, has paused it."""
    state, say = told.state, told.language.say
    text = say("Your subscription is paused. You won’t be charged and have no access until it resumes.")  # fmt: skip
    if state.cancel_at is not None:
        text = _row(text, say("Ends on %(day)s.", day=told.language.day(state.cancel_at)))
    return Words(say("Paused"), "warn", text, say("Contact us to resume it."))


def _on_its_way(told: Told) -> Words:
    """A bank debit waits for the bank's answer, which takes days."""
    say = told.language.say
    if told.state.status == "incomplete":
        return Words(say("Payment processing"), "warn", on_its_way(told.name, told.language))
    text = _row(say("Your bank is processing your payment."), _reading(told))
    return Words(say("Payment processing"), "warn", text, say("You don’t need to do anything."))


def _owing(told: Told) -> Words:
    """An invoice is open, and waits for the reader."""
    state, say, reading = told.state, told.language.say, _reading(told)
    owed = outlook_of(state).owed
    amount = _money(told, state.amount if owed is None else owed)
    if state.payment_problem == "authentication":
        return Words(
            say("Confirmation needed"), "bad",
            _row(say("Your bank asks you to confirm the payment of %(amount)s.", amount=amount), reading),
            say("Open the invoice to confirm the payment, or pay with another card.")
            if state.payment_url
            else say("Find the open invoice in your payments and confirm it there."),
            say("Confirm payment"),
        )  # fmt: skip
    status = say("Unpaid") if state.status == "unpaid" else say("Payment overdue")
    text = _row(say("Your payment of %(amount)s failed.", amount=amount), reading)
    advice = say("Update your payment details, or pay the open invoice.")
    return Words(status, "bad", text, advice, say("Pay invoice"))


def _reading(told: Told) -> str:
    """How long reading goes on while an invoice is open."""
    state, say, day = told.state, told.language.say, told.language.day
    if told.until <= told.now:
        reading = say(
            "Your access ended on %(day)s. It resumes as soon as you pay the open invoice.",
            day=day(told.until),
        )
    elif state.status == "unpaid":
        reading = say("You have no access until you pay the open invoice.")
    else:
        reading = say("You can keep reading until %(day)s.", day=day(told.until))
    outlook = outlook_of(state)
    if outlook.ends_at is None:
        return reading
    end = say("Your subscription is cancelled and ends on %(day)s.", day=day(outlook.ends_at))
    paid = day(outlook.paid_until)
    if state.status == "unpaid":
        # Stripe has given up trying by itself.
        rest = say("If you pay the open invoice, you can read until %(day)s.", day=paid)
    else:
        rest = say(
            "We will try the payment again. If it succeeds, you can read until %(day)s.",
            day=paid,
        )
    return _row(reading, end, rest)


def _ended(told: Told) -> str:
    """When and why, by Stripe's words."""
    say, day = told.language.say, told.language.day(told.state.ended_at or told.until)
    match told.state.cancel_reason:
        case "cancellation_requested":
            return say("Ended on %(day)s at your request.", day=day)
        case "payment_failed":
            return say("Ended on %(day)s because a payment failed.", day=day)
        case "payment_disputed":
            return say("Ended on %(day)s because a payment was disputed.", day=day)
        case _:
            return say("Ended on %(day)s.", day=day)


def _not_sold(told: Told) -> str:
    outlook, say = outlook_of(told.state), told.language.say
    text = say("Your subscription was changed to a product that doesn’t include access here.")
    if outlook.charges_at is None or not outlook.amount:
        return text
    again = say(
        "You will be charged %(amount)s on %(day)s.",
        day=told.language.day(outlook.charges_at), amount=_money(told, outlook.amount),
    )  # fmt: skip
    return _row(text, again)


def _stopped(told: Told) -> Words:
    """Access was taken away although the status would give it."""
    state, say = told.state, told.language.say
    ended = told.language.day(state.access_stopped_at or told.until)
    anew = _again(told) if state.status in _OVER else _soon(told)
    match state.access_stop:
        case "dispute":
            return Words(
                say("On hold"), "bad",
                say("You or your bank disputed a payment. Your access has been on hold since %(day)s, until the bank decides.", day=ended),
                say("If this is a mistake, ask your bank to withdraw the dispute. Your access then resumes automatically."),
            )  # fmt: skip
        case "dispute_lost":
            text = say("Your bank reversed a disputed payment, so your access ended on %(day)s.", day=ended)  # fmt: skip
            return Words(say("Ended"), "quiet", text, anew)
        case "trial_used":
            return _used_up(told)
        case "duplicate":
            text = say("You subscribed twice. We cancelled this subscription and will refund what you paid for it.")  # fmt: skip
            anew = _again(told) if state.status in _OVER else ""
            return Words(say("Duplicate, cancelled"), "quiet", text, anew)
        case _:
            text = say("Your payment was refunded, and your access ended on %(day)s.", day=ended)
            return Words(say("Refunded"), "quiet", text, _after_refund(told))


def _used_up(told: Told) -> Words:
    """The card has had a trial or an intro price before."""
    state, say = told.state, told.language.say
    anew = _soon(told)
    if state.trial_end is not None:
        if state.status in _OVER:
            anew = say("You can still subscribe without a trial, also with this card.")
        text = say("This card has already been used for a free trial, so we cancelled this one. You weren’t charged.")  # fmt: skip
        return Words(say("Trial not available"), "warn", text, anew)
    if state.status in _OVER:
        anew = say("You can still subscribe at the regular price, also with this card.")
    text = say("This card has already been used for an introductory price, so we cancelled this one. We will refund what you paid.")  # fmt: skip
    return Words(say("Introductory price not available"), "warn", text, anew)


def _after_refund(told: Told) -> str:
    state, say, day = told.state, told.language.say, told.language.day
    if state.status in _OVER:
        return _again(told)
    if state.cancel_at is not None:
        return say(
            "Your subscription ends on %(day)s, and you won’t be charged again. After that you can start a new one.",
            day=day(state.cancel_at),
        )  # fmt: skip
    if state.status == "active" and not state.pauses_collection:
        return say(
            "Your access resumes with your next payment on %(day)s. If you don’t want that, cancel before then.",
            day=day(state.current_period_end),
        )  # fmt: skip
    return say("Your access resumes when the next invoice is paid.")


def _again(told: Told) -> str:
    return told.language.say("You can subscribe again at any time.")


def _soon(told: Told) -> str:
    return told.language.say("It is being cancelled. You can subscribe to a new offer in a minute.")


def _resume(told: Told) -> str:
    return told.language.say("Changed your mind? Resume it with one click before it ends.")


def _write(told: Told) -> str:
    return told.language.say("Contact us and we will fix it.")


def _row(*sentences: str) -> str:
    return " ".join(sentences)


def _price(told: Told) -> str:
    state = told.state
    return told.language.price(state.amount, state.currency, state.interval, state.interval_count)


def _money(told: Told, amount: int) -> str:
    return told.language.money(amount, told.state.currency)
