"""What a reader reads about a seat that opens nothing: seats are missing, or the payment is."""

from datetime import timedelta

import pytest

from service.billing.seats import held_seats
from service.db.base import Base, new_id
from service.db.session import Database
from service.db.tables import Seat
from tests.reports import rows
from tests.reports.figures_asked import store
from tests.reports.rows import NOW

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("paid_for", "opens_for", "paid", "may_ask"),
    [
        pytest.param(10, 10, True, False, id="it opens"),
        pytest.param(10, -1, True, True, id="there are too few seats"),
        pytest.param(-1, -1, False, False, id="nobody pays"),
        pytest.param(None, None, False, False, id="nobody has paid"),
    ],
)
async def test_more_seats_are_asked_for_only_where_seats_are_missing(
    database: Database,
    paid_for: int | None,
    opens_for: int | None,
    paid: bool,
    may_ask: bool,
) -> None:
    owner, holder, offer = rows.reader(), rows.reader(), rows.offer()
    bought = rows.subscription(owner, offer, status="past_due")
    seat = Seat(
        id=new_id("sea"), subscription_id=bought.id, reader_id=holder.id, created_at=NOW, joined_at=NOW,
    )  # fmt: skip
    made: list[Base] = [owner, holder, offer, bought]
    for source, reader, reference, days in [
        ("subscription", owner, bought.id, paid_for), ("seat", holder, seat.id, opens_for),
    ]:  # fmt: skip
        if days is not None:
            ends_at = NOW + days * DAY
            made.append(rows.grant(reader, source=source, reference=reference, ends_at=ends_at))
    await store(database, *made)
    await store(database, seat)
    async with database.reading() as session:
        (found,) = await held_seats(session, holder.id, NOW)
    assert (found.paid, found.may_ask) == (paid, may_ask)
