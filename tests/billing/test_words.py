"""Every state in words: a table of status × end × invoice × discount × pause × stop × why it ended.

The language of this table writes days, amounts and prices as marks, so that what is promised is read off.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from service.billing.language import WrittenIn
from service.billing.outlook import outlook_of
from service.billing.statuses import NEVER_STARTED
from service.billing.words import Told, Words, on_its_way, owing_line, words_of
from tests.outbox.test_translations import said

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
DAY = timedelta(days=1)
PERIOD_END, LATER, STOPPED = NOW + 10 * DAY, NOW + 40 * DAY, NOW - 2 * DAY
PRICE, HALF, OPEN = 900, 450, 870
CHARGED = {"trialing", "active", "past_due"}


@dataclass(frozen=True)
class State:
    """A subscription; what Stripe would charge and when follows from the rest."""

    status: str = "active"
    cancel_at: datetime | None = None
    pauses_collection: bool = False
    next_amount: int | None = PRICE
    payment_problem: str = ""
    payment_url: str | None = "https://invoice.example.org/1"
    cancel_reason: str = ""
    access_stop: str = ""
    outside: str = ""
    amount: int = PRICE
    currency: str = "EUR"
    interval: str = "month"
    interval_count: int = 1
    current_period_end: datetime = PERIOD_END

    @property
    def trial_end(self) -> datetime | None:
        """Some that aren't in a trial any more had one."""
        return PERIOD_END if self.status == "trialing" or self.next_amount is None else None

    @property
    def ended_at(self) -> datetime | None:
        return NOW - DAY if self.status == "canceled" else None

    @property
    def access_stopped_at(self) -> datetime | None:
        return STOPPED if self.access_stop else None

    @property
    def next_charge_at(self) -> datetime | None:
        ends_first = self.cancel_at is not None and self.cancel_at <= PERIOD_END
        if self.status not in CHARGED or self.pauses_collection or ends_first:
            return None
        return PERIOD_END

    @property
    def open_amount(self) -> int | None:
        return OPEN if self.status in {"past_due", "unpaid"} else None

    @property
    def is_over(self) -> bool:
        return self.status == "canceled" or self.status in NEVER_STARTED


STATUSES = (
    "trialing", "active", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired",
    "canceled", "resting",
)  # fmt: skip
PROBLEMS = {"past_due": ("card", "authentication", "bank"), "incomplete": ("", "bank")}
PROBLEMS["unpaid"] = PROBLEMS["past_due"]
WHY = ("", "cancellation_requested", "payment_failed", "payment_disputed")
STOPS = ("", "dispute", "dispute_lost", "refund", "trial_used", "duplicate")


def every_state() -> Iterator[State]:
    for status in STATUSES:
        is_over = status == "canceled" or status in NEVER_STARTED
        yield from (
            State(status, *facts)
            for facts in product(
                (None,) if is_over else (None, PERIOD_END, LATER),
                (False,) if is_over else (False, True),
                (PRICE, HALF, 0, None),
                PROBLEMS.get(status, ("",)),
                ("https://invoice.example.org/1", None),
                WHY if status == "canceled" else ("",),
                STOPS,
                ("",) if is_over else ("", "price", "discount"),
            )
        )


@dataclass
class Marks:
    """A language that writes `<2026-03-20>` and `<900 EUR>`, and remembers what it said."""

    said: set[str] = field(default_factory=set)

    def say(self, text: str, **values: str) -> str:
        self.said.add(text)
        return text % values

    def day(self, at: datetime) -> str:
        return f"<{at:%Y-%m-%d}>"

    def money(self, amount: int, currency: str) -> str:
        return f"<{amount} {currency}>"

    def price(self, amount: int, currency: str, interval: str, count: int) -> str:
        return f"<{amount} {currency} every {count} {interval}>"


def told_of(state: State, language: Marks | WrittenIn, *, until: datetime = PERIOD_END) -> Words:
    return words_of(Told(state, "Digital", until, NOW, language))


def test_no_state_promises_what_another_part_of_it_denies() -> None:
    marks = Marks()
    states = list(every_state())
    assert len(states) == len(set(states)) > 3000
    for state in states:
        for until in (STOPPED, PERIOD_END):
            words = told_of(state, marks, until=until)
            check(state, words, marks, until=until)
        owing_line(state, marks)


def check(state: State, words: Words, marks: Marks, *, until: datetime) -> None:
    outlook, text = outlook_of(state), f"{words.status} {words.told}"
    assert words.status, state
    assert words.next, state
    goes_on = state.status in {"trialing", "active"}
    is_ours = not state.access_stop and state.outside != "price"
    # Charges: their day and amount where there are any, and none promised where there are none.
    promises = "Renews on" in text or ", then " in text or "will be charged <" in text
    assert promises is (
        outlook.charges_at is not None
        and not state.access_stop
        and (goes_on if is_ours else bool(outlook.amount))
    ), (state, text)
    if promises and outlook.charges_at is not None:
        assert marks.day(outlook.charges_at) in text, (state, text)
        if outlook.amount:
            assert f"<{outlook.amount} EUR" in text, (state, text)
        if outlook.amount == 0:
            assert "free of charge" in text, (state, text)
    denies = "won’t be charged" in text and "Cancel before then" not in text
    assert not (denies and promises), (state, text)
    assert not (denies and outlook.owed and is_ours), (state, text)
    # The end, where one is known.
    if is_ours and outlook.ends_at is not None and state.status != "resting":
        assert marks.day(outlook.ends_at) in text, (state, text)
    # What is owed, and until when reading is open.
    if is_ours and state.status in {"past_due", "unpaid"}:
        waits = state.payment_problem != "bank"
        assert (f"<{OPEN} EUR>" in text) is waits, (state, text)
        assert ("You don’t need to do anything." in text) is not waits, (state, text)
        is_closed = until <= NOW or state.status == "unpaid"
        assert ("You can keep reading until" in text) is not is_closed, (state, text)
        assert bool(words.pay_text) is waits
    else:
        assert not words.pay_text, state
    # The way back.
    assert ("ubscribe again" in text) <= state.is_over, (state, text)
    if state.status == "canceled" and state.access_stop != "dispute":
        assert "ubscribe" in words.advice, (state, text)


@pytest.mark.parametrize(
    ("state", "until", "english", "german"),
    [
        (
            State(), PERIOD_END,
            "Active: Renews on 20 March 2026 for €9.00.",
            "Läuft: Verlängert sich am 20. März 2026 für 9,00\N{NO-BREAK SPACE}€.",
        ),
        (
            State("past_due", LATER, payment_problem="card"), PERIOD_END,
            ("Payment overdue: Your payment of €8.70 failed. You can keep reading until 20 "
            "March 2026. Your subscription is cancelled and ends on 19 April 2026. We will "
            "try the payment again. If it succeeds, you can read until 20 March 2026. Update "
            "your payment details, or pay the open invoice."),
            ("Zahlung überfällig: Ihre Zahlung von 8,70\N{NO-BREAK SPACE}€ ist fehlgeschlagen."
            " Sie können bis zum"
            " 20. März 2026 weiterlesen. Ihr Abonnement ist gekündigt und endet am 19. April 2026. Wir"
            " versuchen die Zahlung erneut. Wenn sie gelingt, können Sie bis zum 20. März 2026 lesen."
            " Aktualisieren Sie Ihre Zahlungsdaten, oder bezahlen Sie die offene Rechnung."),
        ),
        (
            # Stripe tries an unpaid invoice no more.
            State("unpaid", PERIOD_END, payment_problem="card"), STOPPED,
            ("Unpaid: Your payment of €8.70 failed. Your access ended on 8 March 2026. It "
            "resumes as soon as you pay the open invoice. Your subscription is cancelled and "
            "ends on 20 March 2026."
            " If you pay the open invoice, you can read until 20 March 2026. Update your "
            "payment details, or pay the open invoice."),
            None,
        ),
        (
            State("canceled", cancel_reason="payment_failed"), STOPPED,
            ("Ended: Ended on 9 March 2026 because a payment failed. You can subscribe again at any time."),
            ("Beendet: Am 9. März 2026 beendet, weil eine Zahlung fehlgeschlagen ist. Sie können"
            " jederzeit neu abonnieren."),
        ),
        (
            State("paused"), STOPPED,
            ("Paused: Your subscription is paused. You won’t be charged and have no access "
            "until it resumes. Contact us to resume it."),
            ("Pausiert: Ihr Abonnement ist pausiert. Bis es weitergeht, wird nichts abgebucht, und Sie haben"
            " keinen Zugang. Schreiben Sie uns, wenn es weitergehen soll."),
        ),
        (
            State("paused", PERIOD_END, next_amount=None), STOPPED,
            ("Paused: Your trial has ended, and we have no payment method for you. Ends on 20 "
            "March 2026. Add a payment method to keep reading."),
            None,
        ),
    ],
)  # fmt: skip
def test_some_states_word_for_word(
    state: State, until: datetime, english: str, german: str | None
) -> None:
    for code, expected in (("en", english), ("de", german)):
        words = told_of(state, WrittenIn(code, ZoneInfo("Europe/Lisbon")), until=until)
        assert expected is None or f"{words.status}: {words.told}" == expected


def test_the_table_reaches_every_sentence() -> None:
    marks = Marks()
    for state, until in product(every_state(), (STOPPED, PERIOD_END)):
        told_of(state, marks, until=until)
        owing_line(state, marks)
    on_its_way("Digital", marks)
    assert marks.said == said()


def test_amounts_are_those_of_the_price_beside_them() -> None:
    english = WrittenIn("en", ZoneInfo("UTC"))
    assert english.money(500, "JPY") == "¥500"
    assert english.price(500, "USD", "month", 3) == "$5.00 every 3 months"
    state = replace(State(), currency="USD", next_amount=HALF)
    assert told_of(state, english).next == "Renews on 20 March 2026 for $4.50."
