"""The page of the import from Stripe: what it would do, how far it is, and what it did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.brought_in import MOST_PRICES
from service.billing.import_job import import_jobs
from service.db.session import AppDatabase, ReportSession
from service.db.tables import Job, Offer
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.offers.store import all_offers, name_and_price
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.system.system import AppSystem
from service.payments.reach import AppPayments
from service.reports.schemas import Storable
from service.texts import number_of

router = APIRouter(prefix="/stripe-import", route_class=PageRoute, include_in_schema=False)
HOME = "/admin/stripe-import"
_MOST_SHOWN = 10

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]
ChangesSystem = Annotated[Visit, Depends(form_requires(Permission.SYSTEM_WRITE))]
_STATUSES = {
    "active": "Active", "trialing": "In trial", "past_due": "Payment overdue", "unpaid": "Unpaid",
    "paused": "Paused", "incomplete": "Payment not completed", "incomplete_expired": "Payment not completed, expired",
    "canceled": "Ended",
}  # fmt: skip
"""What the page calls Stripe's statuses."""
Id = Annotated[str, Form(max_length=255), Storable]
Ids = Annotated[list[Annotated[str, Storable]], Form(default_factory=list, max_length=MOST_PRICES)]


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
        return await _begun(request, visit, database, system, dry_run=True, prices=prices)
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
    return await _begun(request, visit, database, system, dry_run=False, prices=prices)


_LOOK_AGAIN = "Nothing was started: there has been another run. Check its result first."
_RUNS = "Nothing was started: another run is in progress. Wait until it ends, check its result, and choose again."


async def _begun(
    request: Request, visit: Visit, database: AppDatabase, system: AppSystem, *, dry_run: bool,
    prices: Mapping[str, str],
) -> Response:  # fmt: skip
    """Begin a run, or say that none can begin now."""
    run_id = await system.import_subscribers(visit.operator, dry_run=dry_run, prices=prices)
    if run_id is not None:
        return see_other(HOME)
    async with database.reading() as session:
        return await _page(request, session, sells=True, refusal=_RUNS)


def _is_tried(job: Job) -> bool:
    return job.status == "done" and job.payload["dry_run"]


@dataclass(frozen=True)
class _PriceChoice:
    """A price at Stripe that isn't in the catalogue. `offer`: the one chosen in the last run, or empty.

    `words` say what it is and how many pay it; empty: no run has found it.
    """

    price: str
    words: str
    offer: str


def _choices(jobs: Sequence[Job], offers: Sequence[Offer]) -> list[_PriceChoice]:
    """What was chosen in the last run, then what the last one found that an offer can have."""
    chosen = jobs[0].payload["prices"] if jobs else {}
    runs = [each.payload["found"]["prices"] for each in jobs if each.payload["found"]]
    found = {each["price"]: each for prices in reversed(runs) for each in prices}
    ours = {each.stripe_price_id for each in offers}
    listed = dict.fromkeys([*chosen, *(each["price"] for each in runs[0])] if runs else chosen)
    choices = []
    for price in listed:
        known = found.get(price, {})
        # Runs of the release before know no fault.
        if price not in ours and not known.get("fault"):
            words = (
                f"{known['words']}, {number_of(known['subscriptions'], 'subscription')}"
                if known
                else ""
            )
            choices.append(_PriceChoice(price, words, chosen.get(price, "")))
    return choices[:MOST_PRICES]


async def _page(
    request: Request, session: AsyncSession, *, sells: bool, refusal: str = ""
) -> Response:
    jobs: Sequence[Job] = await import_jobs(session, most=_MOST_SHOWN)
    offers = await all_offers(session)
    return page(
        request, "stripe_import.html", status_code=422 if refusal else 200, jobs=jobs,
        sells=sells, refusal=refusal, runs=bool(jobs) and jobs[0].status == "waiting",
        names=await names_of(session, [each.payload["started_by"] for each in jobs]),
        tried=jobs[0].key if jobs and _is_tried(jobs[0]) else "",
        statuses=_STATUSES, choices=_choices(jobs, offers), most_choices=MOST_PRICES,
        offers=[each for each in offers if _can_be_chosen(each)],
        words={each.id: name_and_price(each) for each in offers},
    )  # fmt: skip


def _can_be_chosen(offer: Offer) -> bool:
    return offer.archived_at is None and offer.kind == "subscription" and bool(offer.plan)
