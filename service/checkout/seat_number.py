"""Fewer seats from the next period on, or the old number again: without money in this period."""

from service.billing.seats import shared_by
from service.billing.sync import sync_subscription
from service.db.context import Context
from service.payments.asking import asking_stripe
from service.payments.gateway import Gateway
from service.problems import Problem

_NONE = "You have no subscription with seats for others."


async def set_next_number(
    context: Context, gateway: Gateway, *, reader_id: str, seats: int
) -> None:
    """Let the reader's subscription have this number of seats from its next period on; repeating it changes nothing.

    Problems `no-seats`, where there are none or fewer than that, `stripe-unavailable` and `purchase-refused`.
    """
    async with context.database.reading() as session:
        shared = await shared_by(session, reader_id, context.clocks.business())
    if shared is None:
        raise Problem("no-seats", _NONE)
    if not 1 <= seats <= shared.number.now:
        detail = f"Choose a number from 1 to {shared.number.now}. You can have more seats in Stripe’s customer portal."
        raise Problem("no-seats", detail)
    bought = shared.subscription
    async with asking_stripe(context.settings):
        subscription = await gateway.retrieve_subscription(bought.id)
        items = [each for each in subscription.items if each.price.id == bought.price_id]
        if len(items) != 1:
            raise Problem("no-seats", "This subscription has changed. Load the page again.")
        if items[0].quantity != seats:
            await gateway.set_quantity(items[0].id, seats)
        await sync_subscription(context, gateway, bought.id)
