"""What only the demo has: the jump in time, the bar that offers it, a mailbox, and pictures."""

import re
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from markupsafe import Markup

from service.billing.apply_event import apply_due_events
from service.billing.reconcile_job import NIGHTLY, plan_comparison
from service.clock import Clocks
from service.db.business_clock import move_forward
from service.db.context import AppContext
from service.demo import mailbox
from service.demo.history.systems import RECEIVER
from service.demo.history.write import go_on
from service.demo.newspaper import PICTURES
from service.html.pages import render_part
from service.html.redirect import see_other
from service.identity.declarations import PUBLIC
from service.identity.return_to import checked_return_to
from service.jobs.queue import bring_forward
from service.operators.weekly_mail import WEEKLY, plan_week
from service.payments.asking import AppGateway
from service.problems import Problem
from service.running import part, running_of
from service.settings import Settings
from service.simulator.app import Simulator

router = APIRouter(include_in_schema=False)
router.include_router(mailbox.router)
_STYLES = Path(__file__).parent / "templates"
_PICTURE = re.compile(r"[a-z0-9-]+\.svg")
_PUBLIC = {"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"}
_LONGEST_JUMP = 366
LocalStripe = Annotated[Simulator, Depends(part(Simulator))]


def page_bar(request: Request) -> Markup:
    """The bar on top of each newspaper page."""
    running = running_of(request)
    now = running.get(Clocks).business()
    local = now.astimezone(running.get(Settings).zone)
    back = _address_of(request) if request.method == "GET" else "/"
    today = f"{local.day} {local:%B %Y}"
    return render_part("demo/templates/bar.html", now=now, today=today, back=back)


def _address_of(request: Request) -> str:
    """Path and query of this page; of one that the jump couldn't lead back to, the front page."""
    path, query = quote(request.url.path), request.url.query
    try:
        return checked_return_to(
            f"{path}?{query}" if query else path, running_of(request).get(Settings)
        )
    except Problem:
        return "/"


@router.post("/demo/jump", dependencies=[PUBLIC])
async def jump(
    simulator: LocalStripe,
    context: AppContext,
    gateway: AppGateway,
    days: Annotated[int, Form(ge=1, le=_LONGEST_JUMP)],
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Let business time and the local Stripe's pass, with all that follows, and go on reading."""
    back, by = checked_return_to(back, context.settings), timedelta(days=days)
    async with context.database.transaction() as session:
        await plan_comparison(session, context)
        await plan_week(session, context)
        context.clocks.offset = await move_forward(session, by)
    # What the history goes on with itself isn't played by the local Stripe: that would take minutes.
    await go_on(context, simulator)
    simulator.follow(context.clocks.business())
    await simulator.deliver_pending()
    await apply_due_events(context, gateway)
    # Not before: the comparison would find what is written meanwhile.
    async with context.database.transaction() as session:
        await bring_forward(session, (NIGHTLY, WEEKLY), by)
    return see_other(back)


@router.post(RECEIVER, dependencies=[PUBLIC], status_code=HTTPStatus.NO_CONTENT)
async def take_webhook() -> None:
    """What the demo's newsletter is sent: taken, and forgotten."""


@router.get("/demo/{name}.css", dependencies=[PUBLIC])
async def read_style(name: Literal["bar", "mailbox"]) -> Response:
    style = (_STYLES / f"{name}.css").read_bytes()
    return Response(style, media_type="text/css", headers=_PUBLIC)


@router.get("/pictures/{name}", dependencies=[PUBLIC])
async def read_picture(name: str) -> Response:
    """A drawing of the newspaper's. Public; opened by itself it may run nothing."""
    path = PICTURES / name
    if not _PICTURE.fullmatch(name) or not path.is_file():
        raise Problem("not-found")
    headers = {
        **_PUBLIC,
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(path.read_bytes(), media_type="image/svg+xml", headers=headers)


@router.get("/favicon.ico", dependencies=[PUBLIC])
async def read_icon() -> Response:
    return await read_picture("favicon.svg")
