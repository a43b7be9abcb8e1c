"""Everything of one reader's compared with Stripe at once, because somebody asks for it.

It also finds what Stripe sent no webhook for: subscriptions of the reader's customers, and checkouts that
were paid. What we don't know the customer of is found by reconciling (reconcile.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.fulfil import fulfil
from service.billing.passes import sync_pass
from service.billing.sync import sync_subscription
from service.db.context import Context
from service.db.tables import Checkout, Customer, Pass, Subscription
from service.identity.audit import record
from service.identity.readers import find_reader
from service.payments.asking import RETRY_AFTER_SECONDS
from service.payments.gateway import Gateway, GatewayRefused, GatewayUnavailable
from service.problems import Problem


@dataclass(frozen=True)
class Looked:
    """What Stripe said of one object. `result` in words, such as synced or foreign price."""

    id: str
    result: str


@dataclass(frozen=True)
class _Theirs:
    customers: Sequence[str]
    subscriptions: Sequence[str]
    passes: Sequence[str]
    sessions: Sequence[str]


async def resync_reader(
    context: Context,
    gateway: Gateway,
    reader_id: str,
    *,
    actor: str,
) -> list[Looked]:
    """Fetch and store all that the reader has at Stripe; safe to repeat.

    Raises the problems `not-found` and `stripe-unavailable`; what was stored by then stays.
    """
    async with context.database.transaction() as session:
        theirs = await _theirs(session, reader_id)
        await record(
            session, actor=actor, action="reader.resync", target=reader_id,
            after=None, now=context.clocks.business(),
        )  # fmt: skip
    looked = []
    try:
        for session_id in theirs.sessions:
            with_id = await _fulfilled(context, gateway, session_id)
            looked.append(Looked(session_id, with_id))
        for subscription_id in await _subscriptions(gateway, theirs):
            try:
                synced = await sync_subscription(context, gateway, subscription_id)
                looked.append(Looked(subscription_id, synced.outcome))
            except GatewayRefused as error:
                looked.append(Looked(subscription_id, _refusal(error)))
        for pass_id in theirs.passes:
            try:
                result = await sync_pass(context, gateway, pass_id)
            except GatewayRefused as error:
                result = _refusal(error)
            looked.append(Looked(pass_id, result))
    except GatewayUnavailable as error:
        headers = {"Retry-After": RETRY_AFTER_SECONDS}
        raise Problem("stripe-unavailable", headers=headers) from error
    return looked


async def _theirs(session: AsyncSession, reader_id: str) -> _Theirs:
    reader = await find_reader(session, reader_id)
    if reader is None or reader.merged_into is not None or reader.erased_at is not None:
        raise Problem("not-found", "Reader not found. Check the id in the list.")
    customers = await session.scalars(select(Customer.id).where(Customer.reader_id == reader_id))
    subscriptions = await session.scalars(
        select(Subscription.id).where(Subscription.reader_id == reader_id)
    )
    passes = await session.scalars(select(Pass.id).where(Pass.reader_id == reader_id))
    sessions = await session.scalars(
        select(Checkout.stripe_session_id).where(
            Checkout.reader_id == reader_id,
            Checkout.status != "completed",
            Checkout.stripe_session_id.is_not(None),
        )
    )
    return _Theirs(
        sorted(customers), sorted(subscriptions), sorted(passes), sorted(filter(None, sessions))
    )


async def _subscriptions(gateway: Gateway, theirs: _Theirs) -> list[str]:
    """Those that we know, then what else the customers have."""
    found: set[str] = set()
    for customer_id in theirs.customers:
        try:
            found |= {each.id for each in await gateway.subscriptions_of(customer_id)}
        except GatewayRefused as error:
            if not error.is_missing:
                raise
    return [*theirs.subscriptions, *sorted(found.difference(theirs.subscriptions))]


async def _fulfilled(context: Context, gateway: Gateway, session_id: str) -> str:
    try:
        done = await fulfil(context, gateway, session_id, refresh=True)
    except GatewayRefused as error:
        return _refusal(error)
    return "not a checkout of ours" if done is None else f"checkout {done.state}"


def _refusal(error: GatewayRefused) -> str:
    return "not at Stripe" if error.is_missing else str(error)
