"""A life at the local Stripe that has every kind of money in it, and the rows that are kept of it."""

from typing import Any

from sqlalchemy import insert, inspect, select

from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    BalanceRow,
    ChargeRow,
    Checkout,
    DisputeRow,
    InvoicePaymentRow,
    InvoiceRow,
    Offer,
    PayoutRow,
    RefundRow,
)
from tests.billing.desk import Desk

MONEY: tuple[type[Base], ...] = (
    InvoiceRow, InvoicePaymentRow, ChargeRow, RefundRow, DisputeRow, BalanceRow, PayoutRow,
)  # fmt: skip
FAILS_LATER = "pm_card_chargeCustomerFail"


async def live(desk: Desk) -> None:
    """Four weeks (as long as Stripe lists events) of subscriptions: paid, refunded in part, disputed and lost, declined; a pass, something
    foreign, and payouts.
    """
    _, ana = await desk.reader()
    kept = desk.subscribe(ana)
    _, ben = await desk.reader("ben@example.org")
    lost = desk.subscribe(ben, "pm_card_de")
    _, cleo = await desk.reader("cleo@example.org")
    declined = desk.subscribe(cleo, FAILS_LATER, trial_period_days=3)
    await buy_pass(desk, ana)
    foreign = desk.stripe.payment_intents.create(
        {
            "amount": 2500, "currency": "usd", "customer": ana, "confirm": True,
            "payment_method": desk.stripe.payment_methods.attach(
                "pm_card_visa", {"customer": ana}
            ).id,
        }
    )  # fmt: skip
    desk.stripe.refunds.create({"payment_intent": desk.payment(kept), "amount": 400})
    desk.stripe.refunds.create({"payment_intent": foreign.id})
    charge = desk.stripe.charges.list({"payment_intent": desk.payment(lost)}).data[0]
    desk.travel(days=9)
    await desk.at_stripe.hook("dispute", charge=charge.id)
    for _ in range(2):
        desk.travel(days=9)
    assert desk.status(declined) == "canceled"


async def buy_pass(desk: Desk, customer: str) -> str:
    """A one-off payment of a checkout of ours; the payment's id."""
    async with desk.database.transaction() as session:
        offer_id = (await session.scalars(select(Offer.id).order_by(Offer.position))).all()[-1]
        now = desk.clocks.business()
        await session.execute(
            insert(Checkout).values(
                id="co_pass", offer_id=offer_id, reader_id=None, device_id=None, return_to="/",
                claim_hash="", claim_used_at=None, status="completed", stripe_session_id=None,
                stripe_url=None, stripe_subscription_id=None, article_id=None, created_at=now,
                expires_at=now, completed_at=now, processing_since=None, newsletter=None,
                newsletter_wording=None,
            )
        )  # fmt: skip
    method = desk.stripe.payment_methods.attach("pm_card_visa", {"customer": customer})
    paid = desk.stripe.payment_intents.create(
        {
            "amount": 300, "currency": "eur", "customer": customer, "confirm": True,
            "payment_method": method.id, "metadata": {"checkout": "co_pass"},
        }
    )  # fmt: skip
    return str(paid.id)


async def kept(database: Database) -> dict[str, dict[str, dict[str, Any]]]:
    """All rows by table and key, without when Stripe was asked."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    async with database.reading() as session:
        for table in MONEY:
            names = [each.key for each in inspect(table).column_attrs if each.key != "asked_at"]
            rows = await session.scalars(select(table))
            found[table.__tablename__] = {
                getattr(row, names[0]): {name: getattr(row, name) for name in names} for row in rows
            }
    return found
