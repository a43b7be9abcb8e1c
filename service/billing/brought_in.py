"""What has become of subscriptions that were imported from Stripe: a line for each, and sums. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from service.billing.outside import OUTSIDE_ADVICE, OUTSIDE_WORDS
from service.billing.state import StoredState
from service.billing.statuses import LIVE_STATUSES
from service.offers.pricing import amount_text, period_text
from service.payments.set_up import StripePrice
from service.texts import number_of

Kind = Literal["price", "address", "shared", "several", "outside", "stopped", "refused", "failed"]
ABOUT: dict[Kind, str] = {
    "price": "Prices that aren't in your catalogue",
    "address": "No address to sign in with",
    "shared": "Several customers with one address",
    "several": "Several live subscriptions of one customer",
    "outside": "Outside the catalogue, and in no figure",
    "stopped": "Access is stopped by what happened to the money",
    "refused": "Not imported, since Stripe or a rule refused it",
    "failed": "Couldn't be read",
}
"""What there is to look at, in the order of the summary."""
EXAMPLES = 5
MOST_PRICES = 50
"""As many are kept with a run, and can be chosen for at once."""
_WITH_ADDRESSES: frozenset[Kind] = frozenset({"address", "shared"})


@dataclass(frozen=True)
class Note:
    """Something to look at. `words` say what it is and what to do."""

    kind: Kind
    words: str


@dataclass(frozen=True)
class Entry:
    """What has become of one subscription. `monthly` is what it brings to MRR, exactly."""

    outcome: Literal["imported", "skipped"]
    customer: str
    subscription: str
    status: str
    email: str | None = None
    plan: str = ""
    currency: str = ""
    monthly: Fraction = Fraction(0)
    movements: int = 0
    notes: tuple[Note, ...] = ()

    def document(self) -> dict[str, Any]:
        """The entry as JSON; what is empty is left out."""
        fields = {
            "outcome": self.outcome,
            "customer": self.customer,
            "email": self.email,
            "subscription": self.subscription,
            "status": self.status,
            "plan": self.plan,
            "movements": self.movements,
            "notes": [{"kind": each.kind, "text": each.words} for each in self.notes],
        }
        return {key: value for key, value in fields.items() if value}


@dataclass
class Brought:
    """The sums of a run so far; of a trial run, what they would be."""

    read: int = 0
    customers: int = 0
    known: int = 0
    """Subscriptions that are stored already, or whose customer a checkout or an operator bound."""
    statuses: Counter[str] = field(default_factory=Counter)
    movements: int = 0
    mrr: dict[str, Fraction] = field(default_factory=dict)
    """What the imported ones bring in a month, by currency, in minor units."""
    prices: Counter[str] = field(default_factory=Counter)
    """By price that isn't in the catalogue, how many subscriptions hold nothing else."""
    _about_prices: dict[str, str] = field(default_factory=dict)
    _price_faults: dict[str, str] = field(default_factory=dict)
    _notes: dict[Kind, list[tuple[str, str]]] = field(default_factory=dict)
    _counts: Counter[Kind] = field(default_factory=Counter)

    @property
    def imported(self) -> int:
        return self.statuses.total()

    @property
    def result(self) -> str:
        """What became of the run, in words."""
        return (
            f"{number_of(self.imported, 'subscription')} of {number_of(self.customers, 'customer')}"
        )

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        if entry.outcome == "imported":
            self.statuses[entry.status] += 1
            self.movements += entry.movements
            if entry.monthly:
                so_far = self.mrr.get(entry.currency, Fraction(0))
                self.mrr[entry.currency] = so_far + entry.monthly
        for note in entry.notes:
            self._counts[note.kind] += 1
            examples = self._notes.setdefault(note.kind, [])
            if len(examples) < EXAMPLES:
                examples.append((entry.subscription, note.words))

    def add_foreign(self, price: StripePrice, fault: str) -> None:
        """Count a subscription of a price that we don't know. `fault`: why no offer can have it, or empty."""
        self.prices[price.id] += 1
        self._about_prices[price.id] = _about(price)
        self._price_faults[price.id] = fault

    def document(self) -> dict[str, Any]:
        """The sums as JSON. Words with addresses are left out: where this is kept, no reader is erased."""
        return {
            "read": self.read, "customers": self.customers, "subscriptions": self.imported,
            "known": self.known, "movements": self.movements, "statuses": dict(self.statuses),
            "mrr": {currency: round(monthly) for currency, monthly in self.mrr.items()},
            "prices": [
                {
                    "price": price, "words": self._about_prices[price], "subscriptions": count,
                    "fault": self._price_faults[price],
                }
                for price, count in self._most_choosable()
            ],
            "notes": [
                {
                    "words": ABOUT[kind], "count": count,
                    "examples": [
                        {"about": about, "words": "" if kind in _WITH_ADDRESSES else words}
                        for about, words in examples
                    ],
                }
                for kind, count, examples in self.notes()
                if kind != "price"
            ],
        }  # fmt: skip

    def _most_choosable(self) -> list[tuple[str, int]]:
        """Prices with the number of their subscriptions; those that no offer can have come last."""
        found = self.prices.most_common()
        return sorted(found, key=lambda each: bool(self._price_faults[each[0]]))[:MOST_PRICES]

    def notes(self) -> Iterator[tuple[Kind, int, list[tuple[str, str]]]]:
        """Kind, number and the first examples, in the order of `ABOUT`."""
        for kind in ABOUT:
            if kind == "price" and self.prices:
                found = self.prices.most_common()
                yield (
                    kind,
                    len(found),
                    [
                        (price, f"{self._about_prices[price]}: {number_of(count, 'subscription')}")
                        for price, count in found
                    ],
                )
            elif self._counts[kind]:
                yield kind, self._counts[kind], self._notes[kind]


def entry_of(state: StoredState, customer: str, email: str | None, *, movements: int) -> Entry:
    """What was stored of a subscription that was imported."""
    revenue, notes = state.revenue, []
    if state.outside:
        words = f"{OUTSIDE_WORDS[state.outside]}. {OUTSIDE_ADVICE[state.outside]}"
        notes.append(Note("outside", words))
    if state.access_stop and state.status in LIVE_STATUSES:
        what = state.access_stop.replace("_", " ")
        words = f"By a {what} of {state.access_stopped_at:%Y-%m-%d}. It goes on at Stripe: end it there."
        notes.append(Note("stopped", words))
    return Entry(
        "imported", customer, state.id, state.status, email, state.plan, state.currency,
        monthly=revenue.mrr if revenue is not None else Fraction(0),
        movements=movements, notes=tuple(notes),
    )  # fmt: skip


def customer_notes(
    entries: Sequence[Entry], *, has_address: bool, is_shared: bool
) -> Iterator[Note]:
    """What there is to say of the customer whose subscriptions these are."""
    customer, email = entries[-1].customer, entries[-1].email
    if not has_address:
        yield Note(
            "address",
            f"{customer} has {email or 'none'}. Make a sign-in link on the reader's page.",
        )
    if is_shared:
        yield Note(
            "shared",
            f"{email}, also of {customer}. They are one reader once somebody signs in with it.",
        )
    live = [each.subscription for each in entries if each.status in LIVE_STATUSES]
    if len(live) > 1:
        yield Note(
            "several", f"{customer} pays for {', '.join(live)}. End what is one too many at Stripe."
        )


def _about(price: StripePrice) -> str:
    every = period_text(price.interval, price.interval_count) if price.interval else "once"
    amount = amount_text(price.amount, price.currency.upper())
    return (
        f"{amount if price.has_amount else 'no fixed amount'} {every}, product {price.product_id}"
    )
