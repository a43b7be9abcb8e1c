"""Erasing a reader: first at Stripe, then here in one transaction; safe to repeat from anywhere.

reader_data.py says what goes and what stays, and docs/privacy.md explains it to people.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.reader_data import HOLDINGS, Holding
from service.account.subject import Subject, subject_of
from service.billing import statuses
from service.billing.fulfil import close_session, fulfil
from service.billing.gift_subscriptions import end_gifts_of
from service.billing.ledger import state_of
from service.billing.money import Money
from service.billing.movement_rows import record_movements
from service.billing.seat_grants import arrange_seats
from service.billing.seats import leave_seats
from service.billing.state import StateChange
from service.billing.subscriptions import live_subscriptions
from service.billing.sync import sync_subscription
from service.db.context import Context
from service.db.failures import past_deadlocks
from service.db.session import Database
from service.db.tables import Checkout, Customer, Grant, Reader, SignInRequest, Subscription
from service.identity.audit import record
from service.identity.callers import LiveSession
from service.identity.email import turn_of_address
from service.identity.readers import find_reader, forget_typed_address, take_turn
from service.identity.sessions import end_sessions_of
from service.jobs.runner import Wakes
from service.outbox.domain_events import emit
from service.outbox.mails import put_mail
from service.outbox.queue import FAREWELL_KEEPS, MAIL_TASK
from service.payments.asking import asking_stripe
from service.payments.gateway import Gateway, GatewayRefused, GatewayUnavailable
from service.payments.reach import Payments
from service.problems import Problem
from service.tokens.revoked import revoke_claim

SWEPT_FOR = timedelta(minutes=10)
"""So long after an erasure we look for what another request was writing at that very moment."""
SWEPT_AT_START = timedelta(days=7)
"""A service that was stopped within that time catches up when it starts, if it starts by then."""
ERASED = "erased"
"""Why a subscription was cancelled, beside Stripe's words."""

log = structlog.get_logger()


async def erase_reader(
    context: Context,
    gateway: Gateway | None,
    *,
    reader_id: str,
    cancel_subscription: bool,
    actor: str | None = None,
) -> None:
    """Erase the reader for good; one that is erased already, or unknown, stays as it is.

    `actor` is whom the audit trail names where the staff does it. Raises the problems
    `subscription-runs` unless `cancel_subscription`, `stripe-unavailable`, and `selling-is-off`
    where Stripe holds something and no key is set: then nothing is erased here.
    """
    async with context.database.reading() as session:
        reader = await find_reader(session, reader_id)
        if reader is None or reader.erased_at is not None:
            return
        key = reader.email_key
    await _must_agree(context.database, reader_id, cancel_subscription=cancel_subscription)
    await _leave_stripe(context, gateway, reader_id, cancel_subscription=cancel_subscription)

    async def attempt() -> None:
        # As for confirmations of the address: nobody signs in to it meanwhile.
        async with context.database.serialised(turn_of_address(key)) as session:
            await _erase_here(session, context, reader_id, actor=actor)

    await past_deadlocks(attempt)


async def erase_themselves(
    context: Context,
    payments: Payments,
    wakes: Wakes,
    caller: LiveSession,
    *,
    cancel_subscription: bool,
) -> None:
    """Erase the reader who asks for it; the mail that says so goes out at once. As `erase_reader`."""
    await erase_reader(
        context, payments.gateway, reader_id=caller.reader_id,
        cancel_subscription=cancel_subscription,
    )  # fmt: skip
    wakes.wake(MAIL_TASK)


async def _must_agree(database: Database, reader_id: str, *, cancel_subscription: bool) -> None:
    async with database.reading() as session:
        running = await live_subscriptions(session, reader_id)
    if running and not cancel_subscription:
        raise Problem("subscription-runs")


async def _leave_stripe(
    context: Context,
    gateway: Gateway | None,
    reader_id: str,
    *,
    cancel_subscription: bool,
) -> None:
    """Close what is open at Stripe and delete the customer there, with its subscriptions."""
    async with context.database.reading() as session:
        opened = await _open_sessions(session, reader_id)
        customers = await _customers(session, reader_id)
    if gateway is None:
        if opened or customers:
            raise Problem("selling-is-off")
        return
    for session_id in opened:
        async with asking_stripe(context.settings):
            closed = await close_session(gateway, session_id)
            if closed is not None and closed.status == "complete":
                # Paid a moment ago: who pays for it has to know that it ends.
                await fulfil(context, gateway, session_id)
    if opened:
        await _must_agree(context.database, reader_id, cancel_subscription=cancel_subscription)
        async with context.database.reading() as session:
            customers = await _customers(session, reader_id)
    for customer_id in customers:
        await _delete_customer(context, gateway, customer_id)


async def _open_sessions(session: AsyncSession, reader_id: str) -> list[str]:
    """Checkout sessions at Stripe that the reader might still pay."""
    found = await session.scalars(
        select(Checkout.stripe_session_id)
        .where(
            Checkout.reader_id == reader_id,
            Checkout.status == "open",
            Checkout.stripe_session_id.is_not(None),
        )
        .order_by(Checkout.id)
    )
    return [each for each in found if each is not None]


async def _customers(session: AsyncSession, reader_id: str) -> list[str]:
    found = await session.scalars(
        select(Customer.id).where(Customer.reader_id == reader_id).order_by(Customer.id)
    )
    return list(found)


async def _delete_customer(context: Context, gateway: Gateway, customer_id: str) -> None:
    async with context.database.reading() as session:
        going_on = list(
            await session.scalars(
                select(Subscription.id).where(
                    Subscription.customer_id == customer_id,
                    Subscription.status.in_(statuses.LIVE_STATUSES),
                    Subscription.cancelled_at.is_(None),
                )
            )
        )
    async with asking_stripe(context.settings):
        await gateway.delete_customer(customer_id)
    async with context.database.reading() as session:
        running = list(
            await session.scalars(
                select(Subscription.id).where(
                    Subscription.customer_id == customer_id,
                    Subscription.status.in_(statuses.LIVE_STATUSES),
                )
            )
        )
    # Their end is Stripe's to date, for the books.
    for subscription_id in running:
        async with asking_stripe(context.settings):
            try:
                await sync_subscription(context, gateway, subscription_id)
            except GatewayRefused as error:
                if not error.is_missing:
                    raise
    await _note_why(context.database, going_on)


async def _note_why(database: Database, subscription_ids: list[str]) -> None:
    """Stripe tells it by the same word as what a reader cancelled, who might have stayed."""
    async with database.transaction() as session:
        await session.execute(
            update(Subscription)
            .where(
                Subscription.id.in_(subscription_ids),
                Subscription.status == statuses.TERMINAL_STATUS,
            )
            .values(cancel_reason=ERASED)
        )


async def _erase_here(
    session: AsyncSession, context: Context, reader_id: str, *, actor: str | None
) -> None:
    clocks, settings = context.clocks, context.settings
    # In the order in which a confirmation locks: its request, then the reader.
    await session.execute(delete(SignInRequest).where(SignInRequest.reader_id == reader_id))
    await take_turn(session, reader_id)
    subject = await subject_of(session, reader_id)
    reader = await find_reader(session, reader_id)
    if subject is None or reader is None or reader.erased_at is not None:
        return
    email, verified = reader.email, reader.verified_key
    await _end_access(session, context, subject)
    for holding in HOLDINGS:
        await _empty(session, holding, subject)
    await session.execute(
        update(Reader).where(Reader.id.in_(subject.ids)).values(erased_at=clocks.business())
    )
    if verified is not None:
        # What somebody bought with the address stays theirs; the address was this reader's.
        await forget_typed_address(session, verified)
    await emit(
        session, type_="reader.erased", reader_id=reader_id, subject_id=reader_id,
        once=f"reader.erased:{reader_id}", occurred_at=clocks.business(), before=None, after=None,
        now=clocks.wall(),
    )  # fmt: skip
    if email is not None and verified is not None and settings.mail_from:
        # Nobody else reads this mailbox; an address that was only typed might be anybody's.
        await put_mail(
            session, kind="erased", to=verified, to_key=verified, reader_id=None, settings=settings,
            now=clocks.wall(), send_until=clocks.wall() + FAREWELL_KEEPS,
        )  # fmt: skip
    if actor is not None:
        await record(
            session, actor=actor, action="reader.erase", target=reader_id,
            now=clocks.business(),
        )  # fmt: skip


async def _end_access(session: AsyncSession, context: Context, subject: Subject) -> None:
    """End sessions, tokens, and whatever grants and subscriptions Stripe hasn't ended."""
    clocks, now = context.clocks, context.clocks.business()
    for each in subject.ids:
        await take_turn(session, each)
        await end_sessions_of(session, each, clocks.wall(), "erased")
        await revoke_claim(session, "sub", each, now=clocks.wall())
    # What makes grants, before the grants themselves: they would be written again.
    await leave_seats(session, context, subject.ids)
    await end_gifts_of(session, subject.ids, now)
    await session.execute(
        update(Grant)
        .where(Grant.reader_id.in_(subject.ids), or_(Grant.ends_at.is_(None), Grant.ends_at > now))
        .values(ends_at=now, updated_at=now)
    )
    await _end_subscriptions(session, context, subject)


async def _end_subscriptions(session: AsyncSession, context: Context, subject: Subject) -> None:
    """What Stripe hasn't ended, as where nothing is sold any more, ends here for the books, with its seats."""
    now = context.clocks.business()
    running = select(Subscription).where(
        Subscription.reader_id.in_(subject.ids), Subscription.status != statuses.TERMINAL_STATUS
    )
    if await session.scalar(select(running.exists())) is not True:
        return
    for row in list(await session.scalars(running)):
        before = state_of(row, None)
        row.status, row.ended_at, row.past_due_since = statuses.TERMINAL_STATUS, now, None
        # What somebody fetched before this isn't stored any more. `synced_at` stays Stripe's.
        row.version += 1
        await session.flush()
        await arrange_seats(session, context, row, ended=True)
        after = state_of(row, None)
        change = StateChange(row.reader_id, before, after, Money(), now)
        await record_movements(session, change, is_erased=True)


async def _empty(session: AsyncSession, holding: Holding, subject: Subject) -> None:
    """Delete, overwrite or rewrite what one table holds."""
    table, theirs = holding.table, holding.theirs(subject)
    if holding.goes:
        await session.execute(delete(table).where(theirs).execution_options(**_UNSEEN))
    if holding.blank:
        # Repeating it writes nothing, however many rows there are.
        columns, blanks = table.__table__.columns, holding.blanks(subject)
        filled = or_(*(columns[name].is_distinct_from(value) for name, value in blanks.items()))
        await session.execute(
            update(table).where(theirs, filled).values(blanks).execution_options(**_UNSEEN)
        )
    if holding.rewritten:
        for row in await session.scalars(select(table).where(theirs)):
            for column, rewrite in holding.rewritten.items():
                setattr(row, column, rewrite(getattr(row, column)))
        await session.flush()


_UNSEEN = {"synchronize_session": False}
"""Nothing that is loaded is looked at afterwards."""


class Sweep:
    """Erases, again and again, what requests that were under way have written of readers erased lately.

    It remembers when it was there last: nothing is left out by a pause or a leap of the clock.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None

    async def __call__(self, context: Context, gateway: Gateway | None) -> int:
        """One round; how many readers it looked after."""
        now = context.clocks.business()
        since = now - SWEPT_AT_START if self._last is None else min(self._last, now) - SWEPT_FOR
        async with context.database.reading() as session:
            found = await session.execute(
                select(Reader.id, Reader.erased_at).where(
                    Reader.erased_at > since, Reader.merged_into.is_(None)
                )
            )
            erased = [(reader_id, at) for reader_id, at in found if at is not None]
        for reader_id, at in erased:
            await _sweep_one(context, gateway, reader_id, at)
        self._last = now
        return len(erased)


async def _sweep_one(
    context: Context,
    gateway: Gateway | None,
    reader_id: str,
    erased_at: datetime,
) -> None:
    await _delete_late_customers(context, gateway, reader_id, erased_at)

    async def attempt() -> None:
        async with context.database.transaction() as session:
            subject = await subject_of(session, reader_id)
            if subject is not None:
                await _end_access(session, context, subject)
                for holding in HOLDINGS:
                    await _empty(session, holding, subject)

    await past_deadlocks(attempt)


async def _delete_late_customers(
    context: Context,
    gateway: Gateway | None,
    reader_id: str,
    erased_at: datetime,
) -> None:
    async with context.database.reading() as session:
        late = await session.scalars(
            select(Customer.id).where(
                Customer.reader_id == reader_id, Customer.bound_at >= erased_at
            )
        )
        customers = list(late)
    if gateway is None:
        return
    for customer_id in customers:
        try:
            await _delete_customer(context, gateway, customer_id)
        except (Problem, GatewayUnavailable, GatewayRefused) as error:
            log.warning("erase.waiting", reader=reader_id, reason=str(error))
