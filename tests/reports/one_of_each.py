"""Some rows of each table that figures read: two values of each split, and a third where something isn't known."""

from datetime import timedelta
from typing import Any

from service.db.base import Base
from service.db.tables import (
    Article,
    CheckoutTouches,
    Offer,
    PromotionUse,
    Reader,
    SignInAsk,
    Touches,
)
from tests.reports import rows
from tests.reports.money_histories import BEGIN, told
from tests.reports.rows import NOW

DAY = timedelta(days=1)
_AT = (NOW - BEGIN) // timedelta(hours=1)
_SALE: dict[str, Any] = {
    "sold": "subscription", "offer": 0, "method": "card", "country": "DE", "currency": "EUR",
    "amount": 900, "fee": 50, "tax": 30, "hour": _AT, "declines": [(2, "insufficient_funds")],
    "ends": "paid", "tried_again": True, "first_payment": False, "refunds": [(_AT + 9, 300, "succeeded")],
    "came_back": None, "dispute": (_AT + 30, "lost"),
}  # fmt: skip
SALES = (
    _SALE,
    {
        **_SALE, "offer": 1, "method": "sepa_debit", "country": "US", "currency": "CHF",
        "declines": [(2, "lost_card"), (5, "lost_card")],
    },
    {**_SALE, "sold": "pass", "offer": 2, "method": "", "country": ""},
)  # fmt: skip
LED = (
    {"first_source": "letter", "first_campaign": "spring", "last_source": "radio"},
    {"first_referrer_host": "search.example", "last_referrer_host": "late.example"},
    None,
)
"""What led each reader here; None: nobody knows."""


def some_of_each() -> list[Base]:
    """Of March: three readers, who bought of each of two offers, left, and read."""
    offers = [
        rows.offer(id="off_1"),
        rows.offer(id="off_2", plan="weekend", interval="year", currency="CHF", amount=9_000),
    ]
    readers = [rows.reader(id=f"rdr_{n}", email_verified_at=NOW - DAY) for n in range(3)]
    articles = [rows.article("news", "News"), rows.article("sport", "Sport")]
    articles[0].section = "News"
    money = told(SALES, [(_AT, 700, "EUR", "paid")])
    found: list[Base] = [*offers, *readers, *articles, *money.all()]
    for number, (reader, led) in enumerate(zip(readers, LED, strict=True)):
        if led:
            found.append(Touches(holder=f"reader:{reader.id}", first_at=NOW, last_at=NOW, **led))
        for offer in offers:
            found += _bought(reader, offer, led)
        found += _read(reader, articles, number)
    return found


def _bought(reader: Reader, offer: Offer, led: dict[str, str] | None) -> list[Base]:
    """A subscription that is renewed, one that was left after days or months, a trial that was paid, and a pass."""
    is_first = offer.plan == "digital"
    stayed, code = (3, "RADIO") if is_first else (60, "MAIL")
    began, left = NOW - 70 * DAY, NOW - DAY
    stays, gone, trial = (
        rows.subscription(reader, offer, started_at=began + n * DAY) for n in range(3)
    )
    gone.cancelled_at, gone.cancelled_after_days = left, stayed
    trial.trial_end = NOW - 2 * DAY
    clicks = [
        rows.checkout(reader, offer, began, stripe_subscription_id=each.id)
        for each in (stays, gone, trial)
    ]
    once = rows.checkout(reader, offer, NOW)
    whose = f"{reader.id}_{offer.plan}"
    return [
        stays, gone, trial, *clicks, once,
        rows.bought_pass(reader, offer, once, currency=offer.currency),
        *(
            CheckoutTouches(checkout_id=each.id, first_at=NOW, last_at=NOW, **led)
            for each in (*clicks, once)
            if led
        ),
        rows.invoice(trial, created_at=NOW - 2 * DAY, paid_at=NOW - 2 * DAY),
        rows.movement(stays, 1, began, customer=f"stays_{whose}"),
        rows.movement(gone, 1, left - stayed * DAY, customer=f"gone_{whose}"),
        rows.ending(gone, 2, left, customer=f"gone_{whose}"),
        rows.told(reader, "subscription.renewed", NOW, subject_id=stays.id),
        PromotionUse(
            discount_id=f"di_{stays.id}", subscription_id=stays.id, at=NOW, plan=offer.plan,
            currency=offer.currency, coupon=f"coupon of {code}", code=code,
        ),
    ]  # fmt: skip


def _read(reader: Reader, articles: list[Article], number: int) -> list[Base]:
    """Both articles, at one of two meters each; then both kinds of walls, which differ by reader."""
    holder, at = f"reader:{reader.id}", NOW - 2 * DAY
    return [
        SignInAsk(holder=holder, at=NOW),
        *(
            rows.read(
                article, at, wall=wall, holder=holder, reader_id=reader.id, prompt=f"prompt {n}",
                audience=("lapsed", "trial")[n], meter_name="sport" if n else None,
            )
            for n, article in enumerate(articles)
            for wall in (None, ("subscribe", "register")[(n + number) % 2])
        ),
    ]  # fmt: skip
