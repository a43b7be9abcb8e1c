"""The pages of the money list."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from service.db.context import AppContext
from service.db.session import ReportSession
from service.finance.declines import decline_words, declined
from service.finance.owing import owed
from service.html.list_query import AnyPage, ListQuery
from service.identity.permissions import Permission
from service.operators.frame.pages import FileRoute, PageRoute, page
from service.operators.frame.visits import Visit, page_requires
from service.operators.money import lists
from service.operators.money.export import Exported, export
from service.operators.money.words import CATEGORIES, dispute_words
from service.reports.schemas import Storable

router = APIRouter(prefix="/money", route_class=PageRoute, include_in_schema=False)
files = APIRouter(route_class=FileRoute, include_in_schema=False)

SeesReaders = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
SeesReports = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]
"""Payouts name no reader."""
_FIRST = ListQuery(limit=20)


@router.get("")
async def show_money(
    request: Request, visit: SeesReaders, asked: AnyPage, session: ReportSession
) -> Response:
    """Who owes, open disputes, refunds and, for who sees them, payouts: the first of each."""
    sees_payouts = Permission.REPORTS_READ in visit.operator.permissions
    return page(
        request,
        "money.html",
        owing=await lists.list_owing(session, asked),
        owed=await owed(session),
        disputes=await lists.list_disputes(session, _FIRST, only_open=True),
        refunds=await lists.list_refunds(session, _FIRST),
        payouts=await lists.list_payouts(session, _FIRST) if sees_payouts else None,
        asked=asked,
        declined=declined,
        decline_words=decline_words,
        dispute_words=dispute_words,
    )


@router.get("/disputes")
async def show_disputes(
    request: Request, _: SeesReaders, asked: AnyPage, session: ReportSession
) -> Response:
    """All disputes: those that need an answer, those that the bank looks at, the decided."""
    found = await lists.list_disputes(session, asked)
    return page(
        request, "money_disputes.html", disputes=found, asked=asked, declined=declined,
        dispute_words=dispute_words,
    )  # fmt: skip


@router.get("/refunds")
async def show_refunds(
    request: Request, _: SeesReaders, asked: AnyPage, session: ReportSession
) -> Response:
    """All refunds, the newest first."""
    found = await lists.list_refunds(session, asked)
    return page(request, "money_refunds.html", refunds=found, asked=asked, declined=declined)


@router.get("/payouts")
async def show_payouts(
    request: Request, _: SeesReports, asked: AnyPage, session: ReportSession
) -> Response:
    """All payouts, the latest to arrive first."""
    found = await lists.list_payouts(session, asked)
    return page(request, "money_payouts.html", payouts=found, asked=asked, declined=declined)


@router.get("/payouts/{payout_id}")
async def show_payout(
    request: Request,
    _: SeesReports,
    payout_id: Annotated[str, Path(max_length=255), Storable],
    session: ReportSession,
) -> Response:
    """What one payout is made of."""
    found = await lists.read_payout(session, payout_id)
    return page(request, "payout.html", found=found, categories=CATEGORIES)


@files.get("/export/payouts")
async def export_payouts(_: SeesReports, context: AppContext) -> Response:
    """All payouts as a file."""
    return export(context, "payouts")


@files.get("/export/{name}")
async def export_list(_: SeesReaders, name: Exported, context: AppContext) -> Response:
    """A list that names readers as a file."""
    return export(context, name)


router.include_router(files)
