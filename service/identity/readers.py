"""Readers, their addresses, and the devices whose reads are theirs."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, and_, case, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.base import new_id
from service.db.tables import Reader, ReaderDevice, ReaderSession
from service.db.upsert import insert_for
from service.identity.email import EmailAddress, checked_address, email_key
from service.outbox.domain_events import Happened, emit
from service.problems import Problem

_IS_PROVISIONAL = and_(
    Reader.verified_key.is_(None), Reader.merged_into.is_(None), Reader.erased_at.is_(None)
)


async def create_reader(
    session: AsyncSession, *, email: str | None, clocks: Clocks, is_news: bool = True
) -> Reader:
    """A provisional reader: `email` is a suggestion until it is verified. One who was imported, and
    subscribed long ago, is no news to the newsroom's systems.
    """
    reader = new_reader(new_id("rdr"), email=email, now=clocks.business())
    session.add(reader)
    await session.flush()
    await emit(session, **created(reader), now=clocks.wall(), is_news=is_news)
    return reader


def new_reader(reader_id: str, *, email: str | None, now: datetime) -> Reader:
    """The row of a provisional reader, not stored yet; `now` is business time."""
    return Reader(
        id=reader_id,
        email=email,
        email_key=email_key(email),
        verified_key=None,
        email_verified_at=None,
        created_at=now,
        merged_into=None,
        erased_at=None,
    )


def created(reader: Reader) -> Happened:
    """What the newsroom's systems are sent of a new reader."""
    return Happened(
        type_="reader.created", reader_id=reader.id, subject_id=reader.id,
        once=f"reader.created:{reader.id}", occurred_at=reader.created_at, before=None,
        after={"created_at": reader.created_at.isoformat()},
    )  # fmt: skip


async def find_reader(session: AsyncSession, reader_id: str) -> Reader | None:
    return await session.get(Reader, reader_id)


async def reader_named(session: AsyncSession, named: str) -> Reader:
    """The reader with this id, or who has confirmed this address: what was typed at Checkout proves nothing.

    Raises the problems `invalid-email` and `not-found`.
    """
    if "@" in named:
        address = checked_address(named)
        account: Reader | None = await session.scalar(
            select(Reader).where(Reader.verified_key == address.key)
        )
        if account is None:
            raise Problem(
                "not-found",
                f"Nobody has confirmed the address {named}. Ask the reader to sign in once, or give "
                "the reader's id.",
            )
        return account
    reader = await find_reader(session, named)
    if reader is None or reader.merged_into is not None or reader.erased_at is not None:
        raise Problem(
            "not-found",
            f"No reader has the id {named}. Copy the id from the reader's page, or give their "
            "confirmed e-mail address.",
        )
    return reader


async def has_a_reader(session: AsyncSession, device: str) -> bool:
    """Whether some reader has signed in with the device (its pseudonym)."""
    found = select(ReaderDevice.reader_id).where(ReaderDevice.device_id == device).limit(1)
    return await session.scalar(found) is not None


def ids_named(named: str) -> Select[str]:
    """The ids of readers with this id, or with this address, confirmed or typed: what a search asks for."""
    key = email_key(named) if "@" in named else None
    return select(Reader.id).where(Reader.id == named if key is None else Reader.email_key == key)


async def is_erased(session: AsyncSession, reader_id: str) -> bool:
    """Whether the reader is erased; nothing may be tied to them any more."""
    erased_at = await session.scalar(select(Reader.erased_at).where(Reader.id == reader_id))
    return erased_at is not None


async def is_verified(session: AsyncSession, reader_id: str) -> bool:
    """Whether the reader has verified an address: then it is an account, and no purchase alone."""
    verified_at = await session.scalar(
        select(Reader.email_verified_at).where(Reader.id == reader_id)
    )
    return verified_at is not None


async def suggest_email(session: AsyncSession, reader_id: str, email: str | None) -> None:
    """Note the address typed in Checkout where none is known; erased readers stay without."""
    reader = await find_reader(session, reader_id)
    if reader is not None and reader.email is None and reader.erased_at is None:
        reader.email, reader.email_key = email, email_key(email)


async def take_turn(session: AsyncSession, reader_id: str) -> None:
    """Wait until no other transaction changes what the reader has. SQLite's one writer has its turn."""
    await session.execute(
        select(Reader.id).where(Reader.id == reader_id).with_for_update(key_share=True)
    )


async def settled_reader(session: AsyncSession, reader_id: str) -> str:
    """Who holds what is the reader's: the account that a provisional reader was merged into.

    Until the transaction ends nobody merges the reader away.
    """
    await take_turn(session, reader_id)
    merged_into = await session.scalar(select(Reader.merged_into).where(Reader.id == reader_id))
    return reader_id if merged_into is None else await settled_reader(session, merged_into)


async def has_signed_in(session: AsyncSession, *, device: str, address: EmailAddress) -> bool:
    """Whether the account of this address was signed in to on the device (its pseudonym) before."""
    found = await session.scalar(
        select(ReaderDevice.device_id)
        .join(Reader, Reader.id == ReaderDevice.reader_id)
        .where(ReaderDevice.device_id == device, Reader.verified_key == address.key)
    )
    return found is not None


async def account_of(session: AsyncSession, address: EmailAddress) -> Reader | None:
    """The reader who has verified this address."""
    found: Reader | None = await session.scalar(
        select(Reader)
        .where(Reader.verified_key == address.key)
        # Rows that name the account may still be added.
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found


async def provisional_readers(session: AsyncSession, ids: Collection[str]) -> list[Reader]:
    """Those of the readers who have verified nothing, the one who bought first before the others."""
    found = await session.scalars(
        select(Reader)
        .where(Reader.id.in_(ids), _IS_PROVISIONAL)
        .order_by(Reader.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return sorted(found, key=lambda reader: (reader.created_at, reader.id))


async def buyers_with(session: AsyncSession, email_key: str) -> list[str]:
    """The ids of unverified readers who typed this address when they bought."""
    found = await session.scalars(
        select(Reader.id)
        .where(Reader.email_key == email_key, _IS_PROVISIONAL)
        .order_by(Reader.created_at, Reader.id)
    )
    return list(found)


async def forget_typed_address(session: AsyncSession, email_key: str) -> None:
    """Let unverified readers who typed this address when they bought have none."""
    await session.execute(
        update(Reader)
        .where(Reader.email_key == email_key, _IS_PROVISIONAL)
        .values(email=None, email_key=None)
    )


async def readers_by_email(session: AsyncSession, email: str) -> list[Reader]:
    """All readers who typed this address, in whatever case, the newest first; it may be several."""
    typed = func.lower(Reader.email) == email.strip().lower()
    key = email_key(email)
    found = await session.scalars(
        select(Reader)
        .where(
            typed if key is None else or_(typed, Reader.email_key == key),
            Reader.merged_into.is_(None),
            Reader.erased_at.is_(None),
        )
        .order_by(Reader.created_at.desc(), Reader.id)
    )
    return list(found)


async def link_device(session: AsyncSession, *, reader_id: str, device: str, now: datetime) -> None:
    """Let the reads of the device (its pseudonym), past and future, appear with the reader.

    What experiments gave the first device goes along too. Safe to repeat.
    """
    # One statement: two returns from Checkout at once may both come here.
    statement = insert_for(session, ReaderDevice).values(
        device_id=device, reader_id=reader_id, linked_at=now
    )
    await session.execute(statement.on_conflict_do_nothing())
    # Who has been here before without a device was known by their id, and keeps the variants of that.
    was_here = exists().where(ReaderSession.reader_id == reader_id)
    unit = case((was_here, literal(reader_id)), else_=literal(device))
    await session.execute(
        update(Reader)
        .where(Reader.id == reader_id, Reader.experiment_unit.is_(None))
        .values(experiment_unit=unit)
        .execution_options(synchronize_session=False)
    )
