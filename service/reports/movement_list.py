"""Read-only SQL over movements: the rows behind a bar of MRR's movements, each with its reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.movements import Kind
from service.db.keyset import Keyset, Page
from service.db.tables import Checkout, CheckoutTouches, MovementRow, Offer, Reader, Subscription
from service.reports import led
from service.reports.asked import Asked
from service.reports.few_readers import FEW
from service.reports.movement_sums import DIMENSIONS, KINDS_OF
from service.reports.queries.leaving import CAUSES
from service.reports.queries.movement_rows import led_by
from service.reports.source_rollup import BY_SOURCE
from service.reports.source_sums import LED

KINDS: tuple[Kind, ...] = get_args(Kind)
Kinds = Kind | Literal["joined_or_left", "churn"]
_OF_SEVERAL: Mapping[str, tuple[str, ...]] = {
    "joined_or_left": tuple(KINDS_OF.values()),
    "churn": ("churn_voluntary", "churn_involuntary"),
}
FILTERS = (*DIMENSIONS, *led.SOURCES)
_NEWEST_FIRST = Keyset(MovementRow.at, MovementRow.subscription_id, MovementRow.number)


@dataclass(frozen=True)
class Moved:
    """A movement with whose it is; without `reader_id` the reader was erased, or isn't known."""

    row: MovementRow
    reader_id: str | None
    email: str | None
    offer_name: str | None


async def list_movements(
    session: AsyncSession,
    asked: Asked,
    kind: Kinds | None,
    *,
    cause: str = "",
    cursor: str | None,
    limit: int,
    few: int = FEW,
) -> Page[Moved]:
    """Those of the period, the newest first. Raises Problem `invalid-request` for a cursor that isn't ours.

    A filter of what is charged holds for what was before or for what came, as figures count them. Of what led to at
    most `few` movements the subscriptions are named in the statement.
    """
    row = MovementRow
    statement = (
        select(row, Reader.id, Reader.email, Offer.name)
        .outerjoin(Subscription, Subscription.id == row.subscription_id)
        .outerjoin(Reader, (Reader.id == Subscription.reader_id) & Reader.erased_at.is_(None))
        .outerjoin(Offer, Offer.id == Subscription.offer_id)
        .where(row.at >= asked.since, row.at < asked.until, *_charged(asked))
    )
    by_source = asked.among(led.SOURCES)
    if by_source.chosen:
        statement = (
            statement.outerjoin(Checkout, Checkout.stripe_subscription_id == row.subscription_id)
            .outerjoin(CheckoutTouches, CheckoutTouches.checkout_id == Checkout.id)
            .where(*by_source.filters(led_by()), *await _is_among_few(session, by_source, few))
        )
    if kind is not None:
        statement = statement.where(row.kind.in_(_OF_SEVERAL.get(kind, (kind,))))
    if cause == "other":
        statement = statement.where(row.cause.not_in(CAUSES))
    elif cause:
        statement = statement.where(row.cause == cause)
    page = await _NEWEST_FIRST.rows(session, statement, cursor=cursor, limit=limit)
    return page.map(lambda found: Moved(*found[:4]))


async def _is_among_few(
    session: AsyncSession, by_source: Asked, few: int
) -> list[ColumnElement[bool]]:
    """Where few movements may have been led to by what is asked for: that it is of one of their subscriptions.

    To look up what led to each movement of a month takes a second. Of many the first page is found soon.
    """
    row = MovementRow
    name, value = next(iter(by_source.chosen.items()))
    # In the order of the index of those that aren't added up, which PostgreSQL takes to be almost all.
    unknown = select(row.subscription_id).where(BY_SOURCE.left).order_by(row.customer)
    added_up = select(row.subscription_id).where(LED[name] == value)
    ids: set[str] = set()
    for each in (unknown, added_up):
        found = [*await session.scalars(each.limit(few + 1))]
        if len(found) > few:
            return []
        ids.update(found)
    return [row.subscription_id.in_(sorted(ids))]


def _charged(asked: Asked) -> list[ColumnElement[bool]]:
    charged, row = asked.among(DIMENSIONS), MovementRow
    if not charged.chosen:
        return []
    sides = ((row.from_plan, row.from_interval), (row.to_plan, row.to_interval))
    return [
        or_(
            *(
                and_(
                    plan.is_not(None),
                    *charged.filters(
                        {
                            "plan": plan.expression,
                            "interval_charged": interval.expression,
                            "currency": row.currency.expression,
                        }
                    ),
                )
                for plan, interval in sides
            )
        )
    ]
