"""Webhook endpoints and deliveries as JSON."""

from typing import Annotated, Literal, Self

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from service.bodies import Body, ListOut
from service.db.tables import WebhookEndpoint
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.identity.meanwhile import stamp_of
from service.operators.webhooks.deliveries import Sending
from service.operators.webhooks.endpoints import LONGEST_DESCRIPTION, facts_of
from service.outbox.webhook_targets import LONGEST_URL
from service.reports.schemas import Storable

EndpointId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
DeliveryId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
DeliveryStatus = Literal["waiting", "delivered", "failed"]
EventTypes = Annotated[
    list[Annotated[str, Storable, Field(max_length=100)]], Field(min_length=1, max_length=100)
]


class EndpointIn(Body):
    """A new endpoint. `types` are types of events, or `["*"]` for all."""

    url: Annotated[str, Storable, Field(max_length=LONGEST_URL)]
    types: EventTypes
    description: Annotated[str, Storable, Field(max_length=LONGEST_DESCRIPTION)] = ""


class EndpointChange(Body):
    """What shall be different; what is absent stays."""

    types: EventTypes | None = None
    disabled: bool | None = None


class EndpointOut(BaseModel):
    """An endpoint without its secret. `old_secret_until`: so long the former secret signs too."""

    id: str
    url: str
    types: list[str]
    description: str
    disabled: bool
    created_at: AwareDatetime
    old_secret_until: AwareDatetime | None
    etag: str
    """What goes into `If-Match`."""

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            types=endpoint.types,
            description=endpoint.description,
            disabled=endpoint.disabled_at is not None,
            created_at=endpoint.created_at,
            old_secret_until=endpoint.old_secret_until,
            etag=stamp_of(facts_of(endpoint)),
        )


class EndpointMade(EndpointOut):
    """An endpoint with a new secret; `secret` is shown this once."""

    secret: str

    @classmethod
    def of_new(cls, endpoint: WebhookEndpoint, secret: str) -> Self:
        return cls(**EndpointOut.of(endpoint).model_dump(), secret=secret)


class EndpointList(BaseModel):
    items: list[EndpointOut]

    @classmethod
    def of(cls, endpoints: list[WebhookEndpoint]) -> Self:
        return cls(items=[EndpointOut.of(each) for each in endpoints])


class DeliveryOut(BaseModel):
    """One event on its way to the endpoint, with what the endpoint answered last."""

    id: str
    event_id: str
    type: str
    status: str
    attempts: int
    last_status: int | None
    last_result: str
    created_at: AwareDatetime
    delivered_at: AwareDatetime | None
    next_try_at: AwareDatetime | None

    @classmethod
    def of(cls, sending: Sending) -> Self:
        delivery = sending.delivery
        return cls(
            id=delivery.id,
            event_id=delivery.event_id,
            type=sending.type,
            status=delivery.status,
            attempts=delivery.attempts,
            last_status=delivery.last_status,
            last_result=delivery.last_result,
            created_at=delivery.created_at,
            delivered_at=delivery.delivered_at,
            next_try_at=sending.next_try,
        )


class DeliveryList(ListOut[DeliveryOut]):
    pass


class DeliveryQuery(ListQuery):
    """Filter and paging."""

    status: Annotated[DeliveryStatus | None, EMPTY_IS_NONE] = None


AnyDelivery = Annotated[DeliveryQuery, Query()]
