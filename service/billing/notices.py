"""What readers are mailed about their subscriptions and passes: once each, with what happened.

Each notice names its kind, what it is about (`once`), and its values: times and amounts are written in
the publication's language and time zone when the mail is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Reader
from service.identity.email import checked_address
from service.offers.pricing import decimals
from service.outbox.mails import Kind, put_mail
from service.outbox.translations import day_in, money_in, render_in
from service.problems import Problem
from service.settings import Settings


@dataclass(frozen=True)
class Amount:
    """`amount` in the currency's minor unit."""

    amount: int
    currency: str


@dataclass(frozen=True)
class Rate:
    """What is paid for each `count` intervals."""

    amount: int
    currency: str
    interval: str
    count: int


_TRIAL_WAITS = timedelta(minutes=1)
Value = datetime | Amount | Rate | str | bool | None


@dataclass(frozen=True)
class Notice:
    """One mail to be written."""

    kind: Kind
    once: str
    values: Mapping[str, Value]
    waits: timedelta = timedelta(0)
    """So long before it is sent: what it says may be found wrong by what is heard meanwhile."""
    instead_of: str | None = None
    """The mail about this isn't sent any more, if it still waits."""


def welcome(
    subscription_id: str,
    name: str,
    price: Rate,
    *,
    first: Amount | None,
    renews_on: datetime,
    trial_until: datetime | None,
    receipt: str | None,
) -> Notice:
    """A subscription has begun, free until `trial_until` or paid (None). `first` is the next charge
    where it isn't the price.
    """
    return Notice(
        "welcome",
        f"welcome:{subscription_id}",
        {
            "name": name, "price": price, "first": first, "renews_on": renews_on,
            "trial_until": trial_until, "receipt": receipt,
        },
        # An earlier trial with the same card may be heard of a moment later.
        waits=timedelta(0) if trial_until is None else _TRIAL_WAITS,
    )  # fmt: skip


def receipt(
    invoice_id: str, name: str, paid: Amount, *, paid_until: datetime, address: str | None
) -> Notice:
    """A renewal was paid; `address` is the invoice's page at Stripe."""
    values: dict[str, Value] = {"name": name, "amount": paid, "paid_until": paid_until}
    return Notice("receipt", f"receipt:{invoice_id}", {**values, "receipt": address})


def payment_failed(invoice_id: str, name: str, due: Amount, *, until: datetime) -> Notice:
    """An invoice couldn't be collected; reading ends at `until`."""
    values: dict[str, Value] = {"name": name, "amount": due, "until": until}
    return Notice("payment-failed", f"payment-failed:{invoice_id}", values)


def card_needed(
    about: str, name: str, due: Amount, *, asks_bank: bool, until: datetime | None,
    invoice: str | None,
) -> Notice:  # fmt: skip
    """The bank asks the reader, or there is no card. `about` is the invoice or subscription."""
    return Notice(
        "card-needed",
        f"card-needed:{about}",
        {
            "name": name, "amount": due, "asks_bank": asks_bank, "until": until,
            "invoice": invoice,
        },
    )  # fmt: skip


def trial_ending(
    subscription_id: str, name: str, price: Rate, *, ends_on: datetime, first: Amount | None
) -> Notice:
    """A trial ends in some days. `first` is what is charged then where it isn't the price."""
    values: dict[str, Value] = {"name": name, "price": price, "ends_on": ends_on, "first": first}
    return Notice("trial-ending", f"trial-ending:{subscription_id}:{ends_on:%Y-%m-%d}", values)


def trial_used(subscription_id: str, name: str) -> Notice:
    """The card has had its trial: the subscription was stopped."""
    return Notice(
        "trial-used", f"trial-used:{subscription_id}", {"name": name},
        instead_of=f"welcome:{subscription_id}",
    )  # fmt: skip


def cancelled(
    subscription_id: str, name: str, *, ends_on: datetime | None, ended: bool,
    owed: Amount | None = None, open_until: datetime | None = None,
    paid_until: datetime | None = None, renews_on: datetime | None = None,
) -> Notice:  # fmt: skip
    """The reader's wish to end it is known. `ends_on` is when it ends or, if `ended`, did.

    `owed` is still tried to collect: reading ends at `open_until`, once it is paid at `paid_until`;
    without `open_until` nothing is open.
    At `renews_on` it is charged once more before it ends.
    """
    told = None if ended else ends_on
    about = f"{ends_on:%Y-%m-%d}" if ends_on is not None else "now"
    values: dict[str, Value] = {
        "name": name, "ends_on": told, "owed": owed, "open_until": open_until,
        "paid_until": paid_until, "renews_on": renews_on,
    }  # fmt: skip
    return Notice("cancelled", f"cancelled:{subscription_id}:{about}", values)


def ended(subscription_id: str, name: str) -> Notice:
    """It ended because nothing could be collected."""
    return Notice("ended", f"ended:{subscription_id}", {"name": name})


def reading_ends(subscription_id: str, name: str, *, until: datetime) -> Notice:
    """A payment is still open, and reading ends soon."""
    about = f"reading-ends:{subscription_id}:{until:%Y-%m-%d}"
    return Notice("reading-ends", about, {"name": name, "until": until})


def reading_ended(subscription_id: str, name: str, *, ended_on: datetime) -> Notice:
    """A payment is still open, and reading has ended because of it."""
    about = f"reading-ended:{subscription_id}:{ended_on:%Y-%m-%d}"
    return Notice("reading-ended", about, {"name": name, "ended_on": ended_on})


def refund(refund_id: str, name: str, back: Amount, *, twice: bool) -> Notice:
    """Money went back. `twice`: of a second subscription, paid beside a running one."""
    values: dict[str, Value] = {"name": name, "amount": back, "twice": twice}
    return Notice("refund", f"refund:{refund_id}", values)


def bought_pass(
    pass_id: str, name: str, paid: Amount, *, until: datetime, address: str | None
) -> Notice:
    """A pass is paid and open until `until`."""
    values: dict[str, Value] = {"name": name, "amount": paid, "until": until}
    return Notice("pass", f"pass:{pass_id}", {**values, "receipt": address})


async def mail_reader(
    session: AsyncSession, context: Context, reader_id: str, notice: Notice
) -> bool:
    """Store the mail in this transaction; False: it is stored already, or can't reach anybody."""
    settings = context.settings
    if not settings.readers_can_sign_in:
        return False
    reader = await session.get(Reader, reader_id)
    if reader is None or reader.email is None or reader.erased_at is not None:
        return False
    try:
        # What was typed at Checkout went through Stripe's rules, not through ours.
        address = checked_address(reader.email)
    except Problem:
        return False
    written: dict[str, Any] = {
        name: _written(value, settings) for name, value in notice.values.items()
    }
    stored = await put_mail(
        session,
        kind=notice.kind,
        to=address.text,
        to_key=address.key,
        reader_id=reader_id,
        settings=settings,
        now=context.clocks.wall(),
        waits=notice.waits,
        once=notice.once,
        instead_of=notice.instead_of,
        link=f"{settings.public_url}/account",
        **written,
    )
    return stored is not None


def _written(value: Value, settings: Settings) -> str | bool | None:
    language = settings.language
    match value:
        case datetime():
            return day_in(language, value, settings.zone)
        case Amount(amount, currency):
            return money_in(language, _major(amount, currency), currency)
        case Rate(amount, currency, interval, count):
            money = money_in(language, _major(amount, currency), currency)
            return render_in(
                language, "price.txt", amount=money, interval=interval, count=count
            ).strip()
        case _:
            return value


def _major(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-decimals(currency))
