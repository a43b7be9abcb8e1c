"""What led a buyer here, kept with the checkout: a sale keeps its source."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.bulk import insert_rows
from service.db.tables import CheckoutTouches, Touches
from service.db.upsert import insert_for
from service.identity.touches import TOUCH_COLUMNS, Touch, record_touches, touch_values


def record_checkout_touches(
    connection: Connection, touches: Iterable[tuple[str, Touch, datetime, Touch, datetime]]
) -> None:
    """Keep with checkouts, named by their ids, the first and the last touch of their buyers."""
    rows = [
        (checkout_id, *touch_values(first, first_at), *touch_values(last, last_at))
        for checkout_id, first, first_at, last, last_at in touches
    ]
    insert_rows(connection, CheckoutTouches, ("checkout_id", *TOUCH_COLUMNS), rows)


async def copy_touches(
    session: AsyncSession, checkout_id: str, holder: str | None, touch: Touch, now: datetime
) -> None:
    """Keep with a checkout what led its buyer here, `touch` included; the last click counts."""
    if holder is not None:
        here = [(holder, touch, now)]
        await (await session.connection()).run_sync(record_touches, here)
        known = select(
            literal(checkout_id), *(getattr(Touches, name) for name in TOUCH_COLUMNS)
        ).where(Touches.holder == holder)
        new = insert_for(session, CheckoutTouches).from_select(
            ["checkout_id", *TOUCH_COLUMNS], known
        )
    else:
        new = insert_for(session, CheckoutTouches).values(
            checkout_id=checkout_id,
            **dict(zip(TOUCH_COLUMNS, 2 * touch_values(touch, now), strict=True)),
        )
    replaced = {name: new.excluded[name] for name in TOUCH_COLUMNS}
    await session.execute(
        new.on_conflict_do_update(index_elements=[CheckoutTouches.checkout_id], set_=replaced)
    )
