"""Fewer seats from the next period on, or the old number again: without money in this period."""

import structlog

from service.billing.seats import Shared, shared_by
from service.billing.sync import Outdated, sync_subscription
from service.db.context import Context
from service.payments.asking import RETRY_AFTER_SECONDS, asking_stripe
from service.payments.gateway import Gateway, GatewayRefused
from service.problems import Problem

log = structlog.get_logger()


async def set_next_number(
    context: Context, gateway: Gateway, *, reader_id: str, seats: int
) -> None:
    """Let the reader's subscription have this number of seats from its next period on; repeating it changes nothing.

    What is stored may be late, and more than is paid for would be free until the next period: so Stripe is asked first.
    Problems `no-seats`, where there are none or fewer than that or Stripe refuses, `stripe-unavailable` and
    `purchase-refused`.
    """
    known = (await _shared(context, reader_id)).subscription.id
    async with asking_stripe(context.settings):
        try:
            fetched = (await sync_subscription(context, gateway, known)).snapshot.subscription
        except Outdated as error:
            # Others keep storing what Stripe says at this very moment.
            headers = {"Retry-After": RETRY_AFTER_SECONDS}
            raise Problem("stripe-unavailable", headers=headers) from error
        shared = await _shared(context, reader_id)
        if not 1 <= seats <= shared.number.now:
            detail = f"Choose a number from 1 to {shared.number.now}. You can have more seats in Stripe’s customer portal."
            raise Problem("no-seats", detail)
        bought = shared.subscription
        items = [each for each in fetched.items if each.price.id == bought.price_id]
        if fetched.id != bought.id or len(items) != 1:
            raise Problem("no-seats", "This subscription has changed. Load the page again.")
        if items[0].quantity == seats:
            return
        await _set_quantity(gateway, items[0].id, seats)
        try:
            await sync_subscription(context, gateway, known)
        except Outdated:
            return  # they store this change, too


async def _shared(context: Context, reader_id: str) -> Shared:
    async with context.database.reading() as session:
        shared = await shared_by(session, reader_id, context.clocks.business())
    if shared is None:
        raise Problem("no-seats", "You have no subscription with seats for others.")
    return shared


async def _set_quantity(gateway: Gateway, item_id: str, seats: int) -> None:
    try:
        await gateway.set_quantity(item_id, seats)
    except GatewayRefused as error:
        log.warning("seats.number_refused", code=error.code, reason=error.reason)
        detail = (
            "Stripe can’t change the number of seats of this subscription as it is now. Load the page again; "
            "if it still can’t, write to the newsroom."
        )
        raise Problem("no-seats", detail) from error
