"""Back from Stripe's portal: what was changed there counts before its webhook has arrived."""

from starlette.requests import HTTPConnection

from service.billing.subscriptions import live_subscriptions
from service.billing.sync import Outdated, sync_subscription
from service.checkout.limits import limited_gateway
from service.db.context import Context
from service.identity.callers import Caller
from service.payments.asking import asking_stripe
from service.problems import Problem

RETURN_TO = "/account?from=portal"
MARKER = "portal"
_GO_WITHOUT = frozenset(
    {"selling-is-off", "stripe-unavailable", "purchase-refused", "too-many-requests"}
)


async def bring_up_to_date(
    connection: HTTPConnection,
    context: Context,
    caller: Caller,
    reader_id: str,
) -> None:
    """Ask Stripe about the reader's live subscriptions and store what it says.

    All questions together get `stripe_timeout_seconds`. Where Stripe doesn't answer, what is
    stored stays as it is: the webhook will come. Raises Problem `database-unavailable`.
    """
    async with context.database.reading() as session:
        known = [each.id for each in await live_subscriptions(session, reader_id)]
    try:
        gateway = await limited_gateway(connection, caller, context)
        async with asking_stripe(context.settings):
            for subscription_id in known:
                await sync_subscription(
                    context,
                    gateway,
                    subscription_id,
                )
    except Outdated:
        return  # others keep storing what Stripe says at this very moment
    except Problem as problem:
        if problem.slug not in _GO_WITHOUT:
            raise
