"""Money as Stripe has it: the objects that are kept row by row, in plain values.

They name nobody: no customer, no address, nothing of a card but its country. Amounts are integers in
the currency's minor unit as Stripe counts it, times are aware UTC, currencies three capitals.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

BookedKind = Literal["invoice", "charge", "refund", "dispute", "balance", "payout"]
BOOKED_KINDS: tuple[BookedKind, ...] = (
    "invoice", "charge", "refund", "dispute", "balance", "payout",
)  # fmt: skip
"""In an order in which most find what they are about already there; any other does as well."""


@dataclass(frozen=True)
class BookedLine:
    """A line of an invoice: what price of which product it bills."""

    price_id: str
    product_id: str
    amount: int


@dataclass(frozen=True)
class BookedInvoice:
    """A final invoice. `total` is `subtotal` less `discount` and with what of `tax` is added to it;
    `tax` is all tax in `total`, added or included.

    `status` is open, paid, uncollectible or void. `payments` are its payment intents.
    """

    id: str
    subscription_id: str | None
    status: str
    billing_reason: str
    currency: str
    subtotal: int
    discount: int
    tax: int
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    created_at: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    uncollectible_at: datetime | None
    attempt_count: int
    next_attempt_at: datetime | None
    payments: tuple[str, ...] = ()
    lines: tuple[BookedLine, ...] = ()


@dataclass(frozen=True)
class BalanceEntry:
    """A balance transaction: what moved in the balance, in the currency it is settled in.

    `net` is `amount` less `fee`; `fee_tax` is what of the fee is tax. `category` is Stripe's reporting
    category, such as charge, refund, dispute, fee or payout. `payout_id` is known only of what a
    payout's list shows.
    """

    id: str
    category: str
    source_id: str | None
    amount: int
    fee: int
    fee_tax: int
    net: int
    currency: str
    created_at: datetime
    available_at: datetime
    payout_id: str | None = None


@dataclass(frozen=True)
class BookedCharge:
    """A try to take money. `status` is succeeded, pending or failed; `amount` is what was asked for.

    `method` is Stripe's word, such as card or sepa_debit; `country` two capitals, or empty. `failure`
    is why it failed, in the bank's word where there is one, such as insufficient_funds.
    """

    id: str
    payment_id: str | None
    status: str
    amount: int
    currency: str
    method: str
    country: str
    failure: str
    created_at: datetime
    entries: tuple[BalanceEntry, ...] = ()
    checkout_id: str | None = None
    """The checkout of ours that a one-off payment names."""


@dataclass(frozen=True)
class BookedRefund:
    """`status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    charge_id: str | None
    amount: int
    currency: str
    status: str
    reason: str
    created_at: datetime
    entries: tuple[BalanceEntry, ...] = ()


@dataclass(frozen=True)
class BookedDispute:
    """`status` in Stripe's words: `warning_…` are inquiries, which take no money. `due_at`: until when
    Stripe takes an answer.
    """

    id: str
    charge_id: str
    amount: int
    currency: str
    status: str
    reason: str
    due_at: datetime | None
    created_at: datetime
    entries: tuple[BalanceEntry, ...] = ()


@dataclass(frozen=True)
class BookedPayout:
    """`status` is pending, in_transit, paid, failed or canceled; `entries` are what it is made of, its
    own among them.
    """

    id: str
    amount: int
    currency: str
    status: str
    failure: str
    is_automatic: bool
    created_at: datetime
    arrives_at: datetime
    entries: tuple[BalanceEntry, ...] = ()


Booked = BookedInvoice | BookedCharge | BookedRefund | BookedDispute | BalanceEntry | BookedPayout


@dataclass(frozen=True)
class Booking:
    """An object to ask Stripe for and keep."""

    kind: BookedKind
    id: str


class BooksGateway(Protocol):
    """Every method may raise GatewayUnavailable and GatewayRefused."""

    async def booked(self, kind: BookedKind, object_id: str) -> Booked | None:
        """The object as it is now; None: there is none to keep, such as a draft of an invoice."""

    def booked_since(
        self, kind: BookedKind, since: datetime | None, until: datetime | None = None
    ) -> AsyncIterator[Booked]:
        """All of the account made since then, or ever (None), and up to `until`, or now (None): the newest
        first, page by page.
        """
