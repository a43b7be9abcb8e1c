"""What is sent to make and to change an offer."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, Field

from service.bodies import Body, WholeNumber
from service.offers.catalogue import LAST_PLACE
from service.offers.pricing import Interval, SoldTo
from service.offers.store import LONGEST_NAME, LONGEST_PLAN
from service.reports.schemas import Storable

OfferId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
_Name = Annotated[str, Storable, Field(min_length=1, max_length=LONGEST_NAME)]
_LARGEST = 10**9


class OfferIn(Body):
    """Something new to sell. Amounts are integers in the currency's minor unit."""

    name: _Name
    kind: Literal["subscription", "pass", "gift"] = "subscription"
    covers: Literal["plan", "article"] = "plan"
    """article: of a pass that opens the one article that it is bought for."""
    plan: Annotated[str, Storable, Field(max_length=LONGEST_PLAN)] = ""
    """What it opens, such as digital; empty where a single article is sold."""
    amount: Annotated[WholeNumber, Field(ge=1, le=_LARGEST)]
    currency: Annotated[str, Field(pattern=r"^[A-Za-z]{3}$")]
    interval: Interval
    interval_count: Annotated[WholeNumber, Field(ge=1, le=1000)] = 1
    trial_days: Annotated[WholeNumber, Field(ge=0, le=1000)] = 0
    intro_amount: Annotated[WholeNumber, Field(ge=1, le=_LARGEST)] | None = None
    """What each of the first `intro_periods` costs a new subscriber."""
    intro_periods: Annotated[WholeNumber, Field(ge=0, le=1000)] = 0
    most_seats: Annotated[WholeNumber, Field(ge=0, le=1000)] = 0
    """Sold by the seat, up to this number; 0: not by the seat."""
    sold_to: SoldTo = "everybody"
    """former: a win-back. Only a prompt shows it, and checkout sells it only to readers who subscribed before."""


class OfferChangeIn(Body):
    """What shall be otherwise; what is left out stays."""

    name: _Name | None = None
    shown: bool | None = None
    """`false` ends it: nobody can buy it, and who has it keeps it."""
    position: Annotated[WholeNumber, Field(ge=0, le=LAST_PLACE)] | None = None
    """Smaller is shown first."""


_Typed = Annotated[str, Storable, Field(max_length=200)]


class NewOffer(BaseModel):
    """The form as it was typed: amounts in the currency's unit, such as 9.00."""

    csrf: str = ""
    name: _Typed = ""
    kind: Literal["subscription", "pass", "article", "gift"] = "subscription"
    """article: a pass for one article."""
    plan: _Typed = ""
    amount: _Typed = ""
    currency: _Typed = "EUR"
    interval: Interval = "month"
    interval_count: _Typed = "1"
    trial_days: _Typed = ""
    intro_amount: _Typed = ""
    intro_periods: _Typed = ""
    most_seats: _Typed = ""
    sold_to: SoldTo = "everybody"
    sure: str = ""
