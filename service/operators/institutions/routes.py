"""The page of institutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import in_utc
from service.db.context import AppContext
from service.db.session import ReadSession, ReportSession
from service.db.tables import Institution
from service.grants.csv_file import ListRefused, told
from service.grants.institution_lists import ADVICE, read_institutions, store_institutions
from service.grants.institution_reads import WayCount, reads_of
from service.grants.institution_schemas import InstitutionIn, InstitutionReadsQuery
from service.grants.institutions import (
    end_institution,
    facts_of,
    put_institution,
    terms_of,
)
from service.grants.shown_lists import ListChanged
from service.grants.trust import ANSWERED_WHEN_KNOWN
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.frame.field_words import refusal_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.problems import Problem
from service.reports.schemas import Storable
from service.rules.known import plan_warnings, unsold_plans
from service.texts import SLUG_LENGTH, is_slug

router = APIRouter(prefix="/institutions", route_class=PageRoute, include_in_schema=False)

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]
Text = Annotated[str, Form(max_length=20_000), Storable]
Csv = Annotated[str, Form(max_length=60_000), Storable]
HOME = "/admin/institutions"
_MOST_TOLD = 100
_NOTHING_TYPED = dict.fromkeys(("slug", "name", "plan", "domains", "networks", "until"), "")


@dataclass
class Taken:
    """A list that was sent: what is wrong with its lines, or what it would change."""

    csv: str
    refused: Sequence[str] = ()
    would: Sequence[str] = ()
    stamp: str = ""
    status: int = 200


@router.get("")
async def show_institutions(
    request: Request,
    _: SeesSubscribers,
    session: ReportSession,
    context: AppContext,
    slug: Annotated[str, Query(max_length=SLUG_LENGTH), Storable] = "",
    plan: Annotated[str, Query(max_length=SLUG_LENGTH), Storable] = "",
) -> Response:
    """All of them, and the form: for another one, or with what is agreed with the one that is named. `plan` is the one
    that was just saved: the page warns where no offer sells it.
    """
    named = await session.get(Institution, slug) if slug else None
    typed = _as_typed(named, context.settings.zone) if named is not None else _NOTHING_TYPED
    now = context.clocks.business()
    read = await _read_lately(session, named, now.astimezone(context.settings.zone).date())
    return await _page(
        request, session, now, typed, refusal=None, named=named, read=read, plan=plan
    )


@router.post("", dependencies=[ANSWERED_WHEN_KNOWN])
async def send_institution(
    request: Request,
    visit: ChangesSubscribers,
    session: ReadSession,
    context: AppContext,
    seen: Seen,
    slug: Text = "",
    name: Text = "",
    plan: Text = "",
    domains: Text = "",
    networks: Text = "",
    until: Text = "",
) -> Response:
    """Store one, or show the form again with what is wrong."""
    typed = {
        "slug": slug, "name": name, "plan": plan, "domains": domains, "networks": networks,
        "until": until,
    }  # fmt: skip
    actor, now = visit.operator.label, context.clocks.business()
    try:
        terms = _read(typed, context.settings.zone).terms()
        await context.database.past_deadlocks(
            lambda session: put_institution(session, context, slug, terms, actor=actor, seen=seen)
        )
    except ValueError as error:
        refusal: str | Problem = f"Not saved. {_told(error)}"
    except Problem as problem:
        refusal = problem
    else:
        return see_other(f"{HOME}?{urlencode({'plan': terms.plan})}")
    named = await session.get(Institution, slug)
    return await _page(request, session, now, typed, refusal=refusal, named=named)


@router.post("/import")
async def send_file(
    request: Request,
    visit: ChangesSubscribers,
    session: ReportSession,
    context: AppContext,
    csv: Csv = "",
    load: Text = "",
    shown: Text = "",
) -> Response:
    """Show what a list would do, in a form that loads it; or what is wrong with its lines. What is loaded does what
    was `shown`, or it is shown again.
    """
    now, zone, taken = context.clocks.business(), context.settings.zone, Taken(csv)
    actor = visit.operator.label
    try:
        rows = read_institutions(csv.encode(), zone)
        if load:
            try:
                await store_institutions(context, rows, actor=actor, dry_run=False, seen=shown)
            except ListChanged as changed:
                taken.refused = [changed.sentence(zone)]
                taken.status = changed.problem().type.status
            else:
                return see_other(HOME)
        found = await store_institutions(context, rows, actor=actor, dry_run=True)
    except ListRefused as refused:
        taken.refused, taken.status = refused.problems, 422
    else:
        taken.would = [*told(found, most=_MOST_TOLD), f"{found.unchanged} unchanged."]
        taken.stamp = found.stamp
    return await _page(request, session, now, _NOTHING_TYPED, refusal=None, taken=taken)


@router.post("/end")
async def send_end(
    request: Request,
    visit: ChangesSubscribers,
    session: ReadSession,
    context: AppContext,
    slug: Text,
    seen: Seen,
) -> Response:
    """End a contract now, or show all of them with why not."""
    try:
        await context.database.past_deadlocks(
            lambda session: end_institution(
                session, context, slug, actor=visit.operator.label, seen=seen
            )
        )
    except Problem as problem:
        if problem.slug != "changed-meanwhile":
            raise
        now = context.clocks.business()
        return await _page(request, session, now, _NOTHING_TYPED, refusal=problem)
    return see_other(HOME)


async def _read_lately(
    session: AsyncSession, named: Institution | None, today: date
) -> list[WayCount]:
    if named is None:
        return []
    first, last = InstitutionReadsQuery().days(today)
    return await reads_of(session, named.slug, first, last)


def _as_typed(row: Institution, zone: ZoneInfo) -> dict[str, str]:
    """What is agreed, as the form has it: the last day is the one before the end."""
    last = (row.ends_at - timedelta(seconds=1)).astimezone(zone).date() if row.ends_at else ""
    return {
        "slug": row.slug, "name": row.name, "plan": row.plan, "domains": "\n".join(row.domains),
        "networks": "\n".join(row.networks), "until": str(last),
    }  # fmt: skip


def _read(typed: dict[str, str], zone: ZoneInfo) -> InstitutionIn:
    """What the form says. ValueError says what is wrong with it."""
    if not is_slug(typed["slug"]):
        raise ValueError(
            "Use lower-case letters, digits and hyphens for the short name, such as city-library."
        )
    return InstitutionIn(
        name=typed["name"], plan=typed["plan"], domains=tuple(typed["domains"].split()),
        networks=tuple(typed["networks"].split()), ends_at=_end(typed["until"], zone),
    )  # fmt: skip


def _end(text: str, zone: ZoneInfo) -> datetime | None:
    """The end of the day that is named, in the publication's time zone."""
    if not text:
        return None
    try:
        following = date.fromisoformat(text) + timedelta(days=1)
        return in_utc(datetime.combine(following, time.min, zone))
    except (ValueError, OverflowError):
        raise ValueError(f"{text} isn’t a date. Enter it as 2026-12-31.") from None


def _told(error: ValueError) -> str:
    return refusal_of(HOME, error.errors()) if isinstance(error, ValidationError) else str(error)


async def _page(
    request: Request,
    session: AsyncSession,
    now: datetime,
    typed: dict[str, str],
    *,
    refusal: str | Problem | None,
    named: Institution | None = None,
    read: Sequence[WayCount] = (),
    taken: Taken | None = None,
    plan: str = "",
) -> Response:
    """`named` is the one that the form is of."""
    taken = taken or Taken("")
    status_code = taken.status if refusal is None else 422
    if isinstance(refusal, Problem):
        status_code = refusal.type.status
    found = list(await session.scalars(select(Institution).order_by(Institution.slug)))
    over = {each.slug for each in found if each.ends_at is not None and each.ends_at <= now}
    unsold = await unsold_plans(session, {each.plan for each in found})
    return page(
        request, "institutions.html", found=found, unsold=unsold, warnings=await plan_warnings(session, [plan] if plan else []),
        over=over, typed=typed, refusal=refusal,
        named=named, read=read, facts_of=lambda row: facts_of(terms_of(row)), taken=taken, advice=ADVICE, status_code=status_code,
    )  # fmt: skip
