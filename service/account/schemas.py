"""Signing in, sessions and the reader's profile over HTTP."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from service.billing.outlook import Outlook, outlook_of
from service.billing.state import EndReason
from service.billing.words import Words
from service.bodies import Body, ListOut
from service.db.tables import ReaderSession, Subscription
from service.grants.grants import GrantFacts, Source
from service.texts import storable
from service.tokens.schemas import IssuedToken

Short = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=200)]
Long = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=2000)]


class _Strict(Body):
    model_config = ConfigDict(strict=True)


class SignInIn(_Strict):
    """The person who reads the mail to this address signs in by it; nothing reveals who has an account."""

    email: Long
    return_to: Long = "/account"
    """A path of the site or an address on a listed origin: where the link leads in the end."""
    session: Literal["cookie", "token"] = "cookie"
    """Where the session will be kept, as in confirming. With `token`, and from another site's page,
    the mail has the code alone: a link would sign in by a cookie of ours.
    """
    newsletter: bool | None = None
    """What the reader answers to the wording in `PAYWALL_NEWSLETTER_WORDING`; absent: not asked.
    A consent once the mail is used.
    """


class AddressIn(_Strict):
    """The address that the reader wants instead of theirs."""

    email: Long


class AddressConfirmIn(_Strict):
    """The secret of the link in one of the two mails."""

    token: Short


class AddressOut(BaseModel):
    """`waiting`: the link in the other mail has to be used too."""

    state: Literal["waiting", "changed"]


class SignInOut(BaseModel):
    """The mail is on its way. Its code works with `request_id`, in this browser or app alone."""

    request_id: str
    expires_in: int
    """Seconds."""
    device_token: str | None = None
    """For frontends without cookies: send it as `Paywall-Device` from now on."""


class ConfirmIn(_Strict):
    """Either `token`, from the link, or `request_id` with `code`."""

    token: Short | None = None
    request_id: Short | None = None
    code: Short | None = None
    session: Literal["cookie", "token"] = "cookie"
    """Where the session is kept: in a cookie of ours, or by the app, as `refresh_token`."""
    newsletter: bool | None = None
    """As with the address; it replaces what was answered there."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        by_code = self.request_id is not None and self.code is not None
        partly = self.request_id is not None or self.code is not None
        if (self.token is None) != by_code or (self.token is not None and partly):
            raise ValueError("send either token, or request_id and code")
        return self


class SignedInOut(IssuedToken):
    """Signed in. Lead the reader to `return_to`."""

    return_to: str


class RefreshIn(_Strict):
    """What an app sends; browsers send the cookie, and an empty body or none."""

    refresh_token: Short | None = None
    scope: Literal["articles:read", "account"] = "articles:read"
    """What the access token is for: reading, also at an edge, or the app's own account calls."""

    @model_validator(mode="after")
    def _account_by_refresh_token(self) -> Self:
        if self.scope == "account" and self.refresh_token is None:
            raise ValueError("send refresh_token; with a cookie, account calls need no token")
        return self


class EraseIn(_Strict):
    cancel_subscription: bool = False
    """Whether a subscription that runs ends with the account, at once and without money back."""


class SessionItem(BaseModel):
    """A device the reader is signed in on. `label` is for people; `current`: the one that asks."""

    id: str
    label: str
    kind: str
    created_at: AwareDatetime
    used_at: AwareDatetime
    current: bool

    @classmethod
    def of(cls, row: ReaderSession, current_id: str) -> Self:
        return cls(
            id=row.id,
            label=row.label,
            kind=row.kind,
            created_at=row.created_at,
            used_at=row.used_at,
            current=row.id == current_id,
        )


class SessionList(BaseModel):
    items: list[SessionItem]
    next_cursor: None = None
    """There are never more than one page of them."""


class GrantItem(BaseModel):
    """What is open to the reader, why, and until when (null: until further notice)."""

    source: Source
    scope: str
    until: AwareDatetime | None
    grace: bool

    @classmethod
    def of(cls, grant: GrantFacts) -> Self:
        return cls(
            source=grant.source, scope=grant.scope, until=grant.ends_at, grace=grant.in_grace
        )


class GrantList(ListOut[GrantItem]):
    pass


class ProcessingItem(BaseModel):
    """Bought, and open as soon as the bank has sent the money, which may take days."""

    offer: str
    name: str
    since: AwareDatetime


class PaymentProblem(BaseModel):
    """What the reader can do so that reading doesn't end at `ends_at` (null: it has ended).

    `needs` is `card` (another one, in the portal) or `authentication`, at `url`, the invoice's page.
    """

    needs: Literal["card", "authentication"]
    url: str | None
    ends_at: AwareDatetime | None


class OpenPayment(BaseModel):
    """What is left of an invoice that couldn't be collected, in the currency's minor unit, and is still
    tried. Once it is paid, reading is open until `paid_until`.

    `is_under_way`: the bank hasn't answered yet, and the reader need do nothing.
    """

    amount: int
    currency: str
    is_under_way: bool
    paid_until: AwareDatetime


class NextCharge(BaseModel):
    """What Stripe charges by itself and when, discounts, balance and tax included, in the currency's
    minor unit; `amount` null: Stripe can't say.
    """

    at: AwareDatetime
    amount: int | None
    currency: str


class WordsOut(BaseModel):
    """A subscription's state in words to its reader, in the language of the publication's mails.

    `status` in a word or two, `next` what happens and when, or why it ended, `advice` what the reader
    can do; the last two may be empty.
    """

    status: str
    next: str
    advice: str

    @classmethod
    def of(cls, words: Words) -> Self:
        return cls(status=words.status, next=words.next, advice=words.advice)


class EndedSubscription(BaseModel):
    """A subscription that is over. `reason` is voluntary, payment_failed, dispute_lost, refund, trial_used
    or duplicate.
    """

    id: str
    plan: str
    ended_at: AwareDatetime | None
    reason: EndReason
    words: WordsOut


class SubscriptionItem(BaseModel):
    """A subscription that isn't over. `status` in Stripe's word; `cancel_at`: it ends then.

    `access_stop` says what closes it all the same: dispute, refund, trial_used or duplicate.
    """

    id: str
    plan: str
    status: str
    current_period_end: AwareDatetime
    cancel_at: AwareDatetime | None
    collection_paused: bool
    access_stop: str | None
    payment_problem: PaymentProblem | None
    open_payment: OpenPayment | None
    next_charge: NextCharge | None
    """Null: nothing is charged by itself."""
    words: WordsOut

    @classmethod
    def of(cls, row: Subscription, *, open_until: datetime | None, words: Words) -> Self:
        """`open_until` is when its access ends; None: it has ended."""
        outlook = outlook_of(row)
        needs: Literal["card", "authentication"] | None = None
        if row.payment_problem not in {"", "bank"}:
            needs = "authentication" if row.payment_problem == "authentication" else "card"
        return cls(
            id=row.id,
            plan=row.plan,
            status=row.status,
            current_period_end=row.current_period_end,
            cancel_at=row.cancel_at,
            collection_paused=row.pauses_collection,
            access_stop=row.access_stop or None,
            payment_problem=PaymentProblem(needs=needs, url=row.payment_url, ends_at=open_until)
            if needs is not None
            else None,
            open_payment=_open_payment(row, outlook),
            next_charge=NextCharge(
                at=outlook.charges_at, amount=outlook.amount, currency=row.currency
            )
            if outlook.charges_at is not None
            else None,
            words=WordsOut.of(words),
        )


def _open_payment(row: Subscription, outlook: Outlook) -> OpenPayment | None:
    if not outlook.owed:
        return None
    return OpenPayment(
        amount=outlook.owed, currency=row.currency, is_under_way=row.payment_problem == "bank",
        paid_until=outlook.paid_until,
    )  # fmt: skip


class PurchaseItem(BaseModel):
    """A purchase made with the reader's address in another browser: `name` is the offer's."""

    id: str
    name: str
    bought_at: AwareDatetime


class Profile(BaseModel):
    """The reader who asks. `email` is a suggestion until `email_verified`."""

    id: str
    email: str | None
    email_verified: bool
    created_at: AwareDatetime
    session_id: str
    grants: list[GrantItem]
    """The first hundred of `GET /v1/me/grants`."""
    more_grants: str | None
    """The cursor of that list for the others; null: there are none."""
    processing: list[ProcessingItem]
    subscription: SubscriptionItem | None
    """The one that runs; null: none does."""
    ended_subscription: EndedSubscription | None
    """The last that ended, where none runs: why, and the way back."""
    purchases: list[PurchaseItem]
    """What somebody bought with the verified address; the reader may take it over."""
