"""Stripe's own figures over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.db.context import AppContext
from service.db.session import ReportSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.stripe_figures.entries import (
    Asked,
    delete_entry,
    enter,
    find_entry,
    list_entries,
)
from service.operators.stripe_figures.schemas import (
    StripeFigureIn,
    StripeFigureList,
    StripeFigureOut,
)
from service.reports.agreement import StripeSettings

router = APIRouter(prefix="/stripe-figures", tags=["operators"])

ReadsReports = Annotated[Actor, Depends(requires(Permission.REPORTS_READ))]
WritesReports = Annotated[Actor, Depends(requires(Permission.REPORTS_WRITE))]
Id = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]


@router.get("", summary="List what Stripe's dashboard said")
async def read_entries(
    _: ReadsReports, asked: AnyPage, session: ReportSession
) -> StripeFigureList:  # fmt: skip
    """Stripe's figures as they were entered, beside ours, the latest first.

    Needs the permission reports:read.
    """
    return StripeFigureList.of((await list_entries(session, asked)).map(StripeFigureOut.of))


@router.post("", status_code=201, summary="Enter a figure of Stripe's dashboard")
async def send_entry(
    body: StripeFigureIn, actor: WritesReports, context: AppContext
) -> StripeFigureOut:
    """It is compared with ours at that instant, and kept with what explains the difference.

    Needs the permission reports:write.
    """
    asked = Asked(
        body.figure, body.currency, body.at, body.value,
        StripeSettings(**body.settings.model_dump()),
    )  # fmt: skip
    return StripeFigureOut.of(await enter(context, asked, actor=actor.label))


@router.get("/{entry_id}", summary="Show a figure of Stripe's dashboard")
async def read_entry(entry_id: Id, _: ReadsReports, session: ReportSession) -> StripeFigureOut:
    """One entry with what explains its difference. Needs the permission reports:read."""
    return StripeFigureOut.of(await find_entry(session, entry_id))


@router.delete("/{entry_id}", status_code=204, summary="Delete a figure of Stripe's dashboard")
async def remove_entry(entry_id: Id, actor: WritesReports, context: AppContext) -> None:
    """Forget an entry, such as a mistyped one. Needs the permission reports:write."""
    await delete_entry(context, entry_id, actor=actor.label)
