"""The movements of MRR as they are stored: they name no reader, and erasing a reader keeps them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing import discounts
from service.billing.discounts import Amounts
from service.billing.ends import forget_renewals_of
from service.billing.movements import Movement, movements
from service.billing.promotions import record_promotions
from service.billing.recurring import Revenue
from service.billing.renewed import take_renewals_along
from service.billing.scheduled_ends import forget_scheduled_end
from service.billing.state import StateChange
from service.db.base import new_id
from service.db.tables import MovementRow, Reader
from service.finance.trials import forget_trials

_NOTHING = Amounts(0, 0, 0)


async def record_movements(
    session: AsyncSession, change: StateChange, *, is_erased: bool = False
) -> None:
    """Record what changed in what the subscription brings, now that the change is stored.

    Call it under the reader's lock, in the transaction that stores its events. Repeating it records nothing.
    """
    after = change.after
    await take_renewals_along(session, change)
    await forget_renewals_of(session, after.id)
    await forget_trials(session, [after.id])
    await record_promotions(session, change)
    await forget_scheduled_end(session, after.id)
    stored = list(
        await session.scalars(
            select(MovementRow)
            .where(MovementRow.subscription_id == after.id)
            .order_by(MovementRow.number)
        )
    )
    if not stored and after.revenue is None:
        return
    customer = stored[-1].customer if stored else await _pseudonym(session, change.reader_id)
    others = await session.scalars(
        select(MovementRow)
        .where(MovementRow.customer == customer, MovementRow.subscription_id != after.id)
        .order_by(MovementRow.at, MovementRow.subscription_id, MovementRow.number)
    )
    found = movements(
        change.before, after, change.money, chain=movements_of(stored),
        others=movements_of(others), is_erased=is_erased,
    )  # fmt: skip
    for number, movement in enumerate(found, start=len(stored) + 1):
        session.add(movement_row(movement, number, customer))
    await session.flush()


async def movements_of_reader(session: AsyncSession, reader_id: str) -> list[Movement]:
    """Those of all the reader's subscriptions, the oldest first."""
    reader = await session.get_one(Reader, reader_id)
    if reader.pseudonym is None:
        return []
    return movements_of(
        await session.scalars(
            select(MovementRow)
            .where(MovementRow.customer == reader.pseudonym)
            .order_by(MovementRow.at, MovementRow.subscription_id, MovementRow.number)
        )
    )


async def put_history(session: AsyncSession, reader_id: str, history: Sequence[Movement]) -> None:
    """Store what a reader's subscriptions brought before they were imported, the oldest first. Of none
    of them is anything stored yet.
    """
    customer = await _pseudonym(session, reader_id) if history else ""
    numbers: Counter[str] = Counter()
    for movement in history:
        numbers[movement.subscription_id] += 1
        session.add(movement_row(movement, numbers[movement.subscription_id], customer))
    await session.flush()


async def note_found_checkout(session: AsyncSession, subscription_id: str) -> None:
    """Let what led to the purchase be looked up again: the subscription's checkout is known now."""
    row = MovementRow
    # In the order in which they are added up: neither ends up waiting for the other.
    locked = (
        select(row.number)
        .where(row.subscription_id == subscription_id)
        .order_by(row.number)
        .with_for_update()
    )
    await session.execute(
        update(row)
        .where(row.subscription_id == subscription_id, row.number.in_(locked))
        .values(source_due=True)
        .execution_options(synchronize_session=False)
    )


async def is_in_mrr(session: AsyncSession, subscription_id: str) -> bool:
    """Whether the subscription brings something, by its latest movement."""
    plan = await session.scalar(
        select(MovementRow.to_plan)
        .where(MovementRow.subscription_id == subscription_id)
        .order_by(MovementRow.number.desc())
        .limit(1)
    )
    return plan is not None


async def join_customers(session: AsyncSession, other: Reader, account: Reader) -> None:
    """Let what the provisional reader `other` brought be what the account brought."""
    if other.pseudonym is None:
        return
    if account.pseudonym is None:
        account.pseudonym = other.pseudonym
    else:
        await session.execute(
            update(MovementRow)
            .where(MovementRow.customer == other.pseudonym)
            .values(customer=account.pseudonym)
            .execution_options(synchronize_session=False)
        )
    other.pseudonym = None
    await session.flush()


def movements_of(rows: Iterable[MovementRow]) -> list[Movement]:
    """The rows as values, in their order."""
    return [
        Movement(
            subscription_id=row.subscription_id,
            at=row.at,
            kind=row.kind,  # type: ignore[arg-type]  # only `movement_row` and the migration write it
            cause=row.cause,  # type: ignore[arg-type]  # as the kind
            before=_revenue(
                row, row.from_plan, row.from_interval, row.from_interval_count,
                Amounts(row.from_listed, row.from_recurring, row.from_net),
            ),
            after=_revenue(
                row, row.to_plan, row.to_interval, row.to_interval_count,
                Amounts(row.to_listed, row.to_recurring, row.to_net),
            ),
            discounts=discounts.read(row.discounts),
        )
        for row in rows
    ]  # fmt: skip


def _revenue(
    row: MovementRow, plan: str | None, interval: str | None, count: int | None, amounts: Amounts
) -> Revenue | None:
    if plan is None or interval is None or count is None:
        return None
    return Revenue(plan, row.currency, interval, count, amounts)


def movement_row(movement: Movement, number: int, customer: str) -> MovementRow:
    """The subscription's movement of this `number`; `customer` is the reader's pseudonym."""
    before, after = movement.before, movement.after
    left, right = (each.amounts if each is not None else _NOTHING for each in (before, after))
    some = after or before
    if some is None:
        raise ValueError("a movement changes something")
    return MovementRow(
        subscription_id=movement.subscription_id,
        number=number,
        customer=customer,
        at=movement.at,
        kind=movement.kind,
        cause=movement.cause,
        currency=some.currency,
        from_plan=before.plan if before is not None else None,
        from_interval=before.interval if before is not None else None,
        from_interval_count=before.interval_count if before is not None else None,
        from_listed=left.listed,
        from_recurring=left.recurring,
        from_net=left.net,
        to_plan=after.plan if after is not None else None,
        to_interval=after.interval if after is not None else None,
        to_interval_count=after.interval_count if after is not None else None,
        to_listed=right.listed,
        to_recurring=right.recurring,
        to_net=right.net,
        discounts=discounts.stored(movement.discounts),
    )


async def _pseudonym(session: AsyncSession, reader_id: str) -> str:
    """Random, so that it says nothing of the reader once their row has lost it."""
    reader = await session.get_one(Reader, reader_id)
    if reader.pseudonym is None:
        reader.pseudonym = new_id("ctm")
    return reader.pseudonym
