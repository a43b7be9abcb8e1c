"""The pages of outgoing webhooks: endpoints, their secrets, what became of each delivery."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import AppDatabase, ReportSession
from service.html.redirect import see_other
from service.identity.callers import Actor
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.operators.webhooks.endpoints import (
    LONGEST_DESCRIPTION,
    AppEndpoints,
    Endpoints,
    all_endpoints,
    facts_of,
    known_endpoint,
)
from service.operators.webhooks.lists import list_deliveries
from service.operators.webhooks.schemas import AnyDelivery, DeliveryQuery
from service.outbox.event_types import EVENT_TYPES
from service.outbox.webhook_targets import LONGEST_URL
from service.outbox.webhooks import ALL_TYPES
from service.problems import Problem
from service.reports.schemas import Storable

router = APIRouter(prefix="/webhooks", route_class=PageRoute, include_in_schema=False)
WEBHOOKS = "/admin/webhooks"
FROM_THE_START = DeliveryQuery()

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Visit, Depends(form_requires(Permission.SYSTEM_WRITE))]
Id = Annotated[str, Path(max_length=100), Storable]
Text = Annotated[str, Form(), Storable]


@router.get("")
async def show_webhooks(request: Request, _: SeesSystem, session: ReportSession) -> Response:
    """All endpoints, and the form for a new one."""
    return await _list_page(request, session)


@router.post("")
async def send_endpoint(
    request: Request,
    visit: ChangesSystem,
    endpoints: AppEndpoints,
    database: AppDatabase,
    url: Text = "",
    description: Text = "",
    types: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make an endpoint and show its secret, this once; so the answer is its page."""
    try:
        made, secret = await endpoints.create(
            visit.operator, url=url, types=types or [ALL_TYPES], description=description
        )
    except Problem as problem:
        async with database.reading() as session:
            return await _list_page(
                request, session, refusal=problem, url=url, description=description, chosen=types
            )
    async with database.reading() as session:
        return await _endpoint_page(request, session, made.id, secret=secret)


@router.get("/{endpoint_id}")
async def show_endpoint(
    request: Request,
    _: SeesSystem,
    endpoint_id: Id,
    asked: AnyDelivery,
    session: ReportSession,
) -> Response:
    """One endpoint with its deliveries, the newest first."""
    return await _endpoint_page(request, session, endpoint_id, asked)


@router.post("/{endpoint_id}")
async def send_change(
    request: Request,
    visit: ChangesSystem,
    endpoint_id: Id,
    endpoints: AppEndpoints,
    database: AppDatabase,
    seen: Seen,
    change: Annotated[str, Form()] = "",
    sure: Annotated[str, Form()] = "",
    types: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """`change` is `types`, `disable`, `enable`, `rotate`, `test`, or `delete` with `sure`."""
    asked = _AskedChange(change, types or [ALL_TYPES], is_sure=bool(sure), seen=seen)
    try:
        secret = await _change(endpoints, visit.operator, endpoint_id, asked)
    except Problem as problem:
        if problem.slug not in {"invalid-request", "changed-meanwhile"}:
            raise
        async with database.reading() as session:
            return await _endpoint_page(
                request, session, endpoint_id, refusal=problem,
                chosen=types if change == "types" else None,
            )  # fmt: skip
    if secret is not None:
        async with database.reading() as session:
            return await _endpoint_page(request, session, endpoint_id, secret=secret)
    return see_other(WEBHOOKS if change == "delete" else f"{WEBHOOKS}/{endpoint_id}")


@dataclass(frozen=True)
class _AskedChange:
    """The button, the types that are ticked, whether the form says that it is meant, and what was seen of it."""

    button: str
    types: list[str]
    is_sure: bool
    seen: str


async def _change(
    endpoints: Endpoints, operator: Actor, endpoint_id: str, asked: _AskedChange
) -> str | None:
    """Make the change; the new secret, where there is one."""
    if asked.button == "types":
        await endpoints.change(operator, endpoint_id, types=asked.types, seen=asked.seen)
    elif asked.button in {"disable", "enable"}:
        disabled = asked.button == "disable"
        await endpoints.change(operator, endpoint_id, disabled=disabled, seen=asked.seen)
    elif asked.button == "rotate":
        _, secret = await endpoints.rotate(operator, endpoint_id, seen=asked.seen)
        return secret
    elif asked.button == "test":
        await endpoints.test(operator, endpoint_id)
    elif asked.button == "delete" and asked.is_sure:
        await endpoints.delete(operator, endpoint_id, seen=asked.seen)
    else:
        raise Problem(
            "invalid-request",
            "Nothing was changed. To delete the endpoint, select “I am sure” first.",
        )
    return None


@router.post("/{endpoint_id}/deliveries/{delivery_id}/replay")
async def send_replay(
    visit: ChangesSystem, endpoint_id: Id, delivery_id: Id, endpoints: AppEndpoints
) -> Response:
    """Send it again, whatever became of it."""
    await endpoints.replay(visit.operator, endpoint_id, delivery_id)
    return see_other(f"{WEBHOOKS}/{endpoint_id}")


async def _list_page(
    request: Request,
    session: AsyncSession,
    *,
    refusal: Problem | None = None,
    url: str = "",
    description: str = "",
    chosen: list[str] | None = None,
) -> Response:
    return page(
        request,
        "webhooks.html",
        status_code=refusal.type.status if refusal else 200,
        endpoints=await all_endpoints(session),
        types=sorted(EVENT_TYPES),
        all_types=ALL_TYPES,
        refusal=refusal.detail if refusal else None,
        entries={"url": url, "description": description},
        chosen=chosen or [],
        longest={"url": LONGEST_URL, "description": LONGEST_DESCRIPTION},
    )


async def _endpoint_page(
    request: Request,
    session: AsyncSession,
    endpoint_id: str,
    asked: DeliveryQuery = FROM_THE_START,
    *,
    secret: str | None = None,
    refusal: Problem | None = None,
    chosen: list[str] | None = None,
) -> Response:
    endpoint = await known_endpoint(session, endpoint_id)
    return page(
        request,
        "webhook.html",
        status_code=refusal.type.status if refusal else 200,
        endpoint=endpoint,
        types=sorted(EVENT_TYPES),
        all_types=ALL_TYPES,
        deliveries=await list_deliveries(session, endpoint_id, asked),
        secret=secret,
        refusal=refusal,
        chosen=chosen or endpoint.types,
        was_typed=chosen is not None,
        seen=facts_of(endpoint),
        asked=asked,
    )
