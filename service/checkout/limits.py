"""How often a caller may have Stripe asked: nobody drains its rate limit, or guesses promotion codes."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from service.db.context import AppContext
from service.identity.callers import CurrentReader
from service.identity.secrets import hash_secret
from service.limits.addresses import client_network
from service.limits.rate import Limit, take_each, too_many
from service.payments.asking import gateway_of
from service.payments.gateway import Gateway

_DEVICES = 10
"""How many devices of a network may use the limit up before the others are refused."""


async def limited_gateway(
    connection: HTTPConnection, caller: CurrentReader, context: AppContext
) -> Gateway:
    """The gateway, for one call. Problems `selling-is-off`, `too-many-requests`.

    A signed-in reader is counted apart from everybody else, so that no stranger's calls stop them;
    others are counted by device and by network, since a device costs nothing.
    """
    gateway = await gateway_of(connection)
    most, now = context.settings.checkouts_per_hour, context.clocks.wall()
    told = "Too many checkouts from this network. Sign in, or try again later."
    each = Limit("stripe", most, timedelta(hours=1), told)
    of_network = Limit("stripe-network", most * _DEVICES, timedelta(hours=1), told)
    if caller.reader_id is not None:
        counted = [(each, caller.reader_id)]
    else:
        counted = [(of_network, client_network(connection, context.settings, context.clocks))]
        if caller.device_id is not None:
            counted.append((each, hash_secret(caller.device_id)))
    async with context.database.transaction() as session:
        refused = await take_each(session, counted, now)
    if refused is not None:
        raise too_many(*refused)
    return gateway


LimitedGateway = Annotated[Gateway, Depends(limited_gateway)]
