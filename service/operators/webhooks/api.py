"""Outgoing webhooks over the API: endpoints, and what became of each delivery."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.db.session import ReportSession
from service.identity.callers import Actor, requires
from service.identity.meanwhile import IfMatch
from service.identity.permissions import Permission
from service.operators.webhooks.endpoints import AppEndpoints, all_endpoints, known_endpoint
from service.operators.webhooks.lists import list_deliveries
from service.operators.webhooks.schemas import (
    AnyDelivery,
    DeliveryId,
    DeliveryList,
    DeliveryOut,
    EndpointChange,
    EndpointId,
    EndpointIn,
    EndpointList,
    EndpointMade,
    EndpointOut,
)

router = APIRouter(prefix="/webhook-endpoints", tags=["webhooks"])

ReadsSystem = Annotated[Actor, Depends(requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Actor, Depends(requires(Permission.SYSTEM_WRITE))]


@router.get("", summary="List webhook endpoints")
async def read_endpoints(_: ReadsSystem, session: ReportSession) -> EndpointList:
    """The newsroom's systems that receive events, the oldest first. Needs system:read."""
    return EndpointList.of(await all_endpoints(session))


@router.post("", status_code=201, summary="Make a webhook endpoint")
async def make_endpoint(
    body: EndpointIn, actor: ChangesSystem, endpoints: AppEndpoints
) -> EndpointMade:
    """Make an endpoint; `secret` is shown this once. Needs the permission system:write.

    Addresses of this machine, of private networks and reserved ones are refused.
    """
    made, secret = await endpoints.create(
        actor, url=body.url, types=body.types, description=body.description
    )
    return EndpointMade.of_new(made, secret)


@router.patch("/{endpoint_id}", summary="Change a webhook endpoint")
async def change_endpoint(
    endpoint_id: EndpointId,
    body: EndpointChange,
    actor: ChangesSystem,
    endpoints: AppEndpoints,
    if_match: IfMatch = None,
) -> EndpointOut:
    """Choose other types, disable or enable it. Needs the permission system:write.

    For a disabled endpoint nothing is stored, and what waits fails.
    """
    return EndpointOut.of(
        await endpoints.change(
            actor, endpoint_id, types=body.types, disabled=body.disabled, seen=if_match
        )
    )


@router.delete("/{endpoint_id}", status_code=204, summary="Delete a webhook endpoint")
async def delete_endpoint(
    endpoint_id: EndpointId, actor: ChangesSystem, endpoints: AppEndpoints, if_match: IfMatch = None
) -> None:
    """Delete it with its deliveries. Needs the permission system:write."""
    await endpoints.delete(actor, endpoint_id, seen=if_match)


@router.post("/{endpoint_id}/secret", summary="Rotate a webhook endpoint's secret")
async def rotate_secret(
    endpoint_id: EndpointId, actor: ChangesSystem, endpoints: AppEndpoints, if_match: IfMatch = None
) -> EndpointMade:
    """A new `secret`, shown this once; the former one signs too for 24 hours. Needs system:write."""
    endpoint, secret = await endpoints.rotate(actor, endpoint_id, seen=if_match)
    return EndpointMade.of_new(endpoint, secret)


@router.post("/{endpoint_id}/test", status_code=202, summary="Send a test event")
async def send_test(
    endpoint_id: EndpointId, actor: ChangesSystem, endpoints: AppEndpoints
) -> DeliveryOut:
    """Let a `webhook.test` be sent to the endpoint. Needs the permission system:write."""
    return DeliveryOut.of(await endpoints.test(actor, endpoint_id))


@router.get("/{endpoint_id}/deliveries", summary="List an endpoint's deliveries")
async def read_deliveries(
    endpoint_id: EndpointId, _: ReadsSystem, asked: AnyDelivery, session: ReportSession
) -> DeliveryList:
    """What was or is to be sent to it, the newest first, by status. Needs system:read."""
    await known_endpoint(session, endpoint_id)
    return DeliveryList.of((await list_deliveries(session, endpoint_id, asked)).map(DeliveryOut.of))


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/replay", status_code=202, summary="Retry a delivery"
)
async def replay(
    endpoint_id: EndpointId, delivery_id: DeliveryId, actor: ChangesSystem, endpoints: AppEndpoints
) -> DeliveryOut:
    """Send it again with new attempts, whatever became of it. Needs the permission system:write."""
    return DeliveryOut.of(await endpoints.replay(actor, endpoint_id, delivery_id))
