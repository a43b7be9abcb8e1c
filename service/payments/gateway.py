"""What we need of a payment provider, in plain values.

Nothing above this folder sees an object of Stripe's SDK: `Gateway` hands out these frozen types.
Amounts are integers in the currency's minor unit as Stripe counts it; times are aware UTC.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from service.payments.books import BooksGateway
from service.payments.contact import Contact
from service.payments.set_up import SetUpGateway, StripePrice

MoneyObject = Literal["charge", "refund", "dispute"]


class GatewayUnavailable(Exception):
    """Stripe didn't answer in time, or answered that it can't at the moment: try again later."""


class GatewayKeyRefused(GatewayUnavailable):
    """Stripe refuses our API key, or what it may do. Only an operator can mend that.

    For readers Stripe is away meanwhile, hence the class above it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Stripe refuses our API key: {reason}. Look at PAYWALL_STRIPE_SECRET_KEY: it needs a valid "
            "key from the dashboard of your account (Developers, API keys)."
        )


class GatewayPermissionMissing(GatewayKeyRefused):
    """Our key is a restricted one that may not do this; other requests may work."""


class GatewayRefused(Exception):
    """Stripe refuses this request and would refuse it again; `code` is Stripe's error code."""

    def __init__(self, reason: str, code: str | None) -> None:
        self.reason = reason
        self.code = code
        super().__init__(f"{code or 'refused'}: {reason}")

    @property
    def is_missing(self) -> bool:
        """The object asked for doesn't exist (or belongs to another account)."""
        return self.code == "resource_missing"


class SignatureRefused(Exception):
    """A webhook that Stripe didn't sign, not now, or not with our secret; `reason` in one word."""

    def __init__(
        self, reason: Literal["unsigned", "signature", "time", "body"], detail: str
    ) -> None:
        self.reason = reason
        super().__init__(detail)


@dataclass(frozen=True)
class StripeCustomer:
    id: str
    email: str | None
    deleted: bool


@dataclass(frozen=True)
class StripeCustomerRecord:
    """All that Stripe holds on a living customer; `address` and `shipping` as Stripe words them."""

    id: str
    email: str | None
    name: str | None
    phone: str | None
    description: str | None
    address: Mapping[str, str | None] | None
    shipping: Mapping[str, Any] | None
    languages: tuple[str, ...]
    metadata: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True)
class StripeCard:
    """A payment method as Stripe shows it: of a card the brand, the end of its number, its expiry."""

    id: str
    type: str
    brand: str | None
    last4: str | None
    expires: str | None
    billing_details: Mapping[str, Any]


CheckoutMode = Literal["subscription", "payment"]


@dataclass(frozen=True)
class StripeRedemption:
    """A coupon that a Checkout session was given: `id` is the discount's, `code` are the promotion code's letters."""

    id: str
    coupon_id: str
    promotion_code: str | None
    code: str | None


@dataclass(frozen=True)
class StripeCheckoutSession:
    """`status` is open, complete or expired; `payment_status` paid, unpaid or
    no_payment_required (a trial, or a code that takes everything off).

    `mode` is subscription, payment or setup. `payment_id` and `payment_state` are the payment
    intent and its status: in mode payment alone, and the status only of a retrieved session.
    """

    id: str
    url: str | None
    status: str
    payment_status: str
    client_reference_id: str | None
    customer_id: str | None
    subscription_id: str | None
    email: str | None
    expires_at: datetime
    mode: str
    payment_id: str | None
    payment_state: str | None
    amount: int
    currency: str
    discounts: tuple[StripeRedemption, ...] = ()
    """What took something off; known only of a retrieved session."""

    @property
    def is_paid(self) -> bool:
        return self.status == "complete" and self.payment_status != "unpaid"

    @property
    def has_failed(self) -> bool:
        """Complete, but the money of a slow payment method never arrived."""
        failed = self.payment_state in {"requires_payment_method", "canceled"}
        return self.status == "complete" and self.payment_status == "unpaid" and failed


DiscountDuration = Literal["once", "repeating", "forever"]


@dataclass(frozen=True)
class StripeDiscount:
    """A redeemed coupon: `percent_off` in percent, or `amount_off` in minor units of `currency`.

    `ends_at` None: it has no date, since it lasts for ever or until one invoice has spent it.
    `products` are those that it is for alone; none: it is for all. `promotion_code` is the code that
    was redeemed, by Stripe's id; None: the coupon was given without one. `code` are its letters.
    """

    id: str
    coupon_id: str
    percent_off: Decimal | None
    amount_off: int | None
    currency: str | None
    duration: DiscountDuration
    starts_at: datetime
    ends_at: datetime | None
    products: tuple[str, ...] = ()
    promotion_code: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class StripeSubscriptionItem:
    price: StripePrice
    quantity: int
    period_start: datetime
    period_end: datetime
    discounts: tuple[StripeDiscount, ...] = ()
    id: str = ""


@dataclass(frozen=True)
class StripeSubscription:
    """Period bounds live on the items; a scheduled end is `cancel_at` or `cancel_at_period_end`.

    `cancel_reason` is Stripe's own word for why, such as payment_failed or cancellation_requested;
    `cancel_feedback` is the answer that the customer chose, and `cancel_comment` what they wrote.
    `card_fingerprint` and all discounts are known only of a subscription that was retrieved, not of
    one in a list.
    """

    id: str
    customer_id: str
    status: str
    items: tuple[StripeSubscriptionItem, ...]
    started_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    cancel_at_period_end: bool
    ended_at: datetime | None
    metadata: Mapping[str, str]
    pauses_collection: bool = False
    cancel_reason: str | None = None
    cancel_feedback: str | None = None
    cancel_comment: str | None = None
    card_fingerprint: str | None = None
    """Of the card that pays, or of the bank account that a debit is taken from."""
    canceled_at: datetime | None = None
    """When it was cancelled, or when somebody last asked for that."""
    discounts: tuple[StripeDiscount, ...] = ()
    """Of the whole subscription; those of one item are the item's."""
    has_unread_discounts: bool = False
    """Something more is taken off, by a coupon that is gone or of a kind that we don't know."""


@dataclass(frozen=True)
class StripeInvoiceLine:
    """What an invoice bills or gives back of one price: `amount` is before discounts.

    `is_proration`: for a part of a period, since something was changed within it.
    """

    price_id: str
    amount: int
    quantity: int
    starts_at: datetime
    ends_at: datetime
    is_proration: bool


@dataclass(frozen=True)
class StripeInvoice:
    """`subscription_id` is None for invoices outside a subscription.

    `attempt_count` counts the tries of Stripe's own schedule, the successful one included.
    `payments` are its payment intents, `discounts` what took something off: both are known only of
    a subscription's listed invoices.
    """

    id: str
    status: str
    customer_id: str | None
    subscription_id: str | None
    amount_due: int
    amount_paid: int
    currency: str
    created_at: datetime
    finalized_at: datetime | None
    number: str | None = None
    """None while it is a draft."""
    hosted_url: str | None = None
    billing_reason: str | None = None
    """Such as subscription_create, subscription_cycle or subscription_update."""
    paid_at: datetime | None = None
    attempt_count: int = 0
    next_attempt_at: datetime | None = None
    payments: tuple[str, ...] = ()
    discounts: tuple[StripeDiscount, ...] = ()
    lines: tuple[StripeInvoiceLine, ...] = ()
    """Those of the subscription's items; single charges beside them are left out."""


@dataclass(frozen=True)
class StripeCharge:
    """Money that was asked for; `refunded` is Stripe's word for refunded in full."""

    id: str
    payment_intent_id: str | None
    status: str
    amount: int
    amount_refunded: int
    currency: str
    refunded: bool
    disputed: bool
    created_at: datetime
    method: str = ""
    """What it was paid with in Stripe's word, such as card or sepa_debit."""
    fingerprint: str | None = None
    """Stripe's name for the number of the card or account, the same for every customer."""

    @property
    def is_paid(self) -> bool:
        return self.status == "succeeded"

    @property
    def is_under_way(self) -> bool:
        """A debit that the bank hasn't answered yet."""
        return self.status == "pending"


@dataclass(frozen=True)
class StripeRefund:
    """`status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    charge_id: str | None
    payment_intent_id: str | None
    amount: int
    currency: str
    status: str
    metadata: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True)
class StripeDispute:
    """`status` in Stripe's words; `warning_…` are inquiries, which take no money."""

    id: str
    charge_id: str
    payment_intent_id: str | None
    status: str
    created_at: datetime

    @property
    def is_lost(self) -> bool:
        return self.status == "lost"

    @property
    def is_open(self) -> bool:
        return self.status in {"needs_response", "under_review"}


@dataclass(frozen=True)
class StripeEvent:
    """A verified webhook: which object changed. What it says of the object is never used."""

    id: str
    type: str
    object_id: str
    customer_id: str | None
    subscription_id: str | None
    created_at: datetime


class Gateway(SetUpGateway, BooksGateway, Protocol):
    """Every method may raise GatewayUnavailable and GatewayRefused, and answers within the
    configured time, its retries included.
    """

    @property
    def contact(self) -> Contact:
        """What is known by the last answers."""

    async def create_customer(
        self, *, reader_id: str, email: str | None, instead_of: str | None = None
    ) -> StripeCustomer:
        """One customer a reader, or one for each that was deleted: asking again answers the same."""

    async def retrieve_customer(self, customer_id: str) -> StripeCustomer: ...

    async def customer_record(self, customer_id: str) -> StripeCustomerRecord | None:
        """What Stripe holds on the customer; None: it was deleted, or there is none."""

    async def change_email(self, customer_id: str, email: str) -> None:
        """Give the customer another address; one that was deleted keeps none."""

    async def delete_customer(self, customer_id: str) -> None:
        """Delete the customer for good, which ends its subscriptions at once; safe to repeat."""

    async def subscriptions_of(self, customer_id: str) -> tuple[StripeSubscription, ...]:
        """All subscriptions that the customer ever had, the newest first."""

    async def cards_of(self, customer_id: str) -> tuple[StripeCard, ...]:
        """The payment methods that the customer can pay with."""

    async def invoices_of(self, customer_id: str) -> tuple[StripeInvoice, ...]:
        """All invoices of the customer, the newest first."""

    async def find_promotion_code(self, code: str) -> str | None:
        """The id of the active promotion code with these letters."""

    async def create_checkout_session(
        self,
        *,
        checkout_id: str,
        mode: CheckoutMode,
        price_id: str,
        quantity: int,
        trial_days: int,
        customer_id: str | None,
        coupon_id: str | None,
        promotion_code_id: str | None,
        success_url: str,
        cancel_url: str,
        automatic_tax: bool,
        collect_tax_ids: bool,
    ) -> StripeCheckoutSession:
        """One session a checkout of ours: asking again answers the same.

        A coupon or a promotion code, not both; without either the buyer may type a code.
        """

    async def retrieve_checkout_session(self, session_id: str) -> StripeCheckoutSession: ...

    async def expire_checkout_session(self, session_id: str) -> StripeCheckoutSession: ...

    async def retrieve_subscription(self, subscription_id: str) -> StripeSubscription: ...

    async def invoices_of_subscription(self, subscription_id: str) -> tuple[StripeInvoice, ...]:
        """All invoices of the subscription with their payments, the newest first."""

    async def next_amount_of(self, subscription_id: str) -> int | None:
        """What the next invoice asks for by Stripe's preview, discounts, balance and tax included; None: there is
        no next one, or Stripe can't say.
        """

    async def pending_prorations_of(
        self, customer_id: str, subscription_id: str
    ) -> tuple[StripeInvoiceLine, ...]:
        """What is billed or given back for changes of the subscription and is on no invoice yet, the newest last.

        A subscription that is to end has no next invoice to preview, and yet these are collected at its end
        (https://docs.stripe.com/api/subscriptions/cancel). None where the key may not read invoice items.
        """

    async def needs_action(self, payment_intent_id: str) -> bool:
        """Whether the payment waits for its payer, such as for 3-D Secure."""

    async def payment_of(self, kind: MoneyObject, object_id: str) -> str | None:
        """The payment intent that a charge, refund or dispute is about; None: it has none."""

    async def charges_of(self, customer_id: str) -> tuple[StripeCharge, ...]:
        """All charges of the customer, the newest first."""

    async def charges_of_payment(self, payment_intent_id: str) -> tuple[StripeCharge, ...]:
        """The charges of one payment, the newest first; the last successful one is what counts."""

    async def refunds_of(self, charge_id: str) -> tuple[StripeRefund, ...]:
        """The charge's refunds, the newest first."""

    async def disputes_of(self, charge_id: str) -> tuple[StripeDispute, ...]:
        """The charge's disputes, the newest first."""

    async def subscription_of_payment(self, payment_intent_id: str) -> str | None:
        """The subscription whose invoice the payment pays; None: it pays no invoice of one."""

    async def set_quantity(self, item_id: str, quantity: int) -> None:
        """Let a subscription's item have another quantity from its next period on: nothing is charged or given
        back for this one.
        """

    async def cancel_subscription(self, subscription_id: str) -> StripeSubscription:
        """End it at once, without refund or proration; one that has ended already is answered as it is."""

    async def refund(
        self,
        *,
        payment_intent_id: str,
        amount: int | None,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> StripeRefund:
        """Give back `amount` in minor units, or all that is left (None)."""

    def subscriptions(self) -> AsyncIterator[StripeSubscription]:
        """Every subscription of the account, whatever its status, the newest first, page by page."""

    def events(self, *, since: datetime, types: Collection[str]) -> AsyncIterator[StripeEvent]:
        """The events of these types that Stripe still lists (30 days), in no order."""

    async def create_portal_session(
        self, *, customer_id: str, return_url: str, configuration_id: str | None
    ) -> str:
        """The address of a customer portal session; None: as the account's default has it."""

    def verify_webhook(self, payload: bytes, signature: str | None, now: datetime) -> StripeEvent:
        """The event in `payload`, or SignatureRefused. `now` is wall time."""

    async def close(self) -> None:
        """Close the connections."""
