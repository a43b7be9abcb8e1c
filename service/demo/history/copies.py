"""A sample of what the local Stripe keeps of a subscription, and its copies with other ids and times."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.demo.history.courses import Key

NO_FEEDBACK = "other"
_LATER = 2
"""Periods billed: of more than this the documents look the same."""

End = Literal["goes_on", "cancels", "over", "failed"]
"""`failed`: it is over since no try to charge the last invoice worked."""


@dataclass(frozen=True)
class Kind:
    """What decides which documents there are. `tries` are the charges for the last invoice."""

    key: Key
    trial: bool
    periods: int
    tries: int
    paid: bool
    end: End
    seats: int
    paused: bool

    @classmethod
    def of(
        cls, key: Key, *, trial: bool, periods: int, tries: int, paid: bool, end: End, seats: int,
        paused: bool,
    ) -> "Kind":  # fmt: skip
        return cls(key, trial, min(periods, _LATER), tries, paid, end, seats, paused)


@dataclass(frozen=True)
class PaidOnce:
    """A payment without a subscription: in minor units."""

    amount: int
    currency: str


@dataclass(frozen=True)
class Copied:
    """The values that a copy has instead of the sample's."""

    number: str
    subscription_id: str
    customer_id: str
    invoice_id: str | None
    payment_id: str | None
    charge_ids: tuple[str, ...]
    other_id: Callable[[str, int], str]
    """An id with this prefix, for the copy's own document of this place."""
    name: str
    email: str
    fingerprint: str
    country: str
    """The card's."""
    feedback: str | None
    started_at: datetime
    trial_end: datetime | None
    since: datetime
    until: datetime
    asked_at: datetime | None
    resumes_at: datetime | None
    comment: str | None
    decline: str
    """The bank's word for what it refused."""
    available_at: datetime | None
    """When what was paid last can be paid out."""
    payouts: Mapping[str, str]
    """By the id of a move of the balance, which payout it is in."""


@dataclass(frozen=True)
class Document:
    """A document of the sample: its text between the values that differ, and which those are.

    `created` names its time; empty: it has none.
    """

    kind: str
    created: str
    parts: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """`agenda` has what the local Stripe will do."""

    ids: Mapping[str, str]
    documents: tuple[Document, ...]
    agenda: tuple[tuple[str, str, str], ...]
    times: tuple[str, ...]
    """Such as `since+3600`: what the documents and the agenda have of them."""

    def copies(self, by: Copied) -> "Copies":
        """Its documents and agenda with the values of `by`."""
        values = self._values(by)
        written = []
        for document in self.documents:
            text = "".join(
                part + values[name]
                for part, name in zip(document.parts, (*document.values, ""), strict=True)
            )
            created = int(values[document.created]) if document.created else 0
            written.append((values[document.values[0]], document.kind, created, text))
        agenda = [(int(values[at]), action, values[subject]) for at, action, subject in self.agenda]
        return Copies(written, agenda)

    def _values(self, by: Copied) -> dict[str, str]:
        values = {"": "", "name": by.name, "email": by.email, "fingerprint": by.fingerprint}
        values |= {"feedback": by.feedback or NO_FEEDBACK, "country": by.country}
        values |= {"comment": json.dumps(by.comment), "decline": by.decline}
        values["available"] = str(int(by.available_at.timestamp())) if by.available_at else "null"
        charges = iter(by.charge_ids)
        for place, (named, prefix) in enumerate(self.ids.items()):
            match named:
                case "subscription":
                    values[named] = by.subscription_id
                case "customer":
                    values[named] = by.customer_id
                case "invoice":
                    values[named] = by.invoice_id or by.other_id(prefix, place)
                case "payment":
                    values[named] = by.payment_id or by.other_id(prefix, place)
                case _ if prefix == "ch":
                    values[named] = next(charges)
                case _:
                    values[named] = by.other_id(prefix, place)
        moves = [values[named] for named, prefix in self.ids.items() if prefix == "txn"]
        values["payout"] = json.dumps(by.payouts.get(moves[0]) if moves else None)
        return values | self._times(by)

    def _times(self, by: Copied) -> dict[str, str]:
        theirs = {
            "started": by.started_at, "trial_end": by.trial_end, "since": by.since,
            "until": by.until, "asked": by.asked_at, "resumes": by.resumes_at,
        }  # fmt: skip
        found = {}
        for name in self.times:
            anchor, _, seconds = name.partition("+")
            at = theirs[anchor]
            if at is None:
                raise ValueError(f"{by.number} has no {anchor}")
            found[name] = str(int(at.timestamp()) + int(seconds))
        return found


@dataclass(frozen=True)
class Copies:
    """`documents` as the local Stripe's store takes them; `agenda`: when, what, and to which."""

    documents: list[tuple[str, str, int, str]]
    agenda: list[tuple[int, str, str]]
