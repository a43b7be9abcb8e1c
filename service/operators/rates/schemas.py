"""Exchange rates as JSON."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from service.bodies import Body, Currency, ListOut
from service.db.tables import ExchangeRate
from service.identity.meanwhile import stamp_of
from service.operators.rates.changes import Pair, facts_of


class RateIn(Body):
    """From `day` on one unit of `currency`, such as a franc, is `rate` units of `into`."""

    currency: Currency
    into: Currency
    day: Annotated[date, Field(ge=date(2000, 1, 1), le=date(2099, 12, 31))]
    rate: Annotated[Decimal, Field(gt=0, max_digits=20, decimal_places=12)]

    @model_validator(mode="after")
    def _of_two_currencies(self) -> Self:
        if self.currency == self.into:
            raise ValueError("A rate is between two currencies: name another one")
        return self

    @property
    def pair(self) -> Pair:
        return Pair(self.currency, self.into, self.day)


class RateOut(BaseModel):
    """`rate` is a decimal number as it was entered."""

    currency: str
    into: str
    day: date
    rate: str
    entered_by: str
    entered_at: AwareDatetime
    etag: str
    """What goes into `If-Match`."""

    @classmethod
    def of(cls, row: ExchangeRate) -> Self:
        return cls(
            currency=row.currency, into=row.into, day=row.day, rate=row.rate,
            entered_by=row.entered_by, entered_at=row.entered_at, etag=stamp_of(facts_of(row.rate)),
        )  # fmt: skip


class RateList(ListOut[RateOut]):
    pass
