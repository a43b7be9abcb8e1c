"""What subscriptions brought before they were imported, from their invoices: a table of histories."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from service.billing.money import Money
from service.billing.movements import movements
from service.billing.past import Past, Tariff, past_movements
from service.payments.gateway import StripeDiscount, StripeInvoice, StripeInvoiceLine
from service.payments.set_up import StripePrice
from tests.billing.stripe_values import DAY, STARTED, bill, charge, item, subscription
from tests.billing.test_transitions import stored

MONTHLY = item().price
YEARLY = replace(MONTHLY, id="price_2", amount=9000, interval="year")
FOREIGN = replace(MONTHLY, id="price_3", product_id="prod_mugs")
USAGE = replace(MONTHLY, id="price_4", amount=0, has_amount=False)
TARIFFS = {
    MONTHLY.id: Tariff(MONTHLY, "digital"), YEARLY.id: Tariff(YEARLY, "digital"),
    FOREIGN.id: Tariff(FOREIGN, ""), USAGE.id: Tariff(USAGE, "digital"),
}  # fmt: skip
MONTH = timedelta(days=30)
FIRST, SECOND, THIRD, FOURTH = (STARTED + n * MONTH for n in range(4))


def line(price: StripePrice, since: datetime, **fields: Any) -> StripeInvoiceLine:
    values: dict[str, Any] = {
        "price_id": price.id, "amount": price.amount, "quantity": 1, "starts_at": since,
        "ends_at": since + MONTH, "is_proration": False,
    }  # fmt: skip
    return StripeInvoiceLine(**{**values, **fields})


def billed(at: datetime, *prices: StripePrice, **fields: Any) -> StripeInvoice:
    """An invoice for the period from `at` on; the first one if it is of the start."""
    reason = "subscription_create" if at == STARTED else "subscription_cycle"
    lines = tuple(line(each, at) for each in prices or (MONTHLY,))
    given = {"billing_reason": reason, "lines": lines, **fields}
    return bill(f"{at:%m%d%H}", at, **given)


def past(*bills: StripeInvoice, charges: tuple[Any, ...] = (), **fields: Any) -> Past:
    found = subscription(**fields)
    money = Money(bills[::-1], charges)
    return Past(found, money, TARIFFS, "voluntary")


def told(*pasts: Past) -> list[tuple[str, str, datetime, int]]:
    """Kind, cause, instant, and what it brings for each interval since, of each movement."""
    return [
        (m.kind, m.cause, m.at, m.after.amounts.net if m.after is not None else 0)
        for m in past_movements(pasts)
    ]


def off(percent: int, duration: str, since: datetime, until: datetime | None) -> StripeDiscount:
    return StripeDiscount(
        f"di_{percent}", "OFF", Decimal(percent), None, None, duration,  # type: ignore[arg-type]
        since, until,
    )  # fmt: skip


SPRING = off(50, "repeating", STARTED, SECOND + 5 * DAY)
ONCE = off(20, "once", STARTED, None)
STAFF = off(100, "forever", SECOND, None)
SWITCH = StripeInvoiceLine(YEARLY.id, 8000, 1, SECOND + 9 * DAY, THIRD, is_proration=True)
CREDIT = StripeInvoiceLine(MONTHLY.id, -600, 1, SECOND + 9 * DAY, THIRD, is_proration=True)
NEW = ("new", "started", STARTED, 900)
HISTORIES: dict[str, tuple[Past, list[tuple[str, str, datetime, int]]]] = {
    "paid ever since": (past(billed(FIRST), billed(SECOND), billed(THIRD)), [NEW]),
    "ended": (
        past(billed(FIRST), status="canceled", ended_at=SECOND),
        [NEW, ("churn_voluntary", "voluntary", SECOND, 0)],
    ),
    "retries exhausted": (
        past(
            billed(FIRST), billed(SECOND, status="open", paid_at=None), status="unpaid",
            charges=(charge("x", SECOND + 5 * DAY, status="failed"), charge("y", SECOND, status="failed")),
        ),
        [NEW, ("churn_involuntary", "payment_failed", SECOND + 5 * DAY, 0)],
    ),
    "a trial, then paid": (
        past(
            billed(FIRST, lines=(line(MONTHLY, FIRST, amount=0),), amount_due=0), billed(SECOND),
            trial_end=SECOND,
        ),
        [("new", "trial_ended", SECOND, 900)],
    ),
    "a trial that runs": (
        past(billed(FIRST, lines=(line(MONTHLY, FIRST, amount=0),)), status="trialing", trial_end=SECOND),
        [],
    ),
    "a trial that ended with the reader": (
        past(
            billed(FIRST, lines=(line(MONTHLY, FIRST, amount=0),)), status="canceled", ended_at=SECOND,
            trial_end=SECOND,
        ),
        [],
    ),
    "the first payment never came": (
        past(billed(FIRST, status="void", paid_at=None), status="canceled", ended_at=SECOND), [],
    ),
    "nor was it completed": (
        past(billed(FIRST, status="void", paid_at=None), status="incomplete_expired"), [],
    ),
    "a discount that has an end": (
        past(billed(FIRST, discounts=(SPRING,)), billed(SECOND, discounts=(SPRING,)), billed(THIRD)),
        [("new", "started", STARTED, 450), ("expansion", "discount", SECOND + 5 * DAY, 900)],
    ),
    "a discount that counted once": (
        past(billed(FIRST, discounts=(ONCE,)), billed(SECOND)),
        [("new", "started", STARTED, 720), ("expansion", "discount", SECOND, 900)],
    ),
    "a discount that was taken away": (
        past(billed(FIRST), billed(SECOND, discounts=(STAFF,)), billed(THIRD)),
        [
            NEW, ("contraction", "discount", SECOND, 0), ("expansion", "discount", THIRD, 900),
        ],
    ),
    "a discount that was given and is held": (
        past(billed(FIRST), billed(SECOND), discounts=(replace(STAFF, percent_off=Decimal(10)),)),
        [NEW, ("contraction", "discount", SECOND, 810)],
    ),
    "a switch that was billed at once": (
        past(
            billed(FIRST), billed(SECOND),
            bill("s", SECOND + 9 * DAY, billing_reason="subscription_update", lines=(CREDIT, SWITCH)),
        ),
        [NEW, ("contraction", "switched", SECOND + 9 * DAY, 9000)],
    ),
    "a switch that waited for the next invoice": (
        past(
            billed(FIRST), billed(SECOND),
            billed(THIRD, lines=(CREDIT, SWITCH, line(YEARLY, THIRD))),
        ),
        [NEW, ("contraction", "switched", SECOND + 9 * DAY, 9000)],
    ),
    "collection was paused, and went on": (
        past(
            billed(FIRST), billed(SECOND, status="void", paid_at=None, attempt_count=0),
            billed(THIRD, status="void", paid_at=None, attempt_count=0), billed(FOURTH),
        ),
        [NEW, ("pause", "collection_paused", SECOND, 0), ("resume", "collection_resumed", FOURTH, 900)],
    ),
    "an invoice that was tried and given up": (
        past(billed(FIRST), billed(SECOND, status="void", paid_at=None, attempt_count=3), billed(THIRD)),
        [NEW],
    ),
    "a draft of the last hour": (
        past(billed(FIRST), billed(SECOND, status="draft", paid_at=None, attempt_count=0)), [NEW],
    ),
    "left for something else that we don't sell": (
        past(billed(FIRST), billed(SECOND, FOREIGN)), [NEW, ("churn_voluntary", "not_sold", SECOND, 0)],
    ),
    "beside something else": (past(billed(FIRST, FOREIGN, MONTHLY), billed(SECOND)), [NEW]),
    "by usage, of which nobody knows what it costs": (past(billed(FIRST, USAGE)), []),
    "without invoices": (past(), []),
}  # fmt: skip


@pytest.mark.parametrize(("history", "expected"), HISTORIES.values(), ids=HISTORIES)
def test_histories(history: Past, expected: list[tuple[str, str, datetime, int]]) -> None:
    assert told(history) == expected


def another(name: str, *bills: StripeInvoice, **fields: Any) -> Past:
    found = past(*bills, **fields)
    return replace(found, subscription=replace(found.subscription, id=name))


def test_several_subscriptions_of_one_reader() -> None:
    first = another("sub_1", billed(FIRST), status="canceled", ended_at=THIRD)
    beside = another("sub_2", billed(SECOND), started_at=SECOND, status="canceled", ended_at=FOURTH)
    back = another("sub_3", billed(FOURTH + MONTH), started_at=FOURTH + MONTH)
    for order in ((first, beside, back), (back, first, beside)):
        assert [each[:2] for each in told(*order)] == [
            ("new", "started"), ("expansion", "started"), ("contraction", "voluntary"),
            ("churn_voluntary", "voluntary"), ("reactivation", "started"),
        ]  # fmt: skip
    at_once = another("sub_4", billed(THIRD), started_at=THIRD)
    kinds = [each[0] for each in told(first, at_once)]
    assert kinds == ["new", "expansion", "contraction"]  # a change of plans loses nobody


def test_what_no_invoice_says_is_dated_when_it_is_seen() -> None:
    (begun,) = past_movements([past(billed(FIRST))])
    seen = FOURTH + 3 * DAY
    paused = stored(pauses_collection=True, synced_at=seen)
    (found,) = movements(None, paused, Money(), chain=(begun,), others=())
    assert (found.kind, found.cause, found.at) == ("pause", "collection_paused", seen)
