"""Read-only SQL over offers: the catalogue with what each offer sold and brings."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, String, TextClause, column, func, select, text, true
from sqlalchemy import type_coerce as coerced
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.statuses import LIVE_STATUSES
from service.db.keyset import Keyset, Page
from service.db.tables import Checkout, MovementRow, Offer, Subscription
from service.offers.mirror import INTRO_COUPON
from service.reports.asked import Asked
from service.reports.figures import COLLECTED, IN_TRIAL
from service.reports.metrics import Recurring, monthly_sums, rounded
from service.reports.queries.purchases import is_purchase

OfferState = Literal["sold", "ended"]
MOST_COUPONS = 50
_IN_ORDER = Keyset(Offer.position, Offer.id, newest_first=False)


@dataclass(frozen=True)
class OfferFigures:
    """An offer, who has it now and what it sold in the period.

    `subscribers` are distinct readers as in the figure, `mrr` minor units by currency: a special price of
    the same product counts with the offer. `sold` are the purchases of the period (queries/purchases.py): of
    subscriptions, trials among them, together as many as in the figure of their sources.
    """

    offer: Offer
    subscribers: int
    trials: int
    mrr: Mapping[str, int]
    sold: int


@dataclass(frozen=True)
class CouponUse:
    """A coupon, which promotion codes lead to: subscriptions that have it now, and that began with it in
    the period. It takes off a percentage, or an amount in minor units of `currency`.
    """

    coupon: str
    percent_off: str | None
    amount_off: int | None
    currency: str | None
    duration: str
    now: int
    begun: int


async def list_offers(
    session: AsyncSession, asked: Asked, state: OfferState | None, *, cursor: str | None, limit: int
) -> Page[OfferFigures]:
    """Offers in the catalogue's order. Raises Problem `invalid-request` for a cursor that isn't ours."""
    statement = select(Offer)
    if state == "sold":
        statement = statement.where(Offer.archived_at.is_(None))
    elif state == "ended":
        statement = statement.where(Offer.archived_at.is_not(None))
    page = await _IN_ORDER.page(session, statement, cursor=cursor, limit=limit)
    found = await figures_of_offers(session, page.items, asked)
    return Page(found, page.next_cursor)


async def figures_of_offers(
    session: AsyncSession, offers: Collection[Offer], asked: Asked
) -> list[OfferFigures]:
    """The same of these offers."""
    ids = [offer.id for offer in offers]
    row = Subscription
    paid = await _paid(session, ids)
    in_trial = select(row.offer_id, func.count(row.reader_id.distinct())).where(IN_TRIAL)
    trials = await _counted(session, in_trial, row.offer_id, ids)
    bought = select(Checkout.offer_id, func.count()).where(
        is_purchase(), Checkout.completed_at >= asked.since, Checkout.completed_at < asked.until
    )
    sold = await _counted(session, bought, Checkout.offer_id, ids)
    twice = await _paid_twice(session, ids)
    return [
        OfferFigures(
            each, sum(number for number, _ in paid[each.id]) - twice[each.id], trials[each.id],
            rounded(monthly_sums(amount for _, amount in paid[each.id])), sold[each.id],
        )
        for each in offers
    ]  # fmt: skip


async def _counted(
    session: AsyncSession, statement: Select[Any, int], by: Any, ids: Collection[str]
) -> Counter[str]:
    found = await session.execute(statement.where(by.in_(ids)).group_by(by))
    return Counter({row[0]: row[1] for row in found})


async def _paid(
    session: AsyncSession, ids: Collection[str]
) -> defaultdict[str, list[tuple[int, Recurring]]]:
    """By offer: the number of its paid subscriptions of each price, and what they bring."""
    row = Subscription
    grouping = (row.offer_id, row.currency, row.interval, row.interval_count)
    sums = await session.execute(
        select(func.count(), func.sum(row.recurring_amount), *grouping)
        .where(COLLECTED, row.offer_id.in_(ids))
        .group_by(*grouping)
    )
    by_offer: defaultdict[str, list[tuple[int, Recurring]]] = defaultdict(list)
    for number, total, offer_id, currency, interval, count in sums:
        by_offer[offer_id].append((number, Recurring(int(total), currency, interval, count)))
    return by_offer


async def _paid_twice(session: AsyncSession, ids: Collection[str]) -> Counter[str]:
    """By offer: how many paid subscriptions of it are a reader's second one, or third."""
    row = Subscription
    # Of all offers in the order of an index: of some PostgreSQL takes the readers to be fewer than it can hash.
    whose = row.offer_id == next(iter(ids)) if len(ids) == 1 else true()
    several = (
        select(row.offer_id, (func.count() - 1).label("more"))
        .where(COLLECTED, whose)
        .group_by(row.reader_id, row.pauses_collection, row.offer_id)
        .having(func.count() > 1)
        .subquery("several")
    )
    more = select(several.c.offer_id, func.sum(several.c.more)).group_by(several.c.offer_id)
    return Counter({offer_id: int(number) for offer_id, number in await session.execute(more)})


async def list_coupons(session: AsyncSession, asked: Asked) -> list[CouponUse]:
    """The 50 coupons that most have or began with, those of intro prices left out."""
    row, moved = Subscription, MovementRow
    live = row.status.in_(sorted(LIVE_STATUSES))
    # Indexes have those with any.
    of_some, with_some = (
        text(f"{each}.discounts <> '[]'") for each in ("subscriptions", "movements")
    )
    held = await _by_coupon(session, row.discounts, row.id, live, of_some)
    began = moved.kind.in_(("new", "reactivation"))
    begun = await _by_coupon(
        session, moved.discounts, moved.subscription_id,
        began, moved.at >= asked.since, moved.at < asked.until, with_some,
    )  # fmt: skip
    found = [
        CouponUse(*terms, now=held[terms], begun=begun[terms])
        for terms in held.keys() | begun.keys()
    ]
    return sorted(found, key=lambda each: (-each.now, -each.begun, each.coupon))[:MOST_COUPONS]


_Terms = tuple[str, str | None, int | None, str | None, str]


async def _by_coupon(
    session: AsyncSession,
    discounts: Any,
    counted: Any,
    *conditions: ColumnElement[bool] | TextClause,
) -> Counter[_Terms]:
    """Distinct `counted` by a coupon's terms."""
    source, member = _UNNESTED[session.get_bind().dialect.name](discounts)
    names = ("coupon", "percent_off", "amount_off", "currency", "duration")
    terms = [member(name).label(name) for name in names]
    statement = (
        select(*terms, func.count(counted.distinct()))
        .select_from(counted.class_)
        .join(source, true())
        .where(
            *conditions,
            member("coupon").not_like(f"{INTRO_COUPON.replace('_', '!_')}%", escape="!"),
        )
        .group_by(*terms)
    )
    return Counter(
        {
            (row[0], row[1], None if row[2] is None else int(row[2]), row[3], row[4]): row[5]
            for row in await session.execute(statement)
        }
    )


_Unnested = tuple[Any, Callable[[str], ColumnElement[Any]]]


def _unnested_postgresql(discounts: Any) -> _Unnested:
    each = func.jsonb_array_elements(coerced(discounts, JSONB)).table_valued(
        column("value", JSONB), name="each"
    )
    return each, each.c.value.op("->>", return_type=String())


def _unnested_sqlite(discounts: Any) -> _Unnested:
    each = func.json_each(discounts).table_valued("value", name="each")
    return each, lambda name: func.json_extract(each.c.value, f"$.{name}")


_UNNESTED: Mapping[str, Callable[[Any], _Unnested]] = {
    "postgresql": _unnested_postgresql, "sqlite": _unnested_sqlite,
}  # fmt: skip
