"""An invented subscription as Stripe would have said it at each change.

The facts of its course (courses.py), put into the values in which the gateway answers. What becomes of
those is decided by the code that decides it of real ones (write.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from service.billing.money import ACCESS, REASON, Money
from service.billing.transitions import TRIAL_WILL_END
from service.demo.history.comments import comment_on
from service.demo.history.copies import End
from service.demo.history.courses import (
    TRIED_EVERY,
    Billed,
    CancelAsked,
    Course,
    Disputed,
    Ended,
    Fact,
    Key,
    Paused,
    Refunded,
    Resumed,
    Started,
    Tried,
)
from service.demo.history.year import stable_id
from service.payments.gateway import (
    StripeCharge,
    StripeDiscount,
    StripeDispute,
    StripeInvoice,
    StripeInvoiceLine,
    StripeRefund,
    StripeSubscription,
    StripeSubscriptionItem,
)
from service.payments.set_up import StripePrice


@dataclass(frozen=True)
class Sold:
    """What a key stands for: an offer of ours and its price. A coupon takes `intro_off` off the first year:
    that of an intro price, or of the promotion code that its buyers typed.
    """

    offer_id: str
    plan: str
    price: StripePrice
    trial: bool
    coupon_id: str | None
    intro_off: int
    promotion_code: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Stage:
    """What Stripe says at one instant; `next_amount` is what it charges next."""

    at: datetime
    subscription: StripeSubscription
    money: Money
    next_amount: int | None


@dataclass
class Life:
    """A subscription on its way through its facts. `number` names it among all."""

    number: str
    customer_id: str
    course: Course
    on_sale: Mapping[Key, Sold]
    key: Key = field(init=False)
    seats: int = field(init=False)
    id: str = field(init=False)
    status: str = "incomplete"
    since: datetime = field(init=False)
    until: datetime = field(init=False)
    periods_billed: int = 0
    tries: int = 0
    resumes_at: datetime | None = None
    """Its payments rest until then."""
    cancel_at: datetime | None = None
    asked_at: datetime | None = None
    feedback: str | None = None
    comment: str | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    invoices: list[StripeInvoice] = field(default_factory=list)
    charges: list[StripeCharge] = field(default_factory=list)
    refunds: list[StripeRefund] = field(default_factory=list)
    disputes: list[StripeDispute] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key, self.seats = self.course.key, self.course.seats
        self.id = stable_id("sub", self.number)
        self.since = self.course.started_at
        self.until = self.course.trial_end or self.course.boundary(1)

    @property
    def fingerprint(self) -> str:
        """Of the card: each customer has one of their own."""
        return stable_id("card", self.customer_id, length=16)[5:]

    @property
    def price(self) -> StripePrice:
        return self.on_sale[self.key].price

    @property
    def sold(self) -> Sold:
        """What was bought."""
        return self.on_sale[self.course.key]

    @property
    def end(self) -> End:
        """Whether it is over, or about to be."""
        if self.is_over:
            return "failed" if self.reason == "payment_failed" else "over"
        return "goes_on" if self.cancel_at is None else "cancels"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    def stages(self, facts: Iterable[Fact], now: datetime) -> Iterator[Stage]:
        """Follow the facts up to `now`: a stage at each change, and one at `now` unless it is over."""
        trial_end = self.course.trial_end
        noticed_at = trial_end - TRIAL_WILL_END if trial_end is not None else None
        for fact in facts:
            if noticed_at is not None and noticed_at <= min(fact.at, now):
                yield self.stage(noticed_at)  # Stripe says then that the trial will end
                noticed_at = None
            if fact.at > now:
                break
            if isinstance(fact, Billed) and fact.period and self._changes(fact):
                # What is billed at the new price is dated by its invoice: the others come before it.
                yield self.stage(fact.since - timedelta(seconds=1))
            if isinstance(fact, Refunded | Disputed):
                # What had been paid for until then stays as it was.
                yield self.stage(fact.at - timedelta(seconds=1))
            if self._note(fact):
                yield self.stage(fact.at)
            if self.is_over:
                return
        yield self.stage(now)

    def _changes(self, fact: Billed) -> bool:
        return (fact.key, fact.seats) != (self.key, self.seats)

    def stage(self, at: datetime) -> Stage:
        item = StripeSubscriptionItem(self.price, self.seats, self.since, self.until)
        subscription = StripeSubscription(
            id=self.id,
            customer_id=self.customer_id,
            status=self.status,
            items=(item,),
            started_at=self.course.started_at,
            trial_end=self.course.trial_end,
            cancel_at=self.cancel_at,
            cancel_at_period_end=self.cancel_at is not None,
            ended_at=self.ended_at,
            metadata={},
            pauses_collection=self.resumes_at is not None,
            cancel_reason=self.reason,
            cancel_feedback=self.feedback,
            cancel_comment=self.comment,
            card_fingerprint=self.fingerprint,
            canceled_at=self.asked_at,
        )
        money = Money(
            tuple(reversed(self.invoices)), tuple(reversed(self.charges)), tuple(self.refunds),
            tuple(self.disputes),
        )  # fmt: skip
        charges = not self.is_over and self.cancel_at is None and self.resumes_at is None
        return Stage(at, subscription, money, self.price.amount * self.seats if charges else None)

    def _note(self, fact: Fact) -> bool:
        """Take the fact in; whether it changes more than its invoice tells."""
        match fact:
            case Started():
                self.status = "active" if fact.trial_end is None else "trialing"
                return fact.trial_end is not None
            case Billed():
                is_other, self.since, self.until = self._changes(fact), fact.since, fact.until
                self.key, self.seats, self.tries = fact.key, fact.seats, 1
                self._bill(fact)
                self.periods_billed += 1
                # With the second period an intro price is over.
                changed = self.status != "active" or is_other or fact.period <= 1
                self.status = "active" if fact.paid else "past_due"
                return changed or not fact.paid
            case Paused() | Resumed():
                self.resumes_at = fact.resumes_at
            case Tried():
                self.tries += 1
                self._try(fact)
                if fact.paid:
                    self.status = "active"
                return fact.paid
            case CancelAsked():
                self.asked_at, self.cancel_at, self.feedback = fact.at, fact.ends_at, fact.feedback
                self.reason = "cancellation_requested"
                self.comment = comment_on(fact.feedback, self.number)
            case Refunded():
                self._give_back(fact.at)
                self._end(fact.at, "cancellation_requested")
            case Disputed():
                self._dispute(fact.at)
                self._end(fact.at, "payment_disputed")
            case Ended():
                self._end(fact.at, fact.reason)
        return True

    def _end(self, at: datetime, reason: str) -> None:
        self.status, self.ended_at, self.reason = "canceled", at, reason
        self.asked_at = self.asked_at or at

    def _bill(self, fact: Billed) -> None:
        number = len(self.invoices)
        is_first = not number and not self.course.trial
        off = self.on_sale[fact.key].intro_off if is_first else 0
        amount = self.price.amount * self.seats
        due = amount - off
        payment = stable_id("pi", self.number, number)
        line = StripeInvoiceLine(
            self.price.id, amount, self.seats, fact.since, fact.until, is_proration=False
        )
        self.invoices.append(
            StripeInvoice(
                id=stable_id("in", self.number, number),
                status="paid" if fact.paid else "open",
                customer_id=self.customer_id,
                subscription_id=self.id,
                amount_due=due,
                amount_paid=due if fact.paid else 0,
                currency=self.price.currency,
                created_at=fact.since,
                finalized_at=fact.at,
                billing_reason="subscription_create" if is_first else "subscription_cycle",
                paid_at=fact.at if fact.paid else None,
                attempt_count=1,
                next_attempt_at=None if fact.paid else fact.at + TRIED_EVERY,
                payments=(payment,),
                discounts=(self._intro(fact),) if off else (),
                lines=(line,),
            )
        )
        self._charge(fact.at, paid=fact.paid)

    def _intro(self, fact: Billed) -> StripeDiscount:
        sold = self.on_sale[fact.key]
        return StripeDiscount(
            id=stable_id("di", self.number),
            coupon_id=sold.coupon_id or "",
            percent_off=None,
            amount_off=sold.intro_off,
            currency=self.price.currency,
            duration="once",
            starts_at=fact.since,
            ends_at=None,
            products=(self.price.product_id,),
            promotion_code=sold.promotion_code,
            code=sold.code,
        )

    def _try(self, fact: Tried) -> None:
        last = self.invoices[-1]
        self.invoices[-1] = replace(
            last,
            status="paid" if fact.paid else "open",
            amount_paid=last.amount_due if fact.paid else 0,
            paid_at=fact.at if fact.paid else None,
            attempt_count=self.tries,
            next_attempt_at=None if fact.paid else fact.at + TRIED_EVERY,
        )
        self._charge(fact.at, paid=fact.paid)

    def _charge(self, at: datetime, *, paid: bool) -> None:
        invoice = self.invoices[-1]
        self.charges.append(
            StripeCharge(
                id=stable_id("ch", self.number, len(self.charges)),
                payment_intent_id=invoice.payments[0],
                status="succeeded" if paid else "failed",
                amount=invoice.amount_due,
                amount_refunded=0,
                currency=invoice.currency,
                refunded=False,
                disputed=False,
                created_at=at,
                method="card",
                fingerprint=self.fingerprint,
            )
        )

    def _give_back(self, at: datetime) -> None:
        charge = self.charges[-1]
        self.charges[-1] = replace(charge, refunded=True, amount_refunded=charge.amount)
        self.refunds.append(
            StripeRefund(
                id=stable_id("re", self.number),
                charge_id=charge.id,
                payment_intent_id=charge.payment_intent_id,
                amount=charge.amount,
                currency=charge.currency,
                status="succeeded",
                metadata={ACCESS: "cancel", REASON: "requested"},
                created_at=at,
            )
        )

    def _dispute(self, at: datetime) -> None:
        charge = self.charges[-1]
        self.charges[-1] = replace(charge, disputed=True)
        self.disputes.append(
            StripeDispute(
                stable_id("dp", self.number), charge.id, charge.payment_intent_id, "lost", at
            )
        )
