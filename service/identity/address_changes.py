"""Addresses that readers want instead of theirs: asked for, confirmed by a link to each of the two."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import AddressChange
from service.identity.email import EmailAddress
from service.identity.secrets import hash_secret, new_secret

LIFE = timedelta(hours=24)


@dataclass(frozen=True)
class Asked:
    """The secrets of the two links, which are stored as hashes only."""

    old_link: str
    new_link: str


async def ask(session: AsyncSession, reader_id: str, address: EmailAddress, now: datetime) -> Asked:
    """Store the wish, in place of an earlier one. `now` is wall time."""
    await forget(session, reader_id)
    asked = Asked(new_secret(), new_secret())
    session.add(
        AddressChange(
            id=new_id("adr"), reader_id=reader_id, email=address.text, email_key=address.key,
            old_hash=hash_secret(asked.old_link), new_hash=hash_secret(asked.new_link),
            old_confirmed_at=None, new_confirmed_at=None, expires_at=now + LIFE,
        )
    )  # fmt: skip
    await session.flush()
    return asked


async def by_link(session: AsyncSession, link: str, now: datetime) -> AddressChange | None:
    """The change that this link, of either mail, confirms; None: it is over or unknown."""
    secret = hash_secret(link)
    found: AddressChange | None = await session.scalar(
        select(AddressChange).where(
            or_(AddressChange.old_hash == secret, AddressChange.new_hash == secret),
            AddressChange.expires_at > now,
        )
    )
    return found


def confirm(change: AddressChange, link: str, now: datetime) -> bool:
    """Note that this mailbox has answered; whether both have."""
    if change.old_hash == hash_secret(link):
        change.old_confirmed_at = change.old_confirmed_at or now
    else:
        change.new_confirmed_at = change.new_confirmed_at or now
    return change.old_confirmed_at is not None and change.new_confirmed_at is not None


async def forget(session: AsyncSession, reader_id: str) -> None:
    await session.execute(delete(AddressChange).where(AddressChange.reader_id == reader_id))


async def prune(database: Database, now: datetime) -> None:
    """Delete what nobody confirmed in time: it names addresses."""
    await in_parts(database, delete(AddressChange), AddressChange.expires_at <= now)
