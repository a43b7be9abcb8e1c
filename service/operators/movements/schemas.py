"""The rows behind MRR's movements: how they are asked for, and as JSON."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel

from service.billing.movements import Kind
from service.bodies import ListOut
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.reports.asked import Asked
from service.reports.movement_list import FILTERS, Kinds, Moved
from service.reports.offer_schemas import PeriodQuery
from service.reports.report_schemas import FilterText
from service.settings import Settings

Cause = Literal[
    "voluntary", "payment_failed", "dispute_lost", "refund", "trial_used", "duplicate", "erased",
    "other",
]  # fmt: skip


class MovementsQuery(PeriodQuery, ListQuery):
    """The period, which movements, filters, and paging."""

    kind: Annotated[Kinds | None, EMPTY_IS_NONE] = None
    """One kind; joined_or_left: without changes of what somebody pays; churn: by choice or not."""
    cause: Annotated[Cause | None, EMPTY_IS_NONE] = None
    """Why somebody left."""
    plan: FilterText = ""
    """Before or since."""
    interval_charged: FilterText = ""
    """day, week, month or year."""
    currency: FilterText = ""
    source: FilterText = ""
    """What led the buyer here first: the campaign's source, else the site with the link."""
    last_source: FilterText = ""
    campaign: FilterText = ""
    """The campaign of the first visit."""

    def asked(self, settings: Settings, now: datetime) -> Asked:
        chosen = {name: getattr(self, name) for name in FILTERS if getattr(self, name)}
        return replace(super().asked(settings, now), chosen=chosen)


AnyMovements = Annotated[MovementsQuery, Query()]


class MovementItem(BaseModel):
    """What a subscription brought before and since, in minor units for each interval; null: nothing.

    `reader_id` is null where the reader was erased.
    """

    at: AwareDatetime
    kind: Kind
    cause: str
    reader_id: str | None
    email: str | None
    subscription: str
    currency: str
    from_amount: int
    """Less the discounts that last for ever, as MRR counts it; `from_net` is less all of that time."""
    from_net: int
    from_plan: str | None
    from_interval: str | None
    from_interval_count: int | None
    to_amount: int
    to_net: int
    to_plan: str | None
    to_interval: str | None
    to_interval_count: int | None

    @classmethod
    def of(cls, moved: Moved) -> Self:
        row = moved.row
        return cls.model_validate(
            {
                "at": row.at, "kind": row.kind, "cause": row.cause, "reader_id": moved.reader_id,
                "email": moved.email, "subscription": row.subscription_id, "currency": row.currency,
                "from_amount": row.from_recurring, "from_net": row.from_net, "to_net": row.to_net, "from_plan": row.from_plan,
                "from_interval": row.from_interval, "from_interval_count": row.from_interval_count,
                "to_amount": row.to_recurring, "to_plan": row.to_plan,
                "to_interval": row.to_interval, "to_interval_count": row.to_interval_count,
            }
        )  # fmt: skip


class MovementList(ListOut[MovementItem]):
    """Movements, the newest first."""
