"""Subscriptions at Stripe that are no reader's, with what Stripe knows of who pays them."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import select

from service.billing.unbound import UNBOUND
from service.db.context import Context
from service.db.keyset import Page
from service.db.tables import Offer, UnboundSubscription
from service.html.list_query import ListQuery
from service.payments.gateway import Gateway, GatewayRefused, GatewayUnavailable


@dataclass(frozen=True)
class Unbound:
    """`email` is what Stripe has for the customer, which proves nothing; None: nothing, or Stripe is away."""

    row: UnboundSubscription
    offer_name: str
    email: str | None


async def list_unbound(context: Context, gateway: Gateway, asked: ListQuery) -> Page[Unbound]:
    """The newest first. Problem `invalid-request` for a cursor that isn't ours."""
    statement = select(UnboundSubscription, Offer.name).join(
        Offer, Offer.id == UnboundSubscription.offer_id
    )
    async with context.database.slow_reading("reports") as session:
        found = await UNBOUND.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    emails = await asyncio.gather(*(_email(gateway, each[0].customer_id) for each in found.items))
    items = [Unbound(row[0], row[1], email) for row, email in zip(found.items, emails, strict=True)]
    return Page(items, found.next_cursor)


async def _email(gateway: Gateway, customer_id: str) -> str | None:
    try:
        return (await gateway.retrieve_customer(customer_id)).email
    except (GatewayUnavailable, GatewayRefused):
        return None
