"""Whose turn it is to change a right from elsewhere: a source sends it while readers claim it."""

from collections.abc import Collection, Iterator

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Right
from service.db.turns import take_key, take_keys
from service.identity.email import turn_of_address

_AT_ONCE = 500
"""Values in one list of a statement; well below what either database takes."""


async def take_source(session: AsyncSession, source: str) -> None:
    """Wait until no other transaction sends the source's rights. Readers may still claim them: lock what is changed."""
    await take_key(session, f"rights:{source}")


async def locked(session: AsyncSession, source: str, references: Collection[str]) -> list[Right]:
    """Those of these rights that are stored, as they are now: no reader claims them until the transaction ends."""
    found: list[Right] = []
    for some in at_once(set(references)):
        found += await session.scalars(
            select(Right)
            .where(Right.source == source, Right.reference.in_(some))
            .order_by(Right.reference)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    return found


def turn_of_claim(hashed: str) -> str:
    """The key of the turn in which a reader claims an account or a name (db/turns.py)."""
    return f"right:{hashed}"


async def take_claims(
    session: AsyncSession, addresses: Collection[str | None], hashes: Collection[str | None]
) -> None:
    """Wait for readers who confirm one of these addresses, or claim one of these, at this moment.

    They see what this transaction stores, or it sees what they have stored.
    """
    claimed = [turn_of_claim(each) for each in hashes if each is not None]
    confirmed = [turn_of_address(each) for each in addresses if each is not None]
    await take_keys(session, [*claimed, *confirmed])


def at_once(values: Collection[str | None]) -> Iterator[list[str]]:
    """The values in lists that one statement takes each; None is left out."""
    ordered = sorted(each for each in values if each is not None)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
