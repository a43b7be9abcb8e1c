"""The reading of mails sees what is wrong in one, and late receipts name their own periods."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from service.db.tables import Mail, Offer
from tests.billing.desk import Desk, backwards
from tests.billing.model.letters import ANYTHING, Letters
from tests.billing.model.oracle import Oracle, Policy
from tests.databases import on_sqlite

pytestmark = on_sqlite


async def oracle_at(desk: Desk) -> Oracle:
    async with desk.database.reading() as session:
        prices = await session.scalars(select(Offer.stripe_price_id))
        return Oracle(
            desk.at_stripe.simulator.world.store,
            Policy(desk.settings.refund_policy, timedelta(days=desk.settings.grace_days)),
            frozenset(each for each in prices if each),
        )


async def texts(desk: Desk, kind: str) -> dict[str, str]:
    """By id."""
    async with desk.database.reading() as session:
        found = await session.execute(select(Mail.id, Mail.text).where(Mail.kind == kind))
        return {name: text or "" for name, text in found}


def mailing(desk: Desk) -> Desk:
    return replace(desk, settings=desk.settings.model_copy(update={"mail_from": "a@example.org"}))


async def read(desk: Desk, subscription: str) -> None:
    """Read all mails anew."""
    oracle, letters = await oracle_at(desk), Letters(desk.settings.zone)
    facts = oracle.facts(subscription, desk.clocks.business())
    assert facts is not None
    letters.saw(facts)
    async with desk.database.reading() as session:
        await letters.check(session, oracle, is_whole=True)


@pytest.mark.parametrize(
    ("kind", "days"), [("receipt", 0), ("welcome", 0), ("payment-failed", 31), ("cancelled", 0)]
)
async def test_each_day_and_amount_of_a_mail_is_read(desk: Desk, kind: str, days: int) -> None:
    desk = mailing(desk)
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    if kind == "welcome":
        await desk.hear()
    if kind in {"receipt", "payment-failed"}:
        desk.travel(days=31, hours=2)
    if kind == "payment-failed":
        method = desk.stripe.payment_methods.attach(
            "pm_card_chargeCustomerFail", {"customer": customer}
        )
        desk.stripe.subscriptions.update(subscription, {"default_payment_method": method.id})
        desk.travel(days=days, hours=2)
    if kind == "cancelled":
        desk.stripe.subscriptions.update(subscription, {"cancel_at_period_end": True})
    await desk.hear()
    await read(desk, subscription)
    ((name, text),) = (await texts(desk, kind)).items()
    for found in ANYTHING.finditer(text):
        wrong = re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), found[0])
        async with desk.database.transaction() as session:
            changed = text[: found.start()] + wrong + text[found.end() :]
            await session.execute(update(Mail).where(Mail.id == name).values(text=changed))
        with pytest.raises(AssertionError):
            await read(desk, subscription)
    assert any(ANYTHING.finditer(text))


async def test_late_receipts_name_each_its_own_period(desk: Desk) -> None:
    """Of a subscription by three days two renewals are heard of at once, the later one first."""
    desk = mailing(desk)
    _, customer = await desk.reader()
    product = desk.stripe.prices.retrieve(desk.price).product
    special = desk.stripe.prices.create(
        {
            "product": product, "currency": "eur", "unit_amount": 300,
            "recurring": {"interval": "day", "interval_count": 3},
        }
    )  # fmt: skip
    desk.subscribe(customer, items=[{"price": special.id}])
    await desk.hear()
    desk.travel(days=6, hours=3)
    await desk.hear(backwards)
    said = [
        re.search(r"paid until ([^.]+)\.", each) for each in (await texts(desk, "receipt")).values()
    ]
    assert sorted(each[1] for each in said if each) == ["16 March 2026", "19 March 2026"]
