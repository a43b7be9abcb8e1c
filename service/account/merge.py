"""The account behind a verified address, and the provisional readers that turn out to be it.

A purchase before sign-in makes a provisional reader. What was bought goes over to an account when the
buyer's own browser verifies an address, or when the account's reader takes it over by choice
(take_over.py): anybody can type anybody's address in Checkout.
"""

from collections.abc import Collection

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.billing.checkouts import end_claims
from service.billing.customers import imported_readers
from service.billing.follow_ups import settle_duplicates
from service.billing.gift_subscriptions import arrange_gifts
from service.billing.movement_rows import join_customers
from service.billing.passes import arrange_all_passes
from service.billing.waiting_purchases import forget_mails
from service.clock import Clocks
from service.db.tables import (
    AccessEntry,
    Checkout,
    Consent,
    Customer,
    DomainEvent,
    GiftLink,
    GiftSubscription,
    Grant,
    Mail,
    Pass,
    Reader,
    ReaderDevice,
    ReaderNote,
    ReaderUse,
    Right,
    RightClaim,
    Seat,
    SignInRequest,
    Subscription,
)
from service.identity.email import EmailAddress
from service.identity.readers import account_of, create_reader, provisional_readers
from service.identity.sessions import end_sessions_of
from service.outbox.domain_events import emit

MOVED: tuple[InstrumentedAttribute[str] | InstrumentedAttribute[str | None], ...] = (
    Customer.reader_id,
    Subscription.reader_id,
    Pass.reader_id,
    Grant.reader_id,
    Right.reader_id,
    GiftLink.reader_id,
    GiftSubscription.redeemed_by,
    Seat.reader_id,
    RightClaim.reader_id,
    Checkout.reader_id,
    AccessEntry.reader_id,
    Consent.reader_id,
    Mail.reader_id,
    SignInRequest.reader_id,
    DomainEvent.reader_id,
    ReaderNote.reader_id,
)
"""Columns that name the account from then on. Devices go over too; sessions end."""


async def verified_account(
    session: AsyncSession, address: EmailAddress, buyers: Collection[str], clocks: Clocks
) -> Reader:
    """The reader of this verified address, made or verified now where there was none.

    `buyers` are the provisional readers that the confirming browser is, by session or claim: they
    become that account, as do those whom the newsroom imported with this address. Call it where no other transaction confirms the same address.
    """
    now = clocks.wall()
    account = await account_of(session, address)
    imported = await imported_readers(session, address.key)
    provisional = await provisional_readers(session, {*buyers, *imported})
    # Links that the staff made for a purchase were never meant to open the account.
    await session.execute(
        delete(SignInRequest).where(
            SignInRequest.reader_id.in_([each.id for each in provisional]),
            SignInRequest.email_key.is_(None),
        )
    )
    if account is None:
        account = provisional.pop(0) if provisional else None
        if account is None:
            account = await create_reader(session, email=address.text, clocks=clocks)
        account.email, account.email_key = address.text, address.key
        account.verified_key, account.email_verified_at = address.key, clocks.business()
        await session.flush()
        # Who bought has proved to hold the claim, not to read the mail: they sign in anew.
        await end_sessions_of(session, account.id, now, "verified")
        await end_claims(session, account.id)
    for other in provisional:
        await merge(session, other, account, clocks)
    return account


async def merge(session: AsyncSession, other: Reader, account: Reader, clocks: Clocks) -> None:
    """Let everything the provisional reader `other` holds be the account's."""
    await end_sessions_of(session, other.id, clocks.wall(), "merged")
    await end_claims(session, other.id)
    theirs = await session.scalars(select(Checkout.id).where(Checkout.reader_id == other.id))
    await forget_mails(session, list(theirs))
    for table in (Customer, Subscription):
        await session.execute(
            update(table)
            .where(table.reader_id == other.id)
            .values(joined_at=clocks.business())
            .execution_options(synchronize_session=False)
        )
    for column in MOVED:
        await session.execute(
            update(column.class_)
            .where(column == other.id)
            .values({column.key: account.id})
            .execution_options(synchronize_session=False)
        )
    known = select(ReaderDevice.device_id).where(ReaderDevice.reader_id == account.id)
    await session.execute(
        update(ReaderDevice)
        .where(ReaderDevice.reader_id == other.id, ReaderDevice.device_id.not_in(known))
        .values(reader_id=account.id)
        .execution_options(synchronize_session=False)
    )
    await session.execute(delete(ReaderDevice).where(ReaderDevice.reader_id == other.id))
    await session.execute(delete(ReaderUse).where(ReaderUse.reader_id == other.id))
    await join_customers(session, other, account)
    other.merged_into, other.email, other.email_key = account.id, None, None
    await session.flush()
    # Both may have bought the same: one of the subscriptions is kept.
    await settle_duplicates(session, account.id, clocks)
    await arrange_all_passes(session, account.id, clocks.business())
    await arrange_gifts(session, account.id, clocks.business())
    await emit(
        session, type_="reader.merged", reader_id=account.id, subject_id=other.id,
        once=f"reader.merged:{other.id}", occurred_at=clocks.business(),
        before={"reader_id": other.id}, after={"reader_id": account.id}, now=clocks.wall(),
    )  # fmt: skip
