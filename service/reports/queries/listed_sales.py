"""What the figures of sales and money count: trials, registrations, purchases, uses of codes, payments."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db.tables import (
    ChargeRow,
    Checkout,
    CheckoutTouches,
    InvoiceRow,
    Offer,
    Pass,
)
from service.finance.trials import LOST, PAID, PENDING
from service.reports import led
from service.reports.asked import Asked
from service.reports.listed import counted_row, one_series
from service.reports.queries.money import DUNNING, dimensions_of_sale, episode_dimensions
from service.reports.queries.money_days import episodes_of
from service.reports.queries.money_rows import money_back_rows
from service.reports.queries.promotions import uses_in
from service.reports.queries.sales import ended_trials, registered
from service.reports.queries.source_days import TOUCHES, bought

OPEN = "open"
BACK = {
    "charges": "charges", "charged": "charges",
    "refunds": "refunds", "refund_rate": "refunds", "refunded": "refunds", "refunded_rate": "refunds",
    "disputes": "disputes", "dispute_rate": "disputes", "disputed": "disputes", "disputed_rate": "disputes",
}  # fmt: skip
"""The rows of each series of refunds and disputes."""
SETTLED = {
    **{name: name for name in DUNNING}, **{f"{name}_amount": name for name in DUNNING},
    "rate": "recovered",
}  # fmt: skip
"""The rows of each series of open payments."""


async def trial_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Trials that ended, by what became of them."""
    wanted = {"ended": (PAID, LOST, PENDING), "converted": (PAID,)}
    became = {each for name in series for each in wanted.get(name, (name,))}
    trial = ended_trials(asked).c
    # What was bought with the trial; it may have been switched since.
    sold = select(Checkout.offer_id).where(Checkout.stripe_subscription_id == trial.id)
    columns = counted_row(
        series=trial.became, at=trial.at, key=trial.id, subscription_id=trial.id,
        offer_id=sold.limit(1).scalar_subquery(),
    )  # fmt: skip
    return select(*columns).where(trial.became.in_(sorted(became)))


async def registration_rows(_: AsyncSession, asked: Asked, __: Collection[str]) -> Select[Any]:
    """Readers who verified an address."""
    row = registered(asked).c
    columns = counted_row(series=one_series("all"), at=row.at, key=row.id, reader_id=row.id)
    return select(*columns)


async def source_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Subscriptions that were bought, by the source of the first touch or the last."""
    name = next(each for each in TOUCHES if each in series)
    row = Checkout
    columns = counted_row(
        series=one_series(name), at=row.completed_at, key=row.id, reader_id=row.reader_id,
        subscription_id=row.stripe_subscription_id, offer_id=row.offer_id,
        detail=led.source(CheckoutTouches, name),
    )  # fmt: skip
    return (
        select(*columns)
        .outerjoin(CheckoutTouches, CheckoutTouches.checkout_id == row.id)
        .where(*bought([(asked.since, asked.until)]), *led.filters(asked))
    )


async def promotion_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Uses of promotion codes and coupons, with what was paid since."""
    use = uses_in(asked).c
    name = next(iter(series))
    conditions: dict[str, ColumnElement[bool]] = {
        "passes": use.sold == "pass", "gifts": use.sold == "gift", "new": use.is_new.is_(True),
        "still": use.is_live.is_(True), "paid": use.paid > 0,
    }  # fmt: skip
    columns = counted_row(
        series=one_series(name), at=use.at, key=use.discount_id, reader_id=Pass.reader_id,
        subscription_id=use.subscription_id, offer_id=Pass.offer_id, detail=use.code, amount=use.paid,
        currency=use.currency,
    )  # fmt: skip
    fits = [conditions[name]] if name in conditions else []
    return select(*columns).outerjoin(Pass, Pass.id == use.pass_id).where(*fits)


async def back_rows(_: AsyncSession, asked: Asked, series: Collection[str]) -> Select[Any]:
    """Charges that were paid, their refunds, or their disputes."""
    wanted = {BACK[name] for name in series}
    row = money_back_rows(lambda at: and_(at >= asked.since, at < asked.until), wanted).c
    charge = aliased(ChargeRow)
    columns = counted_row(
        series=row.what, at=row.at, key=row.id, reader_id=Pass.reader_id,
        subscription_id=charge.subscription_id, offer_id=row.offer_id, amount=row.amount,
        currency=row.currency,
    )  # fmt: skip
    return (
        select(*columns)
        .join(charge, charge.id == row.charge_id)
        .outerjoin(Pass, Pass.id == charge.payment_id)
        .outerjoin(Offer, Offer.id == row.offer_id)
        .where(*asked.filters(dimensions_of_sale(row)))
    )


async def dunning_rows(
    session: AsyncSession, asked: Asked, series: Collection[str]
) -> Select[Any]:  # fmt: skip
    """Invoices whose charge failed, by what became of them; or those that are open at the end of the period."""
    episode = (await episodes_of(session, asked)).c
    name = next(iter(series))
    if name == OPEN:
        at, until = episode.begun_at, min(asked.until, asked.now)
        settled = (episode.recovered_at, episode.lost_at)
        fits = [at < until, *(or_(each.is_(None), each >= until) for each in settled)]
    else:
        at = episode[f"{SETTLED[name]}_at"]
        fits = [at >= asked.since, at < asked.until]
    columns = counted_row(
        series=one_series(SETTLED.get(name, name)), at=at, key=episode.invoice_id,
        subscription_id=InvoiceRow.subscription_id, offer_id=func.coalesce(episode.offer_id, ""),
        detail=episode.decline, amount=episode.amount, currency=episode.currency,
    )  # fmt: skip
    return (
        select(*columns)
        .join(InvoiceRow, InvoiceRow.id == episode.invoice_id)
        .outerjoin(Offer, Offer.id == episode.offer_id)
        .where(*fits, *asked.filters(episode_dimensions(episode)))
    )
