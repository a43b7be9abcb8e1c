"""Who the reader is and what is open to them."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.account.schemas import GrantItem, ProcessingItem, Profile
from service.billing.checkouts import processing_checkouts
from service.grants import grants
from service.grants.store import grants_of
from service.identity.callers import SignedIn
from service.identity.readers import find_reader
from service.problems import Problem


async def profile_of(session: AsyncSession, caller: SignedIn, now: datetime) -> Profile:
    """The profile with the grants that are live at `now` (business time)."""
    reader = await find_reader(session, caller.reader_id)
    if reader is None:
        raise Problem("unauthenticated", "Sign in first: the session has ended.")
    held = grants.live(await grants_of(session, reader.id), now)
    return Profile(
        id=reader.id,
        email=reader.email,
        email_verified=reader.email_verified_at is not None,
        created_at=reader.created_at,
        session_id=caller.session_id,
        grants=[GrantItem.of(grant) for grant in held],
        processing=[
            ProcessingItem(
                offer=offer.id,
                name=offer.name,
                since=checkout.processing_since or checkout.created_at,
            )
            for checkout, offer in await processing_checkouts(session, reader.id)
        ],
    )
