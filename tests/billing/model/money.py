"""What the service believes that subscriptions bring: by Stripe's documents, and by its movements."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.ledger import state_of
from service.billing.movement_rows import movements_of
from service.billing.outlook import outlook_of
from service.db.tables import MovementRow, Subscription
from service.reports.figures import by_movements, by_subscriptions, exact_mrr, mrr_movements
from service.reports.metrics import total
from tests.billing.model.oracle import Oracle


async def check_money(session: AsyncSession, oracle: Oracle) -> None:
    """MRR is what Stripe's documents say, and what all movements add up to, those of erased readers
    included, as is who pays; the movements of each subscription are a chain to what it brings now. The next charge is
    Stripe's too.
    """
    mrr = await exact_mrr(session)
    assert mrr == oracle.mrr(), (mrr, oracle.mrr())
    moved = total((await mrr_movements(session)).values())
    assert {currency: amount for currency, amount in moved.items() if amount} == mrr
    assert await by_movements(session) == await by_subscriptions(session)
    for each in oracle.subscriptions():
        stored_one = await session.get(Subscription, each["id"])
        if stored_one is not None:
            outlook = outlook_of(stored_one)
            at, amount = oracle.next_charge(each) or (None, None)
            assert (outlook.charges_at, outlook.amount) == (at, amount), each["id"]
    for row in list(await session.scalars(select(Subscription))):
        stored = await session.scalars(
            select(MovementRow)
            .where(MovementRow.subscription_id == row.id)
            .order_by(MovementRow.number)
        )
        was = None
        for movement in movements_of(stored):
            assert movement.before == was, row.id
            was = movement.after
        assert was == state_of(row, None).revenue, row.id
