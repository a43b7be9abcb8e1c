"""The money of one subscription at Stripe, and what takes its access away: pure (billing.md).

A full refund of what was paid for the period follows a policy, a partial one changes nothing. An open
dispute freezes access, a won one gives it back, a lost one ends it. Inquiries (`warning_…`) take no
money and change nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, takewhile
from typing import Literal

from service.payments.gateway import StripeCharge, StripeDispute, StripeInvoice, StripeRefund

RefundPolicy = Literal["keep", "end_access", "cancel"]
StopKind = Literal["dispute", "dispute_lost", "refund", "trial_used", "duplicate"]
POLICIES: tuple[RefundPolicy, ...] = ("keep", "end_access", "cancel")
ACCESS, REASON = "paywall_access", "reason"
"""Keys in a refund's metadata: the policy that it follows, and why we made it."""


@dataclass(frozen=True)
class Money:
    """Invoices, their charges, and of these the refunds and disputes; each the newest first.

    `needs_action`: the payment of an open invoice waits for the card's holder.
    """

    invoices: tuple[StripeInvoice, ...] = ()
    charges: tuple[StripeCharge, ...] = ()
    refunds: tuple[StripeRefund, ...] = ()
    disputes: tuple[StripeDispute, ...] = ()
    needs_action: bool = False

    def charges_for(self, invoice: StripeInvoice) -> tuple[StripeCharge, ...]:
        return tuple(each for each in self.charges if each.payment_intent_id in invoice.payments)

    @property
    def paid(self) -> StripeInvoice | None:
        """The latest paid invoice."""
        return next((each for each in self.invoices if each.status == "paid"), None)

    @property
    def unpaid(self) -> StripeInvoice | None:
        """The oldest invoice of the present debt that was tried to collect."""
        tried = [each for each in present_debt(self.invoices) if each.attempt_count]
        return tried[-1] if tried else None

    @property
    def paid_for_period(self) -> tuple[StripeInvoice, ...]:
        """The latest invoice of a whole period that something was paid for, and what was paid after
        it, such as a switch to a dearer offer.

        One that took nothing replaces no money: after a switch to a cheaper price even what was given
        back pays the next ones, since Stripe's credit for the rest of the period knows no refund.
        """
        took = [each for each in self.invoices if each.status == "paid" and each.amount_paid]
        whole = (at for at, each in enumerate(took, start=1) if _is_for_a_period(each))
        return tuple(took[: next(whole, len(took))])

    def paid_charges_for(self, invoice: StripeInvoice) -> tuple[StripeCharge, ...]:
        return tuple(each for each in self.charges_for(invoice) if each.is_paid)

    @property
    def paid_charges(self) -> tuple[StripeCharge, ...]:
        """What was taken for the present period."""
        return tuple(chain.from_iterable(map(self.paid_charges_for, self.paid_for_period)))

    @property
    def charges_to_give_back(self) -> tuple[StripeCharge, ...]:
        """What was taken for the present period and isn't given back, and what the bank is about to
        take.
        """
        taken = (each for each in self.paid_charges if not each.refunded)
        return (*taken, *(each for each in self.charges if each.is_under_way))

    def counting_refunds(self) -> Iterator[StripeRefund]:
        """Those that gave money back, or are about to."""
        return (each for each in self.refunds if each.status in {"succeeded", "pending"})


def _is_for_a_period(invoice: StripeInvoice) -> bool:
    """Rather than for a change within one. A switch to another interval begins a period, too."""
    return invoice.billing_reason in {"subscription_create", "subscription_cycle"} or any(
        not each.is_proration for each in invoice.lines
    )


def present_debt(invoices: Iterable[StripeInvoice]) -> Iterator[StripeInvoice]:
    """The open invoices for which a subscription is overdue, from all of its invoices, newest first.

    As at Stripe the latest invoice decides: where it is paid or given up the subscription goes on,
    even if an older one stays open. An invoice made by hand changes no status.
    """
    by_stripe = (each for each in invoices if each.billing_reason != "manual")
    latest = takewhile(lambda each: each.status not in {"paid", "uncollectible"}, by_stripe)
    return (each for each in latest if each.status == "open")


@dataclass(frozen=True)
class Stop:
    """Access ends at `at`, although the status would give it; `cancels`: so does the subscription."""

    kind: StopKind
    at: datetime
    cancels: bool


def intro_charge(money: Money, coupon_prefix: str) -> StripeCharge | None:
    """What the intro price was first paid with; None: there was none. Its coupon is named so."""
    for invoice in reversed(money.invoices):
        if invoice.status == "paid" and _has_intro(invoice, coupon_prefix):
            return next(iter(money.paid_charges_for(invoice)), None)
    return None


def in_intro(money: Money, coupon_prefix: str) -> bool:
    """Whether the latest invoice was paid at the intro price."""
    return money.paid is not None and _has_intro(money.paid, coupon_prefix)


def _has_intro(invoice: StripeInvoice, coupon_prefix: str) -> bool:
    return any(each.coupon_id.startswith(coupon_prefix) for each in invoice.discounts)


def full_refund(money: Money) -> StripeRefund | None:
    """The refund that completed giving back what was paid for the period; None: something is kept."""
    if not all(map(money.paid_charges_for, money.paid_for_period)):
        return None  # paid outside of Stripe
    newest: StripeRefund | None = None
    for charge in money.paid_charges:
        given = [each for each in money.counting_refunds() if each.charge_id == charge.id]
        if not given or sum(each.amount for each in given) < charge.amount:
            return None
        if newest is None or given[0].created_at > newest.created_at:
            newest = given[0]
    return newest


def stop_of(money: Money, policy: RefundPolicy, *, trial_used_at: datetime | None) -> Stop | None:
    """What stops this subscription's access by itself, the gravest first.

    `trial_used_at` is its start where an earlier subscription has had this card's trial.
    """
    lost = [each.created_at for each in money.disputes if each.is_lost]
    if lost:
        return Stop("dispute_lost", min(lost), cancels=True)
    if trial_used_at is not None:
        return Stop("trial_used", trial_used_at, cancels=True)
    refund = full_refund(money)
    followed = policy_of(refund, policy) if refund is not None else "keep"
    disputed = [each.created_at for each in money.disputes if each.is_open]
    if refund is not None and followed != "keep":
        kind: StopKind = "duplicate" if refund.metadata.get(REASON) == "duplicate" else "refund"
        return Stop(kind, min([refund.created_at, *disputed]), cancels=followed == "cancel")
    return Stop("dispute", min(disputed), cancels=False) if disputed else None


def stop_since_import(stop: Stop | None, imported_at: datetime, money: Money) -> Stop | None:
    """What stops an imported subscription: what is older than the import ends nothing at Stripe, and
    stops no access that was paid for afterwards.
    """
    if stop is None or stop.at > imported_at:
        return stop
    paid = money.paid
    if stop.kind == "trial_used" or (paid is not None and (paid.paid_at or stop.at) > stop.at):
        return None
    return replace(stop, cancels=False)


def policy_of(refund: StripeRefund, policy: RefundPolicy) -> RefundPolicy:
    chosen = refund.metadata.get(ACCESS)
    return next((each for each in POLICIES if each == chosen), policy)
