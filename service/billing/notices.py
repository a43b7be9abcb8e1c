"""What readers are mailed about their subscriptions and passes: once each, with what happened.

Each notice names its kind, what it reports (`once`), its own values and the subscription it is about: all
are written in the publication's language and time zone when the mail is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.language import WrittenIn
from service.billing.words import Told, WholeState, words_of
from service.db.context import Context
from service.db.tables import Reader
from service.identity.email import checked_address
from service.outbox.mails import Kind, put_mail
from service.problems import Problem


@dataclass(frozen=True)
class Amount:
    """`amount` in the currency's minor unit."""

    amount: int
    currency: str


@dataclass(frozen=True)
class About:
    """The subscription that a mail is about, as it is now: the mail says so in the words of words.py.

    `name` is its offer's, `until` the end of the access that it gives or gave.
    """

    state: WholeState
    id: str
    name: str
    until: datetime


_TRIAL_WAITS = timedelta(minutes=1)
Value = datetime | Amount | str | bool | None


@dataclass(frozen=True)
class Notice:
    """One mail to be written."""

    kind: Kind
    once: str
    values: Mapping[str, Value]
    about: About | None = None
    waits: timedelta = timedelta(0)
    """So long before it is sent: what it says may be found wrong by what is heard meanwhile."""
    instead_of: str | None = None
    """The mail about this isn't sent any more, if it still waits."""


def welcome(
    about: About,
    *,
    is_open: bool,
    reminds: bool,
    renews: bool,
    may_be_used: bool,
    receipt: str | None,
) -> Notice:
    """A subscription has begun. `is_open`: so is what it covers. `reminds`: a mail comes before its trial
    ends; `renews`: it goes on until the reader cancels. `may_be_used`: it has a trial or an intro price,
    and an earlier one with the same card may be heard of a moment later.
    """
    return Notice(
        "welcome",
        f"welcome:{about.id}",
        {"is_open": is_open, "reminds": reminds, "renews": renews, "receipt": receipt},
        about,
        waits=_TRIAL_WAITS if may_be_used else timedelta(0),
    )


def receipt(
    invoice_id: str, about: About, paid: Amount, *, paid_until: datetime, address: str | None
) -> Notice:
    """A renewal was paid, up to `paid_until`; `address` is the invoice's page at Stripe."""
    values: dict[str, Value] = {"amount": paid, "paid_until": paid_until, "receipt": address}
    return Notice("receipt", f"receipt:{invoice_id}", values, about)


def payment_failed(invoice_id: str, about: About, due: Amount) -> Notice:
    """An invoice couldn't be collected."""
    return Notice("payment-failed", f"payment-failed:{invoice_id}", {"amount": due}, about)


def card_needed(what: str, about: About, *, invoice: str | None) -> Notice:
    """The bank asks the reader, or there is no card. `what` is the invoice's or subscription's id."""
    return Notice("card-needed", f"card-needed:{what}", {"invoice": invoice}, about)


def trial_ending(about: About, *, ends_on: datetime) -> Notice:
    """A trial ends in some days."""
    once = f"trial-ending:{about.id}:{ends_on:%Y-%m-%d}"
    return Notice("trial-ending", once, {"ends_on": ends_on}, about)


def trial_used(about: About) -> Notice:
    """The card has had its trial or intro price: the subscription was stopped."""
    return Notice(
        "trial-used", f"trial-used:{about.id}", {}, about, instead_of=f"welcome:{about.id}"
    )


def cancelled(about: About, *, ends_on: datetime | None) -> Notice:
    """The reader's wish to end it is known. `ends_on` is when it ends or did."""
    when = f"{ends_on:%Y-%m-%d}" if ends_on is not None else "now"
    return Notice("cancelled", f"cancelled:{about.id}:{when}", {}, about)


def ended(about: About) -> Notice:
    """It ended because nothing could be collected."""
    return Notice("ended", f"ended:{about.id}", {}, about)


def reading_ends(about: About) -> Notice:
    """A payment is still open, and reading ends soon."""
    once = f"reading-ends:{about.id}:{about.until:%Y-%m-%d}"
    return Notice("reading-ends", once, {"until": about.until}, about)


def reading_ended(about: About) -> Notice:
    """A payment is still open, and reading has ended because of it."""
    return Notice("reading-ended", f"reading-ended:{about.id}:{about.until:%Y-%m-%d}", {}, about)


def refund(refund_id: str, name: str, back: Amount, about: About | None = None) -> Notice:
    """Money of what was bought, `name`, went back; `about` None: of a pass."""
    values: dict[str, Value] = {"name": name, "amount": back, "next": "", "advice": ""}
    return Notice("refund", f"refund:{refund_id}", values, about)


def bought_pass(
    pass_id: str, name: str, paid: Amount, *, until: datetime, address: str | None
) -> Notice:
    """A pass is paid and open until `until`."""
    values: dict[str, Value] = {"name": name, "amount": paid, "until": until, "receipt": address}
    return Notice("pass", f"pass:{pass_id}", values)


def bought_gift(
    gift_id: str, name: str, paid: Amount, *, redeem: str, sent_on: datetime | None
) -> Notice:
    """A gift is paid. `redeem` is its link; `sent_on` when that is mailed to the receiver, None: never."""
    values: dict[str, Value] = {"name": name, "amount": paid, "redeem": redeem, "sent_on": sent_on}
    return Notice("gift-bought", f"gift-bought:{gift_id}", values)


def seat_asked(subscription_id: str, name: str, day: str) -> Notice:
    """Readers whom the owner invited ask for more seats: once a day."""
    return Notice("seat-asked", f"seat-asked:{subscription_id}:{day}", {"name": name})


def seats_closed(subscription_id: str, name: str, day: str, *, seats: int, closed: int) -> Notice:
    """There are fewer seats than readers who joined: those who joined last read no longer. Once a day."""
    values: dict[str, Value] = {
        "name": name,
        "seats": str(seats),
        "closed": str(closed),
        "on": None,
    }
    return Notice("seats-closed", f"seats-closed:{subscription_id}:{seats}:{closed}:{day}", values)


def seats_closing(
    subscription_id: str, name: str, at: datetime, *, seats: int, closed: int
) -> Notice:
    """The same from an instant ahead, up to which more are paid."""
    values: dict[str, Value] = {"name": name, "seats": str(seats), "closed": str(closed), "on": at}
    once = f"seats-closing:{subscription_id}:{seats}:{closed}:{at.isoformat()}"
    return Notice("seats-closed", once, values)


WhyLost = Literal["removed", "fewer", "later", "over"]


def seat_lost(seat_id: str, name: str, at: datetime, *, why: WhyLost) -> Notice:
    """A reader loses a seat that they read by: somebody `removed` them, there are `fewer` seats, or will be (`later`),
    or the subscription is `over`.
    """
    values: dict[str, Value] = {"name": name, "why": why, "on": at}
    return Notice("seat-lost", f"seat-lost:{seat_id}:{at.isoformat()}", values)


_CLAIMED_WITHIN = timedelta(minutes=10)


def purchase_waiting(checkout_id: str, name: str, *, bought_on: datetime) -> Notice:
    """Somebody bought `name` with the address of an account, in a browser that isn't signed in there."""
    return Notice(
        "purchase-waiting",
        purchase_waits(checkout_id),
        {"name": name, "bought_on": bought_on},
        # Most of them confirm the address in the browser where they bought, and have it then.
        waits=_CLAIMED_WITHIN,
    )


def purchase_waits(checkout_id: str) -> str:
    """What the mail about a purchase that waits is about."""
    return f"purchase-waiting:{checkout_id}"


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
    language = WrittenIn(settings.language, settings.zone)
    written: dict[str, Any] = {
        name: _written(value, language) for name, value in notice.values.items()
    }
    if notice.about is not None:
        written |= _in_words(notice.about, language, context.clocks.business())
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


def _in_words(about: About, language: WrittenIn, now: datetime) -> dict[str, str]:
    state = about.state
    words = words_of(Told(state, about.name, about.until, now, language))
    price = language.price(state.amount, state.currency, state.interval, state.interval_count)
    return {"name": about.name, "price": price, "next": words.next, "advice": words.advice}


def _written(value: Value, language: WrittenIn) -> str | bool | None:
    match value:
        case datetime():
            return language.day(value)
        case Amount(amount, currency):
            return language.money(amount, currency)
        case _:
            return value
