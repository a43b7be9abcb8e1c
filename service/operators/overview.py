"""The first page: the figures, and the list of subscribers."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from service.identity.permissions import Permission
from service.operators.visits import Visit
from service.problems import Problem
from service.reports import queries
from service.reports.figures import Summary
from service.reports.metrics import (
    ACTIVE_SUBSCRIBERS,
    COLLECTION_PAUSED,
    COMMITTED_MRR,
    MRR,
    MRR_AFTER_DISCOUNTS,
    TRIALS,
    Definition,
)
from service.reports.queries import SubscriberFilter, SubscriberPage
from service.reports.schemas import Storable
from service.reports.standing import STATUSES

ROWS = 50


class ListQuery(BaseModel):
    """What the filter's form sends: an empty field is no filter."""

    query: Annotated[str, Storable, Field(max_length=200)] = ""
    status: str = ""
    plan: Annotated[str, Storable, Field(max_length=40)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""

    @property
    def chosen(self) -> SubscriberFilter:
        """Raises Problem `invalid-request` for a status that doesn't exist."""
        standing = next((each for each in STATUSES if each == self.status), None)
        if self.status and standing is None:
            raise Problem("invalid-request", "There is no such status. Choose one of the list.")
        return SubscriberFilter(self.query, standing, self.plan or None)

    @property
    def is_filtered(self) -> bool:
        return bool(self.query.strip() or self.status or self.plan)

    def address_of(self, cursor: str | None) -> str:
        """The same list from `cursor` on; None: from its start."""
        fields = {"query": self.query, "status": self.status, "plan": self.plan, "cursor": cursor}
        chosen = urlencode({name: value for name, value in fields.items() if value})
        return f"/admin?{chosen}" if chosen else "/admin"


Asked = Annotated[ListQuery, Query()]


def figures(summary: Summary) -> list[tuple[Definition, list[tuple[int, str | None]]]]:
    """Each figure's meaning with its values: a number, and the currency where it is money."""
    counts = {
        ACTIVE_SUBSCRIBERS: summary.active_subscribers,
        COLLECTION_PAUSED: summary.collection_paused,
        TRIALS: summary.trials,
    }
    sums = {
        MRR: summary.mrr,
        MRR_AFTER_DISCOUNTS: summary.mrr_after_discounts,
        COMMITTED_MRR: summary.committed_mrr,
    }
    found: list[tuple[Definition, list[tuple[int, str | None]]]] = [
        (meaning, [(count, None)]) for meaning, count in counts.items()
    ]
    found += [(each, [(a, currency) for currency, a in by.items()]) for each, by in sums.items()]
    return found


async def subscribers(
    session: AsyncSession, asked: ListQuery, visit: Visit
) -> SubscriberPage | None:
    """The part of the list that is asked for; None where the operator may not see readers."""
    if Permission.SUBSCRIBERS_READ not in visit.operator.permissions:
        return None
    return await queries.list_subscribers(
        session, asked.chosen, cursor=asked.cursor or None, limit=ROWS
    )
