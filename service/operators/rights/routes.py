"""The page of rights from elsewhere: the list, one right, and a source's whole list."""

from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, File, Form, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext, Context
from service.db.session import ReadSession, ReportSession
from service.db.tables import Right
from service.grants.csv_file import ListRefused, instant, told
from service.grants.matching import nobody_finds
from service.grants.right_differences import RightDifferences, words_of
from service.grants.right_lists import (
    ADVICE,
    MOST_ENDED_PERCENT,
    read_list,
    store_list,
)
from service.grants.right_readers import SentRight
from service.grants.right_schemas import LONGEST_REFERENCE, RightIn, RightQuery
from service.grants.right_store import list_rights, sources
from service.grants.rights import end_right, facts_of, is_over, put_right
from service.grants.shown_lists import ListChanged
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.frame.field_words import refusal_of
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.problems import Problem
from service.reports.schemas import Storable
from service.rules.known import plan_warnings, unsold_plans
from service.texts import SLUG_LENGTH, is_slug

router = APIRouter(prefix="/entitlements", route_class=PageRoute, include_in_schema=False)
HOME = "/admin/entitlements"
_MOST_TOLD = 100
_TYPED = (
    "source", "reference", "plan", "until", "email", "account_number", "name", "postcode"
)  # fmt: skip

SeesSubscribers = Annotated[Visit, Depends(page_requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Visit, Depends(form_requires(Permission.SUBSCRIBERS_WRITE))]
Text = Annotated[str, Form(max_length=LONGEST_REFERENCE), Storable]
Percent = Annotated[int, Form(ge=0, le=100)]


@dataclass
class Taken:
    """A list that was sent: whose it is, and what is wrong with it or what it would do."""

    source: str = ""
    csv: str = ""
    most_ended: int = MOST_ENDED_PERCENT
    refused: Sequence[str] = ()
    would: Sequence[str] = ()
    stamp: str = ""
    status: int = 200


class RightsPage(RightQuery):
    """`plan` is the one that was just saved: the page warns where no offer sells it."""

    plan: Annotated[str, Field(max_length=SLUG_LENGTH, exclude=True), Storable] = ""


@router.get("")
async def show_rights(
    request: Request,
    _: SeesSubscribers,
    asked: Annotated[RightsPage, Query()],
    session: ReportSession,
    context: AppContext,
) -> Response:
    """The list, the newest first."""
    return await _page(request, session, context, asked, plan=asked.plan)


@router.post("")
async def send_right(
    request: Request,
    visit: ChangesSubscribers,
    session: ReadSession,
    context: AppContext,
    seen: Seen,
    source: Text = "", reference: Text = "", plan: Text = "", until: Text = "", email: Text = "",
    account_number: Text = "", name: Text = "", postcode: Text = "",
) -> Response:  # fmt: skip
    """Store one, or show the form again with what is wrong."""
    values = (source, reference, plan, until, email, account_number, name, postcode)
    typed = dict(zip(_TYPED, (each.strip() for each in values), strict=True))
    actor = visit.operator.label
    try:
        sent = _read(typed, context)
        await context.database.past_deadlocks(
            lambda session: put_right(
                session, context, typed["source"], sent, actor=actor, seen=seen
            )
        )
    except ValueError as error:
        refusal: str | Problem = f"Not saved. {_told(error)}"
    except Problem as problem:
        refusal = problem
    else:
        return see_other(f"{HOME}?{urlencode({'plan': typed['plan']})}")
    return await _page(request, session, context, RightQuery(), typed=typed, refusal=refusal)


@router.post("/import")
async def send_list(
    request: Request,
    visit: ChangesSubscribers,
    session: ReportSession,
    context: AppContext,
    source: Text = "",
    most_ended: Percent = MOST_ENDED_PERCENT,
    file: Annotated[UploadFile | None, File()] = None,
    csv: Annotated[str, Form(), Storable] = "",
    load: Text = "",
    shown: Text = "",
) -> Response:
    """Show what a list would do, in a form that loads it; or what is wrong with its lines. What is loaded does what
    was `shown`, or it is shown again.
    """
    data = await file.read() if file is not None else csv.encode()
    taken = Taken(source.strip(), data.decode(errors="replace"), most_ended)
    try:
        try:
            found = await _store(context, visit, taken, data, dry_run=not load, seen=shown or None)
        except ListChanged as changed:
            load, taken.refused = "", [changed.sentence(context.settings.zone)]
            taken.status = changed.problem().type.status
            found = await _store(context, visit, taken, data, dry_run=True)
    except ListRefused as refused:
        taken.refused, taken.status = refused.problems[:_MOST_TOLD], 422
        return await _page(request, session, context, RightQuery(), taken=taken)
    if load:
        return see_other(f"{HOME}?source={taken.source}")
    if await to_thread(_length_of_form, taken) > context.settings.max_body_kilobytes * 1024:
        taken.refused, taken.status = [_TOO_LARGE], 422
        return await _page(request, session, context, RightQuery(), taken=taken)
    taken.would, taken.stamp = _would(found, context.settings.zone), found.stamp
    return await _page(request, session, context, RightQuery(), taken=taken)


@router.post("/end")
async def send_end(
    request: Request,
    visit: ChangesSubscribers,
    session: ReadSession,
    context: AppContext,
    source: Text,
    reference: Text,
    seen: Seen,
) -> Response:
    """End one right now, or show the list with why not."""
    actor = visit.operator.label
    try:
        await context.database.past_deadlocks(
            lambda session: end_right(session, context, source, reference, actor=actor, seen=seen)
        )
    except Problem as problem:
        if problem.slug != "changed-meanwhile":
            raise
        return await _page(request, session, context, RightQuery(), refusal=problem)
    return see_other(HOME)


async def _store(
    context: Context,
    visit: Visit,
    taken: Taken,
    data: bytes,
    *,
    dry_run: bool,
    seen: str | None = None,
) -> RightDifferences:
    if not is_slug(taken.source):
        raise ListRefused([_NO_SOURCE])
    rows = await to_thread(read_list, data, context.settings.zone)
    return await store_list(
        context, taken.source, rows, actor=visit.operator.label, dry_run=dry_run,
        most_ended_percent=taken.most_ended, seen=seen,
    )  # fmt: skip


def _length_of_form(taken: Taken) -> int:
    """How many bytes a browser sends to load the list that it was shown: more than the file has."""
    lines = "\r\n".join(taken.csv.splitlines())
    return len(urlencode({"source": taken.source, "csv": lines})) + _OTHER_FIELDS


_OTHER_FIELDS = 1024
_TOO_LARGE = (
    "The list is too large to be loaded on this page. Load it with “paywall import entitlements”, "
    "or let your administrator raise PAYWALL_MAX_BODY_KILOBYTES."
)
_NOBODY = "Nobody can claim it: enter an e-mail address, or an account number or a name with the postcode."
_NO_SOURCE = "Use lower-case letters, digits and hyphens for the source, such as print."


def _would(found: RightDifferences, zone: ZoneInfo) -> list[str]:
    counts = (
        f"{len(found.created)} new, {len(found.changed)} changed, {len(found.ended)} ended, "
        f"{found.unchanged} unchanged."
    )
    return [counts, *told(found, most=_MOST_TOLD, words=words_of(found.details, zone))]


def _read(typed: dict[str, str], context: Context) -> SentRight:
    """What the form says. ValueError says what is wrong with it."""
    if not is_slug(typed["source"]):
        raise ValueError(_NO_SOURCE)
    if not typed["reference"]:
        raise ValueError("Enter the reference: the number in the source system.")
    known_by = {name: typed[name] for name in ("email", "account_number", "name", "postcode")}
    if nobody_finds(**known_by):
        raise ValueError(_NOBODY)
    found = {"plan": typed["plan"], **known_by}
    ends_at = instant(typed["until"], context.settings.zone, ends=True)
    return RightIn(**found, ends_at=ends_at).sent(typed["reference"])


def _told(error: ValueError) -> str:
    return refusal_of(HOME, error.errors()) if isinstance(error, ValidationError) else str(error)


async def _page(
    request: Request,
    session: AsyncSession,
    context: Context,
    asked: RightQuery,
    *,
    typed: dict[str, str] | None = None,
    refusal: str | Problem = "",
    taken: Taken | None = None,
    plan: str = "",
) -> Response:
    typed = typed or dict.fromkeys(_TYPED, "")
    taken = taken or Taken()
    status = 422 if refusal else taken.status
    if isinstance(refusal, Problem):
        status = refusal.type.status
    named = await session.get(Right, (typed["source"], typed["reference"])) if refusal else None
    now = context.clocks.business()
    found = await list_rights(session, asked, now)
    names = await names_of(session, [each.reader_id for each in found.items if each.reader_id])
    unsold = await unsold_plans(session, {each.plan for each in found.items})
    return page(
        request, "rights.html", unsold=unsold, warnings=await plan_warnings(session, [plan] if plan else []),
        status_code=status, facts_of=facts_of, named=named,
        found=found, asked=asked, sources=await sources(session),
        over={(each.source, each.reference) for each in found.items if is_over(each, now)},
        names=names, typed=typed, refusal=refusal, taken=taken,
        advice=ADVICE,
    )  # fmt: skip
