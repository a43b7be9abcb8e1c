"""Write the invented year before the newspaper opens, and what came since whenever its clock is ahead.

How far the history goes is in the audit trail, written in the same transaction as its rows. The local
Stripe's documents are kept just before that is committed: they have the same ids each time, so a part
that was interrupted there repeats them. A subscription that somebody has done something with, or that the local Stripe has renewed
by itself, is no longer the history's: it goes on as any other does.
"""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.scheduled_ends import forget_all_scheduled_ends
from service.billing.sync import terms_of
from service.checkout.touches import record_checkout_touches
from service.content.store import list_articles
from service.db.base import Base
from service.db.bulk import insert_objects, insert_rows
from service.db.context import Context
from service.db.tables import (
    AuditEntry,
    ChargeRow,
    DomainEvent,
    InvoicePaymentRow,
    InvoiceRow,
    Offer,
    PromotionUse,
    Reader,
    Seat,
    Subscription,
)
from service.demo.history.archive import publish_archive
from service.demo.history.book import Book, Scribe
from service.demo.history.catalogue import Catalogue, keep_old_offers, read_catalogue
from service.demo.history.elsewhere import Beside
from service.demo.history.lives import Sold
from service.demo.history.people import buyers, gifts, pass_buyers, registered, undecided
from service.demo.history.presents import gives
from service.demo.history.reading import Piece, Reading
from service.demo.history.samples import Samples
from service.demo.history.systems import Systems
from service.demo.history.tried import begin_experiments, read_tried
from service.demo.history.year import DAYS, Calendar
from service.finance.promotions import forget_uses
from service.finance.store import TABLES, values_of
from service.grants.comps import give_comp
from service.identity.audit import record
from service.identity.touches import record_touches
from service.metering.ledger import write_all
from service.offers.on_sale import OnSale
from service.outbox.domain_events import event_values
from service.reports.money_rollup import forget_money
from service.reports.renewal_rollup import forget_renewal_count
from service.reports.trial_rollup import forget_all_trials
from service.rules.in_force import rules_in_force
from service.simulator.app import Simulator
from service.simulator.payments.balance import PAY_OUT, midnight
from service.simulator.payments.charges import OPEN_DISPUTE
from service.simulator.periods import DAY

ACTOR = "demo"
_WRITTEN = "demo.history"
_DRAWN = 2
"""Of what is drawn: what another release drew isn't gone on with."""
_COMP_EVERY = 24
"""Days."""
_COMP_LASTS = timedelta(days=120)
_CURRENCIES = ("eur", "usd")
_SOON = 60
"""Seconds."""
_AT_ONCE = 10_000
_ALL = 10_000
"""Articles."""
_T = TypeVar("_T")
_COMP_NOTE = "Wrote for the letters page"


@dataclass(frozen=True)
class Written:
    """A history of about `size` subscribers that begins on a day and goes up to an instant."""

    calendar: Calendar
    until: datetime
    size: int


async def is_wanted(context: Context, size: int) -> bool:
    """Whether a history of `size` subscribers is to be written: into a demo that has no readers yet."""
    async with context.database.reading() as session:
        return size > 0 and not await session.scalar(select(func.count()).select_from(Reader))


async def begin(context: Context, simulator: Simulator, *, size: int) -> None:
    """Write a year of history up to now."""
    now, zone = _now(context), context.settings.zone
    calendar = Calendar(now.astimezone(zone).date() - timedelta(days=DAYS), zone)
    async with context.database.transaction() as session:
        await keep_old_offers(session, calendar)
        await publish_archive(session, context, actor=ACTOR)
    in_force = await rules_in_force(context.settings, context.database)
    await begin_experiments(context, calendar, in_force, actor=ACTOR)
    await _write(context, simulator, calendar, size, Book(None, now))
    await Systems(context, now).write()
    await Beside(context, calendar, now, ACTOR).write()


async def go_on(context: Context, simulator: Simulator) -> None:
    """Write what happened since the history was last written; nothing where there is none."""
    async with context.database.reading() as session:
        written = await read_written(session, context)
    if written is not None and _now(context) - written.until > timedelta(days=1):
        book = Book(written.until, _now(context))
        await _write(context, simulator, written.calendar, written.size, book)


async def contest(context: Context, simulator: Simulator) -> None:
    """Let a bank soon take the latest payment of a subscription back, which somebody has days to answer.

    It is the local Stripe's from then on, with webhooks.
    """
    async with context.database.reading() as session:
        charge_id = await session.scalar(
            select(ChargeRow.id)
            .join(Subscription, Subscription.id == ChargeRow.subscription_id)
            .where(ChargeRow.status == "succeeded", Subscription.status == "active")
            .order_by(ChargeRow.created_at.desc(), ChargeRow.id)
            .limit(1)
        )
    if charge_id is not None:
        with simulator.world.transaction():
            simulator.world.schedule(simulator.world.now + _SOON, OPEN_DISPUTE, charge_id)


def _now(context: Context) -> datetime:
    return context.clocks.business().replace(microsecond=0)


async def read_written(session: AsyncSession, context: Context) -> Written | None:
    """The demo's history as far as it is written; None: it has none, or another release wrote it."""
    row = await session.scalar(
        select(AuditEntry)
        .where(AuditEntry.action == _WRITTEN)
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    if row is None or row.after is None or row.after.get("drawn") != _DRAWN:
        return None
    first = datetime.fromisoformat(row.after["first"]).date()
    until = datetime.fromisoformat(row.after["until"])
    return Written(Calendar(first, context.settings.zone), until, row.after["size"])


async def _write(
    context: Context, simulator: Simulator, calendar: Calendar, size: int, book: Book
) -> None:
    # Nothing of it is garbage before it is written: looking for some would take a third of the time.
    gc.disable()
    try:
        scribe = await scribe_of(context, simulator, calendar, size, book)
        await asyncio.to_thread(fill, scribe, size)
        book.takings.pay_out(book.since, book.until)
        await _keep(context, simulator, scribe, size)
    finally:
        gc.enable()


async def scribe_of(
    context: Context, simulator: Simulator, calendar: Calendar, size: int, book: Book
) -> Scribe:
    """Who writes into the book what people do in this demo."""
    catalogue = await read_catalogue(context, simulator.world)
    async with context.database.reading() as session:
        offers = await _offers(session, catalogue)
        pieces = await _pieces(session, calendar, book.until)
        untouched = await _untouched(session, book.since) if book.since is not None else None
    settings = context.settings
    in_force = await rules_in_force(settings, context.database)
    assortment = await OnSale(context.database.reading, context.clocks).assortment()
    tried = await read_tried(context, in_force)
    reading = Reading(context, calendar, pieces, in_force, tried, assortment, size)
    return Scribe(
        book, calendar, catalogue, offers, terms_of(settings), reading,
        _samples(simulator, catalogue), settings.newsletter_wording, untouched,
    )  # fmt: skip


def fill(scribe: Scribe, size: int) -> None:
    """Put everything of each day up to the book's end into it."""
    book, calendar = scribe.book, scribe.calendar
    for day in range(calendar.day_of(book.until) + 1):
        for entry, _ in scribe.reading.strangers(day):
            book.note_entry(entry)
        for buyer in buyers(day, calendar, size):
            scribe.subscribes(buyer)
        for person in undecided(day, calendar, size):
            scribe.leaves_checkout(person)
        for person in pass_buyers(day, calendar, size):
            scribe.takes_pass(person)
        for given in gifts(day, calendar, size):
            gives(scribe, given)
        for place, person in enumerate(registered(day, calendar, size)):
            scribe.signs_in(person)
            is_given = not place and day % _COMP_EVERY == 0
            until = person.at + _COMP_LASTS if is_given else None
            scribe.reads_registered(person, until)
            if until is not None and book.is_new(person.at):
                book.comps.append((person.reader_id, person.at, until))


def _samples(simulator: Simulator, catalogue: Catalogue) -> Samples:
    world = simulator.world
    prices = {key: sold.price.id for key, sold in catalogue.sold.items()}
    discounts = {key: _discount(sold) for key, sold in catalogue.sold.items()}
    return Samples(world.store, prices, discounts, world.public_url)


def _discount(sold: Sold) -> dict[str, str]:
    if sold.promotion_code is not None:
        return {"discounts[0][promotion_code]": sold.promotion_code}
    return {} if sold.coupon_id is None else {"discounts[0][coupon]": sold.coupon_id}


def _keep_at_stripe(simulator: Simulator, scribe: Scribe) -> None:
    store, is_first = simulator.world.store, scribe.book.since is None
    with simulator.world.transaction():
        soon = simulator.world.now + _SOON
        for copies in scribe.copies():
            store.put_all(
                each for each in copies.documents
                # A later part leaves those that are there alone: they may have been paid out.
                if is_first or each[1] != "balance_transaction" or store.position(each[0]) is None
            )  # fmt: skip
            for subject in {identifier for identifier, *_ in copies.documents}:
                store.unschedule(subject)
            for at, action, subject in copies.agenda:
                # What is overdue is done once it can be heard of.
                store.schedule(max(at, soon), action, subject)
        tonight = midnight(simulator.world.now + DAY)
        for currency in _CURRENCIES:
            if not store.is_scheduled(tonight, PAY_OUT, currency):
                store.schedule(tonight, PAY_OUT, currency)


async def _keep(context: Context, simulator: Simulator, scribe: Scribe, size: int) -> None:
    book = scribe.book
    async with context.database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(_insert, book)
        await forget_money(session)
        await forget_renewal_count(session)
        for row in book.changed:
            await session.merge(row)
        await forget_all_trials(session)
        await forget_uses(session, PromotionUse.paid.is_not(None))
        await forget_all_scheduled_ends(session)
        await connection.run_sync(record_touches, book.touches)
        await connection.run_sync(record_checkout_touches, book.sources)
        for reader_id, at, ends_at in book.comps:
            await give_comp(
                session, reader_id=reader_id, ends_at=ends_at, note=_COMP_NOTE, actor=ACTOR, now=at
            )
        await record(
            session, actor=ACTOR, action=_WRITTEN, target="history", now=book.until,
            after={
                "first": scribe.calendar.first.isoformat(), "until": book.until.isoformat(),
                "size": size, "drawn": _DRAWN,
            },
        )  # fmt: skip
        await session.flush()
        # Last, so that the local Stripe plays nothing on of which there are no rows.
        await asyncio.to_thread(_keep_at_stripe, simulator, scribe)


def _insert(connection: Connection, book: Book) -> None:
    insert_objects(connection, book.rows)
    events = [event_values(each, now=each["occurred_at"]) for each in book.events]
    for some in _parts(events):
        insert_rows(
            connection, DomainEvent, tuple(some[0]), [tuple(each.values()) for each in some]
        )
    for entries in _parts(book.entries):
        write_all(connection, entries, known_stay=True)
    _insert_takings(connection, book)


def _insert_takings(connection: Connection, book: Book) -> None:
    """As `put` and `link` in finance/ store them, all at once."""
    by_table: dict[type[Base], list[dict[str, Any]]] = {}
    for each in book.takings.rows():
        row = {**values_of(each.booked), **each.ours, "asked_at": book.until}
        by_table.setdefault(TABLES[type(each.booked)], []).append(row)
    for table, rows in by_table.items():
        for some in _parts(rows):
            columns = tuple(some[0])
            # An invoice that was open may have been paid since it was written.
            changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
            ending = f"ON CONFLICT (id) DO UPDATE SET {changes}" if table is InvoiceRow else ""
            values = [tuple(each.values()) for each in some]
            insert_rows(connection, table, columns, values, ending)
    payments = [*book.takings.invoice_of.items()]
    insert_rows(
        connection, InvoicePaymentRow, ("payment_id", "invoice_id"), payments,
        "ON CONFLICT (payment_id) DO NOTHING",
    )  # fmt: skip


def _parts(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Some thousand at a time: each part is one text for the database."""
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]


async def _offers(session: AsyncSession, catalogue: Catalogue) -> dict[str, Offer]:
    found = {}
    for sold in catalogue.sold.values():
        found[sold.price.id] = await session.get_one(Offer, sold.offer_id)
    return found


async def _pieces(session: AsyncSession, calendar: Calendar, until: datetime) -> list[Piece]:
    found = await list_articles(
        session, section=None, tag=None, author=None, q=None, cursor=None, limit=_ALL, now=until
    )
    return [
        Piece(each, each.published_at, calendar.day_of(each.published_at))
        for each in sorted(found.items, key=lambda each: each.slug)
        if each.published_at is not None
    ]


async def _untouched(session: AsyncSession, since: datetime) -> frozenset[str]:
    """Those that nobody but the history has stored since."""
    # Nor have its owner and readers changed who has a seat.
    theirs = or_(Seat.ended_at.is_not(None), Seat.created_at > since, Seat.joined_at > since)
    shared = select(Seat.subscription_id).where(theirs)
    found = await session.scalars(
        select(Subscription.id).where(
            Subscription.synced_at == since, Subscription.id.not_in(shared)
        )
    )
    return frozenset(found)
