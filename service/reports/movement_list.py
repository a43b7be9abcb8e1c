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
from service.reports.movement_sums import DIMENSIONS, KINDS_OF
from service.reports.queries.leaving import CAUSES
from service.reports.queries.movement_rows import led_by

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
) -> Page[Moved]:
    """Those of the period, the newest first. Raises Problem `invalid-request` for a cursor that isn't ours.

    A filter of what is charged holds for what was before or for what came, as figures count them.
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
            .where(*by_source.filters(led_by()))
        )
    if kind is not None:
        statement = statement.where(row.kind.in_(_OF_SEVERAL.get(kind, (kind,))))
    if cause == "other":
        statement = statement.where(row.cause.not_in(CAUSES))
    elif cause:
        statement = statement.where(row.cause == cause)
    page = await _NEWEST_FIRST.rows(session, statement, cursor=cursor, limit=limit)
    return page.map(lambda found: Moved(*found[:4]))


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
