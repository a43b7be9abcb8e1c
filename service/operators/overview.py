"""The first page: the figures, and the list of subscribers."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Page
from service.identity.permissions import Permission
from service.operators.frame.visits import Visit
from service.reports import subscriber_list
from service.reports.bought import SubscriptionFacts
from service.reports.figures import Summary
from service.reports.metrics import (
    ACTIVE_SUBSCRIBERS,
    COLLECTION_PAUSED,
    COMMITTED_MRR,
    MRR,
    MRR_AFTER_DISCOUNTS,
    OUTSIDE_CATALOGUE,
    TRIALS,
    Definition,
)
from service.reports.registry import FIGURES
from service.reports.schemas import SubscribersQuery

_LISTS = {
    COLLECTION_PAUSED: "/admin/readers?kind=collection_paused",
    TRIALS: "/admin/readers?kind=in_trial",
    OUTSIDE_CATALOGUE: "/admin/readers?status=outside",
}
"""Of figures that have no report: whom they count."""


def addresses(permissions: Collection[Permission]) -> dict[Definition, str]:
    """Where the figures lead somebody with these permissions: to their reports, or to whom they count."""
    reports = {each.meaning: f"/admin/reports/{each.slug}" for each in FIGURES}
    return reports | (_LISTS if Permission.SUBSCRIBERS_READ in permissions else {})


def figures(summary: Summary | None) -> list[tuple[Definition, list[tuple[int, str | None]]]]:
    """Each figure's meaning with its values: a number, and the currency where it is money.

    None, where it took too long, has no figures.
    """
    if summary is None:
        return []
    counts = {
        ACTIVE_SUBSCRIBERS: summary.active_subscribers,
        COLLECTION_PAUSED: summary.collection_paused,
        TRIALS: summary.trials,
    }
    if summary.outside:
        counts[OUTSIDE_CATALOGUE] = summary.outside
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


async def listed(session: AsyncSession, asked: SubscribersQuery, visit: Visit) -> dict[str, Any]:
    """The list of subscribers, and the plans that it can be searched by."""
    return {
        "subscribers": await _subscribers(session, asked, visit),
        "plans": await subscriber_list.plans(session),
    }


async def _subscribers(
    session: AsyncSession, asked: SubscribersQuery, visit: Visit
) -> Page[SubscriptionFacts] | None:
    """The part of the list that is asked for; None where the operator may not see readers."""
    if Permission.SUBSCRIBERS_READ not in visit.operator.permissions:
        return None
    return await subscriber_list.list_subscribers(
        session, asked.chosen(), cursor=asked.cursor, limit=asked.limit
    )
