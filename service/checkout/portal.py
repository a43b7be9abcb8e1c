"""The way to Stripe's customer portal, where a subscription is managed."""

from service.billing.customers import customer_of_reader
from service.billing.subscriptions import seat_prices_of
from service.db.context import Context
from service.identity.return_to import absolute, checked_return_to
from service.offers.portal import portal_for_seats
from service.payments.asking import asking_stripe
from service.payments.gateway import Gateway, GatewayRefused
from service.problems import Problem


async def open_portal(context: Context, gateway: Gateway, *, reader_id: str, return_to: str) -> str:
    """The address of a portal session that leads back to `return_to`.

    Raises the problems `invalid-return-address`, `no-subscription`, `stripe-unavailable`.
    """
    return_to = checked_return_to(return_to, context.settings)
    async with asking_stripe(context.settings):
        return await portal_of_customer(context, gateway, reader_id=reader_id, return_to=return_to)


async def portal_of_customer(
    context: Context,
    gateway: Gateway,
    *,
    reader_id: str | None,
    return_to: str,
) -> str:
    """As `open_portal`, with a checked `return_to` and within the caller's time for Stripe."""
    if reader_id is None:
        raise Problem("no-subscription")
    async with context.database.reading() as session:
        customer_id = await customer_of_reader(session, reader_id)
        owns_seats = bool(await seat_prices_of(session, reader_id))
    if customer_id is None:
        raise Problem("no-subscription")
    publication = context.settings.publication
    configuration = await (
        portal_for_seats(gateway, publication)
        if owns_seats
        else gateway.portal_configuration(publication)
    )
    try:
        return await gateway.create_portal_session(
            customer_id=customer_id,
            return_url=absolute(return_to, context.settings),
            configuration_id=configuration.id if configuration is not None else None,
        )
    except GatewayRefused as error:
        if error.is_missing:  # deleted at Stripe, and its subscriptions with it
            raise Problem("no-subscription") from error
        raise
