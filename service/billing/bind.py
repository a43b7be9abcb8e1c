"""An operator says whose a customer at Stripe is: for what was sold by phone, in Stripe's dashboard."""

from service.billing.customers import bind_customer
from service.billing.resync import resync_reader
from service.billing.unbound import forget_unbound
from service.db.context import Context
from service.identity.audit import change_by
from service.identity.readers import reader_named
from service.payments.asking import RETRY_AFTER_SECONDS
from service.payments.gateway import Gateway, GatewayRefused, GatewayUnavailable
from service.problems import Problem


async def bind_by_operator(
    context: Context, gateway: Gateway, *, customer_id: str, named: str, actor: str
) -> str:
    """Bind the customer to the reader, and fetch what the reader then has; the reader's id.

    `named` is the reader's id, or an address that they have confirmed: what was typed at Checkout
    proves nothing. Raises the problems `invalid-email`, `not-found`, `customer-bound` where the
    customer is another reader's, and `stripe-unavailable`. Safe to repeat.
    """
    await _refuse_unknown(gateway, customer_id)
    async with change_by(context, actor) as change:
        reader_id = (await reader_named(change.session, named)).id
        bound = await bind_customer(
            change.session, customer_id=customer_id, reader_id=reader_id,
            now=change.clocks.business(),
        )  # fmt: skip
        if bound != reader_id:
            detail = f"{customer_id} belongs to the reader {bound}. Nothing was changed."
            raise Problem("customer-bound", detail)
        await forget_unbound(change.session, customer_id)
        await change.record("reader.bind", reader_id, after={"customer": customer_id})
    await resync_reader(context, gateway, reader_id, actor=actor)
    return reader_id


async def _refuse_unknown(gateway: Gateway, customer_id: str) -> None:
    try:
        customer = await gateway.retrieve_customer(customer_id)
    except GatewayUnavailable as error:
        headers = {"Retry-After": RETRY_AFTER_SECONDS}
        raise Problem("stripe-unavailable", headers=headers) from error
    except GatewayRefused as error:
        if not error.is_missing:
            raise
        customer = None
    if customer is None or customer.deleted:
        raise Problem("not-found", f"Stripe has no customer {customer_id}. Look at its dashboard.")
