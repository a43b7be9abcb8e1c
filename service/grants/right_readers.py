"""Whose a right from elsewhere may be: what its source sends, and the readers whom that names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Reader, RightClaim
from service.grants.matching import MatchKey
from service.grants.right_turns import at_once
from service.identity.email import email_key
from service.identity.secrets import derived_key
from service.settings import Settings

CLAIM_WAITS = timedelta(days=60)
"""So long after its provisional days a claim still waits for a list: later its number may be another's."""


@dataclass(frozen=True)
class SentRight:
    """A right as its source sends it. `starts_at` None: as it was, or now. `ends_at` None: until taken back."""

    reference: str
    plan: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    email: str = ""
    account_number: str = ""
    name: str = ""
    postcode: str = ""


def match_key(settings: Settings) -> MatchKey:
    """The installation's key."""
    return MatchKey(derived_key(settings, "rights"))


@dataclass(frozen=True)
class KnownReaders:
    """Ids of readers whose rights may be: by confirmed address, and by the hash that they have claimed."""

    by_address: Mapping[str, str] = field(default_factory=dict)
    by_claim: Mapping[str, str] = field(default_factory=dict)


def keys_of(sent: Iterable[SentRight], key: MatchKey) -> tuple[set[str | None], set[str | None]]:
    """By which addresses and hashes readers may be found whose they are."""
    addresses: set[str | None] = set()
    hashes: set[str | None] = set()
    for each in sent:
        addresses.add(email_key(each.email) if each.email else None)
        hashes.add(key.account(each.account_number, each.postcode))
        hashes.add(key.name(each.name, each.postcode))
    return addresses, hashes


async def known_readers(
    session: AsyncSession, sent: Iterable[SentRight], key: MatchKey, now: datetime
) -> KnownReaders:
    """Those who have confirmed an address of what is sent, and those who wait for a list that has their claim."""
    addresses, hashes = keys_of(sent, key)
    by_address: dict[str, str] = {}
    for some in at_once(addresses):
        confirmed = await session.execute(
            select(Reader.verified_key, Reader.id).where(Reader.verified_key.in_(some))
        )
        by_address.update((row.verified_key, row.id) for row in confirmed)
    by_claim: dict[str, str] = {}
    for some in at_once(hashes):
        claims = await session.execute(
            select(RightClaim.hash, RightClaim.reader_id).where(
                RightClaim.hash.in_(some), RightClaim.provisional_until > now - CLAIM_WAITS
            )
        )
        by_claim.update((row.hash, row.reader_id) for row in claims)
    return KnownReaders(by_address, by_claim)
