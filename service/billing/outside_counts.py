"""How many subscriptions are outside of our model, for Prometheus."""

from collections.abc import Mapping
from typing import get_args

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.outside import Outside
from service.billing.unbound import count_unbound
from service.db.tables import Subscription

_WHAT = [each for each in get_args(Outside) if each]


async def count_outside(session: AsyncSession) -> Mapping[str, int]:
    """By what isn't in our model, those whose customer is no reader's among them."""
    found = await session.execute(
        select(Subscription.outside, func.count())
        .where(Subscription.outside != "")
        .group_by(Subscription.outside)
    )
    held = dict(found.all())
    return {
        **{what: held.get(what, 0) for what in _WHAT},
        "unbound": await count_unbound(session),
    }


def gauge(counts: Mapping[str, int]) -> Metric:
    """The figures for Prometheus."""
    family = GaugeMetricFamily(
        "paywall_subscriptions_outside",
        "Subscriptions of which Stripe bills what isn't in our model, by what that is",
        labels=["what"],
    )
    for what, count in counts.items():
        family.add_metric([what], count)
    return family
