"""Promotion codes: how often each was used, and what became of the subscriptions that had it."""

from collections import defaultdict
from collections.abc import Callable

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.lifecycle import LIVE_STATUSES
from service.db.tables import InvoiceRow, MovementRow, PromotionUse, Subscription
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of
from service.reports.queries.counting import Counts

COUNTED = ("used", "new", "still")


async def promotions(session: AsyncSession, asked: Asked) -> list[Line]:
    """Uses that began in the steps, and the money that was paid since then."""
    use = PromotionUse
    dimensions: Dimensions = {
        "code": func.coalesce(use.code, use.coupon + " (no code)"), "coupon": use.coupon.expression,
        "plan": use.plan.expression, "currency": use.currency.expression,
    }  # fmt: skip
    uses = (
        select(
            asked.step_at(use.at.expression).label("step"),
            asked.split_of(dimensions).label("split"),
            use.subscription_id,
            use.at,
            use.currency,
            _as_number(_is_new()).label("new"),
            _as_number(_is_live()).label("still"),
        )
        .where(use.at >= asked.since, use.at < asked.until, *asked.filters(dimensions))
        .subquery("uses")
    )
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    grouping = (uses.c.step, uses.c.split)
    counted = select(*grouping, func.count(), func.sum(uses.c.new), func.sum(uses.c.still))
    for step, split, *numbers in await session.execute(counted.group_by(*grouping)):
        for name, number in zip(COUNTED, numbers, strict=True):
            for place in (step, None):
                counts[split, name][place] += int(number)
    lines = [
        line_of(_cells(found), asked.steps, name, split=split)
        for (split, name), found in counts.items()
    ]
    sums: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    paid = (
        select(*grouping, uses.c.currency, func.sum(InvoiceRow.amount_paid))
        .join_from(uses, InvoiceRow, InvoiceRow.subscription_id == uses.c.subscription_id)
        .where(
            InvoiceRow.status == "paid",
            InvoiceRow.currency == uses.c.currency,
            InvoiceRow.created_at >= uses.c.at,
        )
        .group_by(*grouping, uses.c.currency)
    )
    for step, split, currency, amount in await session.execute(paid):
        for place in (step, None):
            sums[split, currency][place] += int(amount)
    return lines + [
        line_of(_cells(found), asked.steps, "paid", split=split, currency=currency)
        for (split, currency), found in sums.items()
    ]


def _is_new() -> ColumnElement[bool]:
    """Whether the subscription is its reader's first, and was paid from the use on or later."""
    return (
        select(MovementRow.number)
        .where(
            MovementRow.subscription_id == PromotionUse.subscription_id,
            MovementRow.kind == "new",
            MovementRow.at >= PromotionUse.at,
        )
        .correlate(PromotionUse)
        .exists()
    )


def _is_live() -> ColumnElement[bool]:
    return (
        select(Subscription.id)
        .where(
            Subscription.id == PromotionUse.subscription_id,
            Subscription.status.in_(sorted(LIVE_STATUSES)),
        )
        .correlate(PromotionUse)
        .exists()
    )


def _as_number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _cells(of: Counts) -> Callable[[int | None], Cell]:
    return lambda at: Cell(of[at])
