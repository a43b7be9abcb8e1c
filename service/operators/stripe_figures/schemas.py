"""Stripe's own figures as JSON. MRR is in the currency's minor unit."""

from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from service.bodies import Body, ListOut, WholeNumber
from service.clock import Instant
from service.currencies import known_currency
from service.operators.stripe_figures.entries import Entered
from service.reports.agreement import Churn, Counted, Discounts, Start

MOST = 10**15


class StripeSettingsIn(Body):
    """How Stripe counts, from its page Configure under Billing; as given here it counts as we do."""

    discounts: Discounts = "forever"
    """Which coupons are deducted from MRR: those that last for ever, none, those that recur, or all."""
    churn: Churn = "period_end"
    """When a subscription is lost: period_end, or cancelled, as soon as it is cancelled."""
    start: Start = "subscription"
    """Since when it counts: its start as a subscription, or its first_payment."""


class StripeFigureIn(Body):
    """What Stripe's dashboard says. MRR is of one currency; active subscribers may be of all."""

    figure: Counted
    currency: Annotated[
        str,
        Field(pattern=r"^([A-Z]{3})?$"),
        AfterValidator(lambda code: code and known_currency(code)),
    ] = ""
    at: Instant | None = None
    """The instant that Stripe's figure is of; null: now."""
    value: Annotated[WholeNumber, Field(ge=0, le=MOST)]
    settings: StripeSettingsIn = StripeSettingsIn()

    @model_validator(mode="after")
    def _mrr_has_a_currency(self) -> Self:
        if self.figure == "mrr" and not self.currency:
            raise ValueError("MRR is of one currency: name it")
        return self


class PartOut(BaseModel):
    """What a cause makes Stripe's figure higher, or lower, than ours; null: nobody knows."""

    cause: str
    amount: int | None


class StripeFigureOut(BaseModel):
    """Stripe's figure, ours at the same instant, and what explains the difference.

    `rest` is what no part explains. `perhaps` are what Stripe doesn't count by its own definitions, and
    `guesses` those of them that are exactly the rest.
    """

    id: str
    figure: Counted
    currency: str
    at: AwareDatetime
    value: int
    ours: int
    difference: int
    parts: list[PartOut]
    perhaps: list[PartOut]
    rest: int
    guesses: list[str]
    settings: StripeSettingsIn
    foreign_as_of: AwareDatetime | None
    """When the account was last looked through for what something else sold."""
    entered_by: str
    entered_at: AwareDatetime

    @classmethod
    def of(cls, found: Entered) -> Self:
        row = found.row
        names = ("id", "figure", "currency", "at", "value", "ours", "foreign_as_of", "entered_by")
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in (*names, "entered_at", "parts", "perhaps")},
                "difference": found.difference, "rest": found.rest, "guesses": list(found.guesses),
                "settings": {"discounts": row.discounts, "churn": row.churn, "start": row.start},
            }
        )  # fmt: skip


class StripeFigureList(ListOut[StripeFigureOut]):
    pass
