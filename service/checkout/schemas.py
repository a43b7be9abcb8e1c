"""Checkout and portal over HTTP."""

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from service.billing.gift_subscriptions import GiftWanted
from service.bodies import Body, Identifier, WholeNumber
from service.clock import Instant
from service.identity.email import checked_address
from service.identity.touches import LONGEST_REFERRER, Campaign
from service.offers.pricing import MOST_SEATS
from service.texts import storable

Text = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=2000)]
Short = Annotated[Identifier, Field(min_length=1, max_length=100)]


class GiftIn(Body):
    """A gift of an offer of kind gift: its link is mailed on a day, or handed over by the buyer."""

    email: Annotated[Identifier, Field(min_length=3, max_length=254)] | None = None
    """The receiver's; absent: nothing is mailed, and the buyer has the link."""
    send_at: Instant | None = None
    """When it is mailed, within two years; absent: once it is paid."""

    def wanted(self) -> GiftWanted:
        """Problem `invalid-email`."""
        address = checked_address(self.email).text if self.email is not None else None
        return GiftWanted(address, self.send_at)


class CheckoutIn(Body):
    """`offer` is the id of one of GET /v1/offers: what it costs is never the caller's to say."""

    offer: Short
    return_to: Text
    """A path of the site or an address on a listed origin: where the reader goes after paying."""
    promotion_code: Short | None = None
    """Can't be added to an offer that has an intro price for this reader."""
    article: Annotated[Identifier, Field(min_length=1, max_length=200)] | None = None
    """The slug of the article that a pass with `covers` article shall open; else it is ignored."""
    referrer: (
        Annotated[str, AfterValidator(storable), Field(max_length=LONGEST_REFERRER)] | None
    ) = None
    """Where the reader came from (`document.referrer`); only its host is kept."""
    campaign: Campaign | None = None
    """Kept with what led the reader here before, for reports of where sales come from."""
    seats: Annotated[WholeNumber, Field(ge=1, le=MOST_SEATS)] = 1
    """How many are bought of an offer with `most_seats`; the buyer has one of them."""
    gift: GiftIn | None = None
    """Of an offer of kind gift: to whom it goes, and when."""
    despite_access: bool = False
    """Buy what a comp or a subscription elsewhere opens already: else 409 `has-access` says so."""
    newsletter: bool | None = None
    """What the reader answers to the wording in `PAYWALL_NEWSLETTER_WORDING`; absent: not asked.
    A consent once it is paid.
    """


class CheckoutOut(BaseModel):
    """Send the reader to `url`. `claim` proves on return that you started this checkout."""

    session_id: str
    url: str
    expires_at: AwareDatetime
    claim: str


class CompleteIn(Body):
    claim: Short | None = None
    """May be left out where the cookie holds it, or where the reader is signed in."""
    session: Literal["cookie", "token"] = "cookie"
    """Where the session is kept: in a cookie of ours, or by the app, as `refresh_token`."""


class PortalIn(Body):
    return_to: Text


class PortalOut(BaseModel):
    """Send the reader to `url`, soon: it is good for minutes, and only for this reader."""

    url: str
