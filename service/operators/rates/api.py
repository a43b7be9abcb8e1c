"""Exchange rates over the API."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.db.context import AppContext
from service.db.session import ReportSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.meanwhile import IfMatch
from service.identity.permissions import Permission
from service.operators.rates.changes import Pair, delete_rate, enter_rate, list_rates
from service.operators.rates.schemas import RateIn, RateList, RateOut

router = APIRouter(prefix="/exchange-rates", tags=["operators"])

ReadsReports = Annotated[Actor, Depends(requires(Permission.REPORTS_READ))]
WritesReports = Annotated[Actor, Depends(requires(Permission.REPORTS_WRITE))]
Currency = Annotated[str, Path(pattern=r"^[A-Z]{3}$")]


@router.get("", summary="List exchange rates")
async def read_rates(_: ReadsReports, asked: AnyPage, session: ReportSession) -> RateList:
    """At which totals over currencies are converted, the latest day first.

    Needs the permission reports:read.
    """
    return RateList.of((await list_rates(session, asked)).map(RateOut.of))


@router.post("", status_code=201, summary="Enter an exchange rate")
async def send_rate(
    body: RateIn, actor: WritesReports, context: AppContext, if_match: IfMatch = None
) -> RateOut:
    """It applies from its day until the next one of the pair, and replaces that of the same day.

    Needs the permission reports:write.
    """
    return RateOut.of(
        await enter_rate(context, body.pair, body.rate, actor=actor.label, seen=if_match)
    )


@router.delete("/{currency}/{into}/{day}", status_code=204, summary="Delete an exchange rate")
async def remove_rate(
    currency: Currency,
    into: Currency,
    day: date,
    actor: WritesReports,
    context: AppContext,
    if_match: IfMatch = None,
) -> None:
    """The one before it applies again. Needs the permission reports:write."""
    await delete_rate(context, Pair(currency, into, day), actor=actor.label, seen=if_match)
