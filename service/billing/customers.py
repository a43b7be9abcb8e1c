"""Which reader a Stripe customer is. Bound by a checkout of ours, never by e-mail: what a wallet
hands to Stripe proves nothing (billing.md, Fulfilment).
"""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.statuses import LIVE_STATUSES
from service.db.tables import Customer, Reader, Subscription
from service.db.upsert import insert_for


async def bind_customer(
    session: AsyncSession, *, customer_id: str, reader_id: str, now: datetime
) -> str:
    """Bind the customer unless it is bound; the reader it belongs to from now on."""
    await session.execute(
        insert_for(session, Customer)
        .values(id=customer_id, reader_id=reader_id, bound_at=now)
        .on_conflict_do_nothing(index_elements=["id"])
    )
    return await reader_of_customer(session, customer_id) or reader_id


async def reader_of_customer(session: AsyncSession, customer_id: str) -> str | None:
    found: str | None = await session.scalar(
        select(Customer.reader_id).where(Customer.id == customer_id)
    )
    return found


async def imported_readers(session: AsyncSession, email_key: str) -> list[str]:
    """The ids of readers without a verified address whom an import brought in with this one."""
    found = await session.scalars(
        select(Reader.id)
        .where(
            Reader.email_key == email_key,
            Reader.verified_key.is_(None),
            exists().where(Customer.reader_id == Reader.id, Customer.imported_at.is_not(None)),
        )
        .order_by(Reader.created_at, Reader.id)
    )
    return list(found)


async def customers_of_reader(session: AsyncSession, reader_id: str) -> list[str]:
    """All of them, the one bound first before the others."""
    found = await session.scalars(
        select(Customer.id)
        .where(Customer.reader_id == reader_id)
        .order_by(Customer.bound_at, Customer.id)
    )
    return list(found)


async def customer_of_reader(session: AsyncSession, reader_id: str) -> str | None:
    """The reader's customer at Stripe, to manage what runs: the one whose subscription lives, else
    their own, else the one bound last.

    A reader gets several by purchases before signing in, their own ones and gifts; where a
    subscription runs it is to be found and ended, whatever was bought beside it.
    """
    lives = exists().where(
        Subscription.customer_id == Customer.id,
        Subscription.status.in_(LIVE_STATUSES),
        Subscription.access_stop != "duplicate",
    )
    found: str | None = await session.scalar(
        select(Customer.id)
        .where(Customer.reader_id == reader_id)
        .order_by(
            lives.desc(), Customer.joined_at.is_not(None), Customer.bound_at.desc(), Customer.id
        )
        .limit(1)
    )
    return found


async def own_customer(session: AsyncSession, reader_id: str) -> str | None:
    """The customer to buy with: never one that came with a purchase made before signing in, whose
    card and invoices may be somebody else's.
    """
    found: str | None = await session.scalar(
        select(Customer.id)
        .where(Customer.reader_id == reader_id, Customer.joined_at.is_(None))
        .order_by(Customer.bound_at.desc(), Customer.id)
        .limit(1)
    )
    return found
