"""The page of the import from Stripe: what it would do, how far it is, and what it did."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.import_job import import_jobs
from service.db.session import AppDatabase, ReportSession
from service.db.tables import Job
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.offers.pricing import price_text
from service.offers.store import live_offers, price_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.system.system import AppSystem
from service.payments.asking import AppPayments
from service.reports.schemas import Storable

router = APIRouter(prefix="/stripe-import", route_class=PageRoute, include_in_schema=False)
HOME = "/admin/stripe-import"
_MOST_SHOWN = 10

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Visit, Depends(form_requires(Permission.SYSTEM_WRITE))]
Id = Annotated[str, Form(max_length=255), Storable]
Ids = Annotated[list[Annotated[str, Storable]], Form(default_factory=list, max_length=60)]


@router.get("")
async def show_imports(
    request: Request, _: SeesSystem, session: ReportSession, payments: AppPayments
) -> Response:
    """The last runs, the newest first."""
    return await _page(request, session, sells=payments.gateway is not None)


@router.post("/try")
async def send_trial(
    request: Request,
    visit: ChangesSystem,
    payments: AppPayments,
    database: AppDatabase,
    system: AppSystem,
    price: Ids,
    offer: Ids,
) -> Response:
    """Find out what an import would do, with these prices as those of these offers."""
    prices = dict(each for each in zip(price, offer, strict=False) if all(each))
    if payments.gateway is not None:
        await system.import_subscribers(visit.operator, dry_run=True, prices=prices)
        return see_other(HOME)
    async with database.reading() as session:
        return await _page(request, session, sells=False)


@router.post("")
async def send_import(
    request: Request, visit: ChangesSystem, database: AppDatabase, system: AppSystem, run: Id = ""
) -> Response:
    """Import what a finished trial has shown, with its prices. It must be the last run."""
    async with database.reading() as session:
        last = await import_jobs(session, most=1)
        if not last or last[0].key != run or not _is_tried(last[0]):
            return await _page(request, session, sells=True, refusal=_LOOK_AGAIN)
        prices = last[0].payload["prices"]
    await system.import_subscribers(visit.operator, dry_run=False, prices=prices)
    return see_other(HOME)


_LOOK_AGAIN = "Nothing was begun: another run came meanwhile. Look at what it found first."


def _is_tried(job: Job) -> bool:
    return job.status == "done" and job.payload["dry_run"]


async def _page(
    request: Request, session: AsyncSession, *, sells: bool, refusal: str = ""
) -> Response:
    jobs: Sequence[Job] = await import_jobs(session, most=_MOST_SHOWN)
    offers = [
        each for each in await live_offers(session) if each.kind == "subscription" and each.plan
    ]
    return page(
        request, "stripe_import.html", status_code=422 if refusal else 200, jobs=jobs,
        sells=sells, refusal=refusal, runs=bool(jobs) and jobs[0].status == "waiting",
        tried=jobs[0].key if jobs and _is_tried(jobs[0]) else "",
        offers={each.id: f"{each.name}: {price_text(price_of(each))}" for each in offers},
    )  # fmt: skip
