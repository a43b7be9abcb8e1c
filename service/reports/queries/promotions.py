"""Promotion codes: how often each was used, and what became of the purchases that had it."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, case, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.statuses import LIVE_STATUSES
from service.db.tables import InvoiceRow, MovementRow, Pass, PromotionUse, Subscription
from service.finance.promotions import UNKNOWN
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of
from service.reports.queries.counting import Counts

COUNTED = ("used", "passes", "gifts", "new", "still")


def uses_in(asked: Asked) -> Subquery:
    """The uses that began in the period, with what became of each: `is_new`, `is_live` and `paid`."""
    use = PromotionUse
    dimensions: Dimensions = {
        "code": func.coalesce(use.code, use.coupon + " (no code)"), "coupon": use.coupon.expression,
        "plan": use.plan.expression, "currency": use.currency.expression,
    }  # fmt: skip
    of = (use.at >= asked.since, use.at < asked.until, *asked.filters(dimensions))
    columns = (use.discount_id, use.is_new, use.is_live, use.paid)
    about = (
        use.at, use.sold, use.currency, use.subscription_id, use.pass_id,
        dimensions["code"].label("code"), asked.split_of(dimensions).label("split"),
    )  # fmt: skip
    known = select(*columns, *about).where(~UNKNOWN, *of)
    return union_all(known, looked_up(UNKNOWN, *of).add_columns(*about)).subquery("uses_in")


async def promotions(session: AsyncSession, asked: Asked) -> list[Line]:
    """Uses that began in the steps, and the money that was paid since then."""
    each = uses_in(asked)
    uses = select(each, asked.step_at(each.c.at).label("step")).subquery("uses")
    grouping = (uses.c.step, uses.c.split, uses.c.currency)
    numbers = (
        func.count(), _number(uses.c.sold == "pass"), _number(uses.c.sold == "gift"),
        _number(uses.c.is_new), _number(uses.c.is_live), func.sum(uses.c.paid),
    )  # fmt: skip
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    sums: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    for step, split, currency, *found, paid in await session.execute(
        select(*grouping, *numbers).group_by(*grouping)
    ):
        for place in (step, None):
            for name, number in zip(COUNTED, found, strict=True):
                counts[split, name][place] += int(number)
            if paid:
                sums[split, currency][place] += int(paid)
    return [
        *(
            line_of(_cells(found), asked.steps, name, split=split)
            for (split, name), found in counts.items()
        ),
        *(
            line_of(_cells(found), asked.steps, "paid", split=split, currency=currency)
            for (split, currency), found in sums.items()
        ),
    ]


def looked_up(*of: ColumnElement[bool]) -> Select[str, bool, bool, Any]:
    """What became of uses, from the rows: whether each brought a new subscriber who is still there, and what was paid.

    New: the subscription is its reader's first, and was paid from the use on or later.
    """
    use = PromotionUse
    is_new = (
        select(MovementRow.number)
        .where(
            MovementRow.subscription_id == use.subscription_id,
            MovementRow.kind == "new",
            MovementRow.at >= use.at,
        )
        .correlate(use)
        .exists()
    )
    is_live = (
        select(Subscription.id)
        .where(
            Subscription.id == use.subscription_id,
            Subscription.status.in_(sorted(LIVE_STATUSES)),
        )
        .correlate(use)
        .exists()
    )
    invoiced = (
        select(func.sum(InvoiceRow.amount_paid))
        .where(
            InvoiceRow.subscription_id == use.subscription_id,
            InvoiceRow.status == "paid",
            InvoiceRow.currency == use.currency,
            InvoiceRow.created_at >= use.at,
        )
        .correlate(use)
        .scalar_subquery()
    )
    once = select(Pass.amount).where(Pass.id == use.pass_id).correlate(use).scalar_subquery()
    return select(
        use.discount_id,
        is_new.label("is_new"),
        is_live.label("is_live"),
        func.coalesce(invoiced, once, 0).label("paid"),
    ).where(*of)


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _cells(of: Counts) -> Callable[[int | None], Cell]:
    return lambda at: Cell(of[at])
