"""What readers say when they cancel: how it is asked for, and as JSON."""

from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from service.bodies import ListOut
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.reports.cancellation_list import Cancelled, Chosen
from service.reports.offer_schemas import PeriodQuery
from service.reports.schemas import Storable

Tenure = Literal["day_1", "day_7", "day_30", "day_100", "later"]
Feedback = Literal[
    "too_expensive", "unused", "missing_features", "low_quality", "switched_service", "too_complex",
    "customer_service", "other", "none",
]  # fmt: skip


class CancellationsQuery(PeriodQuery, ListQuery):
    """The period in which the end was asked for, filters, and paging."""

    plan: Annotated[str, Storable, Field(max_length=100)] = ""
    interval_charged: Annotated[str, Storable, Field(max_length=20)] = ""
    """day, week, month or year."""
    currency: Annotated[str, Storable, Field(max_length=10)] = ""
    tenure: Annotated[Tenure | None, EMPTY_IS_NONE] = None
    """How long the subscription had run, in days: 1, 7, 30, 100 or later."""
    feedback: Annotated[Feedback | None, EMPTY_IS_NONE] = None
    """What the reader chose of Stripe's answers; none: nothing."""
    comments: bool = False
    """Only those who wrote something."""

    @property
    def filtered(self) -> dict[str, str]:
        """The plan, the interval and the currency that are asked for."""
        given = {name: getattr(self, name) for name in ("plan", "interval_charged", "currency")}
        return {name: value for name, value in given.items() if value}

    @property
    def chosen(self) -> Chosen:
        return Chosen(
            self.plan, self.tenure or "", self.feedback or "", self.comments,
            interval=self.interval_charged, currency=self.currency,
        )  # fmt: skip


AnyCancellations = Annotated[CancellationsQuery, Query()]


class CancellationItem(BaseModel):
    """`reader_id` is null where the reader was erased; then the comment is gone, too."""

    subscription: str
    reader_id: str | None
    email: str | None
    offer: str
    plan: str
    cancelled_at: AwareDatetime
    ends_at: AwareDatetime | None
    tenure: str
    days: int | None
    """Of which day of the subscription it was."""
    feedback: str | None
    comment: str | None

    @classmethod
    def of(cls, found: Cancelled) -> Self:
        row = found.row
        return cls.model_validate(
            {
                "subscription": row.id, "reader_id": found.reader_id, "email": found.email,
                "offer": found.offer_name, "plan": row.plan, "cancelled_at": row.cancelled_at,
                "ends_at": row.ended_at or row.cancel_at, "tenure": found.tenure,
                "days": row.cancelled_after_days, "feedback": row.cancel_feedback or None,
                "comment": row.cancel_comment or None,
            }
        )  # fmt: skip


class CancellationList(ListOut[CancellationItem]):
    pass
