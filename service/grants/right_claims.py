"""A reader says that they subscribe elsewhere: by account number, or name, and postcode.

Whatever doesn't match is answered alike: nobody learns which part was wrong, nor whether a number exists.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Reader, Right, RightClaim
from service.grants.grants import EVERYTHING, provisional_reference
from service.grants.right_readers import KnownReaders, match_key
from service.grants.right_turns import turn_of_claim
from service.grants.rights import BoundBy, Rights, is_known_by_name, is_over
from service.grants.store import put_grant
from service.identity.readers import take_turn
from service.limits.rate import Limit, take_each, too_many
from service.problems import Problem
from service.settings import Settings

CLAIMS = "right-claims"
"""The limit's name: tries of one reader."""
_TOLD = "That was tried several times. Try again {when}, or write to us with your account number."
_TOLD_HOUR, _TOLD_DAY = _TOLD.format(when="in an hour"), _TOLD.format(when="tomorrow")
_HOUR = timedelta(hours=1)
_BY_READER = Limit(CLAIMS, 5, _HOUR, _TOLD_HOUR)
_BY_NUMBER = Limit("right-claims-number", 10, timedelta(days=1), _TOLD_DAY)
_BY_NETWORK = Limit("right-claims-network", 20, _HOUR, _TOLD_HOUR)


@dataclass(frozen=True)
class Claimed:
    """`provisional`: no list has it yet, and the reader reads until then all the same. `until` None: no end set."""

    state: Literal["open", "provisional"]
    until: datetime | None


@dataclass(frozen=True)
class Claim:
    """What the reader typed: `number` is the account's, or the name where `by` says so."""

    by: Literal["account", "name"]
    number: str
    postcode: str


async def claim_right(
    context: Context, claim: Claim, settings: Settings, *, reader_id: str, network: str
) -> Claimed:
    """Give the reader what matches, by the `settings` in force. `network` is the caller's name of today.

    Raises the problems `not-found` where readers can't say so, `address-unconfirmed`, `too-many-requests` and
    `right-not-found`.
    """
    if not settings.rights_by_account:
        raise Problem("not-found")
    key = match_key(settings)
    make = key.account if claim.by == "account" else key.name
    hashed = make(claim.number, claim.postcode)
    # Many have the same name, so that one is counted with its postcode.
    by_name = hashed if claim.by == "name" else None
    number = by_name or key.number(claim.number)
    limits = ((_BY_READER, reader_id), (_BY_NUMBER, number), (_BY_NETWORK, network))
    # In its own transaction: a try counts whatever comes of it, but for one that is looked up nowhere.
    async with context.database.transaction() as session:
        await _check_address(session, reader_id)
        refused = await take_each(session, limits, context.clocks.wall())
    if refused is not None:
        raise too_many(*refused)
    if hashed is None:
        raise Problem("right-not-found")
    async with context.database.serialised(turn_of_claim(hashed)) as session:
        await take_turn(session, reader_id)
        await _check_address(session, reader_id)
        found = await _claimed(session, context, claim.by, hashed, reader_id)
        if found is not None:
            return found
        days = settings.rights_provisional_days
        return await _provisional(session, context, hashed, reader_id, days)


async def _check_address(session: AsyncSession, reader_id: str) -> None:
    """Problem `address-unconfirmed`."""
    reader = await session.get(Reader, reader_id, populate_existing=True)
    if reader is None or reader.verified_key is None:
        raise Problem("address-unconfirmed")


async def _claimed(
    session: AsyncSession, context: Context, by: BoundBy, hashed: str, reader_id: str
) -> Claimed | None:
    """By what a list has; None where none has it."""
    now = context.clocks.business()
    column = Right.account_hash if by == "account" else Right.name_hash
    found = await session.scalars(
        select(Right)
        .where(column == hashed, or_(Right.reader_id.is_(None), Right.reader_id == reader_id))
        .order_by(Right.source, Right.reference)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    live = [
        row
        for row in found
        if not is_over(row, now)
        and (by == "account" or row.reader_id == reader_id or is_known_by_name(row))
    ]
    if not live:
        return None
    rights = Rights(session, match_key(context.settings), context.clocks, KnownReaders())
    for row in live:
        if row.reader_id is None:
            rights.bind(row, reader_id, by)
    await rights.store()
    ends = [row.ends_at for row in live]
    return Claimed("open", None if None in ends else max(each for each in ends if each is not None))


async def _provisional(
    session: AsyncSession, context: Context, hashed: str, reader_id: str, days: int
) -> Claimed:
    """Some days until the next lists have come, once a reader and number."""
    now = context.clocks.business()
    claim = await session.get(RightClaim, hashed)
    if claim is not None and claim.reader_id == reader_id and claim.provisional_until > now:
        return Claimed("provisional", claim.provisional_until)
    had = await session.scalar(select(RightClaim.hash).where(RightClaim.reader_id == reader_id))
    if claim is not None or had is not None or not days:
        raise Problem("right-not-found")
    until = now + timedelta(days=days)
    session.add(
        RightClaim(hash=hashed, reader_id=reader_id, provisional_until=until, created_at=now)
    )
    await put_grant(
        session, source="external", reference=provisional_reference(reader_id), reader_id=reader_id,
        scope=EVERYTHING, starts_at=now, ends_at=until, note="provisional", now=now,
    )  # fmt: skip
    return Claimed("provisional", until)
