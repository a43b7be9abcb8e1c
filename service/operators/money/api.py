"""The money list over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from service.db.context import AppContext
from service.db.session import ReportSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.frame.files import CSV
from service.operators.money import lists
from service.operators.money.export import Exported, export
from service.operators.money.schemas import (
    AnyDisputes,
    DisputeList,
    DisputeOut,
    OwedOut,
    OwingList,
    PayoutDetail,
    PayoutList,
    PayoutOut,
    RefundItem,
    RefundList,
)
from service.reports.schemas import Storable

router = APIRouter(prefix="/money", tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ReadsReports = Annotated[Actor, Depends(requires(Permission.REPORTS_READ))]


@router.get("/owing", summary="List who owes")
async def read_owing(_: ReadsSubscribers, asked: AnyPage, session: ReportSession) -> OwingList:
    """Open invoices whose charge failed, by currency, in each the largest amount first.

    Needs the permission subscribers:read.
    """
    return OwingList.of((await lists.list_owing(session, asked)).map(OwedOut.of))


@router.get("/refunds", summary="List refunds")
async def read_refunds(_: ReadsSubscribers, asked: AnyPage, session: ReportSession) -> RefundList:
    """Refunds of what you sell, the newest first. Needs the permission subscribers:read."""
    return RefundList.of((await lists.list_refunds(session, asked)).map(RefundItem.of))


@router.get("/disputes", summary="List disputes")
async def read_disputes(
    _: ReadsSubscribers, asked: AnyDisputes, session: ReportSession
) -> DisputeList:
    """Chargebacks and inquiries: those that need an answer, those that the bank looks at, the decided.

    Of each the next deadline comes first. Needs the permission subscribers:read.
    """
    found = await lists.list_disputes(session, asked, only_open=asked.open)
    return DisputeList.of(found.map(DisputeOut.of))


@router.get("/payouts", summary="List payouts")
async def read_payouts(_: ReadsReports, asked: AnyPage, session: ReportSession) -> PayoutList:
    """What Stripe pays to your bank, the latest to arrive first. Needs the permission reports:read."""
    return PayoutList.of((await lists.list_payouts(session, asked)).map(PayoutOut.of))


@router.get("/payouts/{payout_id}", summary="Show a payout")
async def read_payout(
    _: ReadsReports,
    payout_id: Annotated[str, Path(max_length=255), Storable],
    session: ReportSession,
) -> PayoutDetail:
    """One payout with the charges, refunds, disputes and fees that it is made of, by kind.

    Needs the permission reports:read.
    """
    return PayoutDetail.of_parts(await lists.read_payout(session, payout_id))


@router.get("/export/payouts", summary="Export payouts", response_class=Response, responses=CSV)
async def export_payouts(_: ReadsReports, context: AppContext) -> Response:
    """All payouts as CSV. Needs the permission reports:read."""
    return export(context, "payouts")


@router.get("/export/{name}", summary="Export money", response_class=Response, responses=CSV)
async def export_list(_: ReadsSubscribers, name: Exported, context: AppContext) -> Response:
    """Who owes, refunds or disputes, whole, as CSV. Needs the permission subscribers:read."""
    return export(context, name)
