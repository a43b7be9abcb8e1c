"""The pages of outgoing webhooks: endpoints, their secrets, what became of each delivery."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks
from service.db.context import AppContext
from service.db.session import ReadSession, WriteSession
from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.webhooks.deliveries import details_of
from service.operators.webhooks.endpoints import (
    LONGEST_DESCRIPTION,
    Endpoints,
    all_endpoints,
    known_endpoint,
    make_endpoint,
)
from service.operators.webhooks.lists import list_deliveries
from service.operators.webhooks.schemas import AnyDelivery, DeliveryQuery
from service.outbox.event_types import EVENT_TYPES
from service.outbox.webhook_targets import LONGEST_URL, AppTargets
from service.outbox.webhooks import ALL_TYPES
from service.problems import Problem
from service.reports.schemas import Storable
from service.settings import AppSettings

router = APIRouter(prefix="/webhooks", route_class=PageRoute, include_in_schema=False)
SEE_OTHER = 303
WEBHOOKS = "/admin/webhooks"
FROM_THE_START = DeliveryQuery()

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Visit, Depends(form_requires(Permission.SYSTEM_WRITE))]
Id = Annotated[str, Path(max_length=100), Storable]
Text = Annotated[str, Form(), Storable]


@router.get("")
async def show_webhooks(request: Request, _: SeesSystem, session: ReadSession) -> Response:
    """All endpoints, and the form for a new one."""
    return await _list_page(request, session)


@router.post("")
async def send_endpoint(
    request: Request,
    visit: ChangesSystem,
    targets: AppTargets,
    context: AppContext,
    url: Text = "",
    description: Text = "",
    types: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make an endpoint and show its secret, this once; so the answer is its page."""
    try:
        made, secret = await make_endpoint(
            context,
            targets,
            visit.operator,
            url=url,
            types=types or [ALL_TYPES],
            description=description,
        )
    except Problem as problem:
        async with context.database.reading() as session:
            return await _list_page(
                request, session, refusal=problem, url=url, description=description, chosen=types
            )
    async with context.database.reading() as session:
        return await _endpoint_page(request, session, made.id, secret=secret)


@router.get("/{endpoint_id}")
async def show_endpoint(
    request: Request,
    _: SeesSystem,
    endpoint_id: Id,
    asked: AnyDelivery,
    session: ReadSession,
) -> Response:
    """One endpoint with its deliveries, the newest first."""
    return await _endpoint_page(request, session, endpoint_id, asked)


@router.post("/{endpoint_id}")
async def send_change(
    request: Request,
    visit: ChangesSystem,
    endpoint_id: Id,
    context: AppContext,
    change: Annotated[str, Form()] = "",
    sure: Annotated[str, Form()] = "",
    types: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """`change` is `types`, `disable`, `enable`, `rotate`, `test`, or `delete` with `sure`."""
    try:
        async with context.database.transaction() as session:
            changes = Endpoints(session, visit.operator, context.clocks, context.settings)
            if change == "types":
                await changes.change(endpoint_id, types=types or [ALL_TYPES])
                secret = None
            else:
                secret = await _change(changes, endpoint_id, change, sure=bool(sure))
    except Problem as problem:
        if problem.slug != "invalid-request":
            raise
        async with context.database.reading() as session:
            return await _endpoint_page(request, session, endpoint_id, refusal=problem)
    if secret is not None:
        async with context.database.reading() as session:
            return await _endpoint_page(request, session, endpoint_id, secret=secret)
    return RedirectResponse(
        WEBHOOKS if change == "delete" else f"{WEBHOOKS}/{endpoint_id}", SEE_OTHER
    )


async def _change(changes: Endpoints, endpoint_id: str, change: str, *, sure: bool) -> str | None:
    """Make the change; the new secret, where there is one."""
    if change in {"disable", "enable"}:
        await changes.change(endpoint_id, disabled=change == "disable")
    elif change == "rotate":
        _, secret = await changes.rotate(endpoint_id)
        return secret
    elif change == "test":
        await changes.test(endpoint_id)
    elif change == "delete" and sure:
        await changes.delete(endpoint_id)
    else:
        raise Problem(
            "invalid-request",
            "Nothing was changed. To delete the endpoint, tick that you are sure.",
        )
    return None


@router.post("/{endpoint_id}/deliveries/{delivery_id}/replay")
async def send_replay(
    visit: ChangesSystem,
    endpoint_id: Id,
    delivery_id: Id,
    session: WriteSession,
    clocks: AppClocks,
    settings: AppSettings,
) -> Response:
    """Send it again, whatever became of it."""
    changes = Endpoints(session, visit.operator, clocks, settings)
    await changes.replay(endpoint_id, delivery_id)
    return RedirectResponse(f"{WEBHOOKS}/{endpoint_id}", SEE_OTHER)


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
        status_code=refusal.definition.status if refusal else 200,
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
) -> Response:
    endpoint = await known_endpoint(session, endpoint_id)
    found = await list_deliveries(session, endpoint_id, asked)
    return page(
        request,
        "webhook.html",
        status_code=refusal.definition.status if refusal else 200,
        endpoint=endpoint,
        types=sorted(EVENT_TYPES),
        all_types=ALL_TYPES,
        deliveries=found,
        details=await details_of(session, found.items),
        secret=secret,
        refusal=refusal.detail if refusal else None,
        asked=asked,
    )
