"""The list behind a figure: how it is asked for, and as JSON."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from service.bodies import ListOut
from service.html.list_query import ListQuery
from service.reports.asked import Asked
from service.reports.counted_list import Counted
from service.reports.figure import Figure
from service.reports.report_schemas import DaysQuery
from service.reports.schemas import Storable
from service.settings import Settings


class CountedQuery(DaysQuery, ListQuery):
    """The period, filters, paging, and which of the figure's series."""

    series: Annotated[str, Storable, Field(max_length=40)] = ""
    """A series that counts readers, subscriptions or payments; without it those that the figure is mostly about."""

    def asked(self, settings: Settings, now: datetime) -> Asked:
        """In business time. Raises Problem `invalid-request`."""
        return self.of_days(settings, now, interval="year")


AnyCounted = Annotated[CountedQuery, Query()]


class CountedItem(BaseModel):
    """`reader_id` is null where the reader was erased; what doesn't apply is null. Amounts are in minor units."""

    series: str
    at: AwareDatetime
    reader_id: str | None
    email: str | None
    subscription: str | None
    offer_id: str | None
    """What was paid for where the figure is of payments or purchases, else what the subscription is of now."""
    offer: str | None
    """Its name, which several may have."""
    detail: str | None
    """The cause, the code, the bank's answer, the source, or the number of days with a read."""
    amount: int | None
    currency: str | None

    @classmethod
    def of(cls, row: Counted) -> Self:
        return cls(
            series=row.series, at=row.at, reader_id=row.reader_id, email=row.email,
            subscription=row.subscription_id, offer_id=row.offer_id, offer=row.offer_name,
            detail=row.detail, amount=row.amount, currency=row.currency,
        )  # fmt: skip


class CountedLine(CountedItem):
    """A row of a file, and by which definition of which figure it counts."""

    figure: str
    version: int

    @classmethod
    def by(cls, figure: Figure, row: Counted) -> Self:
        item = CountedItem.of(row)
        return cls(**item.model_dump(), figure=figure.slug, version=figure.version)


class CountedList(ListOut[CountedItem]):
    """The newest first; who there was at one instant in no order of time."""
