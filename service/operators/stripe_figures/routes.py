"""The pages of the agreement with Stripe's own figures."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from service.currencies import decimals
from service.db.context import AppContext, Context
from service.db.session import ReportSession
from service.html.list_query import AnyPage, ListQuery
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.offers.pricing import amount_text, minor_units
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.stripe_figures.entries import (
    Asked,
    currencies,
    delete_entry,
    enter,
    find_entry,
    list_entries,
)
from service.operators.stripe_figures.schemas import StripeFigureIn
from service.problems import Problem, invalid_field
from service.reports.agreement import CAUSE_WORDS, StripeSettings
from service.reports.metrics import ACTIVE_SUBSCRIBERS, MRR
from service.reports.period import midnight
from service.reports.schemas import Storable

router = APIRouter(prefix="/stripe-figures", route_class=PageRoute, include_in_schema=False)
HERE = "/admin/stripe-figures"
SeesFigures = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]
EntersFigures = Annotated[Visit, Depends(form_requires(Permission.REPORTS_WRITE))]
EntryId = Annotated[str, Path(max_length=100), Storable]
FIGURES = {"mrr": MRR.name, "active-subscribers": ACTIVE_SUBSCRIBERS.name}
_ITS_START = "subscription"
SETTINGS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "discounts": (
        "Deducted from MRR",
        {
            "forever": "Permanent coupons", "none": "No coupons",
            "recurring": "Recurring coupons", "all": "All coupons",
        },
    ),
    "churn": ("Lost", {"period_end": "At the end of the period", "cancelled": "When cancelled"}),
    "start": (
        "Counted since", {_ITS_START: "The start", "first_payment": "The first payment"},
    ),
}  # fmt: skip
"""Stripe's settings as a form asks for them."""
_REFUSALS: Mapping[str, str] = {
    "figure": "Choose a figure from the list.",
    "currency": "Choose a currency from the list.",
    "value": "Stripe’s figure is too large. Check it.",
    "settings": "Choose each of Stripe’s settings from its list.",
}
"""By field, where what was typed isn't one of the form's choices."""
_SPACES = re.compile(r"[\s'’]")
_GROUPED = re.compile(
    r"[1-9][0-9]{0,2}(?P<mark>[.,])[0-9]{3}(?P<more>(?:(?P=mark)[0-9]{3})*)(?P<rest>(?!(?P=mark))[.,][0-9]+)?"
)
_NOTHING = re.compile(r"0+(?:[.,]0{1,3})?")
_GROUP = 3
_WHOLE = re.compile(r"[0-9]{1,18}")
_Text = Annotated[str, Storable]


class Typed(BaseModel):
    """What was typed, as it was typed. The day is the publication's; empty: now."""

    model_config = ConfigDict(extra="ignore", str_max_length=100)

    figure: _Text = "mrr"
    currency: _Text = ""
    day: _Text = ""
    value: _Text = ""
    discounts: _Text = "forever"
    churn: _Text = "period_end"
    start: _Text = _ITS_START


@router.get("")
async def show_entries(
    request: Request, _: SeesFigures, asked: AnyPage, session: ReportSession
) -> Response:
    """What Stripe's dashboard said beside ours, the latest first, and a form for more."""
    return await _page(request, session, asked, Typed())


@router.post("")
async def send_entry(
    request: Request, visit: EntersFigures, context: AppContext, typed: Annotated[Typed, Form()]
) -> Response:
    """Compare a figure, and lead to what explains the difference; or show the form again with why not."""
    try:
        entry = await enter(context, _read(typed, context), actor=visit.operator.label)
    except Problem as problem:
        if problem.slug != "invalid-request":
            raise
        async with context.database.slow_reading("reports") as session:
            return await _page(request, session, ListQuery(), typed, refusal=problem.detail)
    return see_other(f"{HERE}/{entry.row.id}")


@router.get("/{entry_id}")
async def show_entry(
    request: Request, _: SeesFigures, entry_id: EntryId, session: ReportSession
) -> Response:
    """One entry, with each part of the difference."""
    found = await find_entry(session, entry_id)
    names = await names_of(session, [found.row.entered_by])
    return page(
        request, "stripe_figure.html", names=names, found=found, figures=FIGURES, causes=CAUSE_WORDS,
        stripe_settings=SETTINGS, shown=amount_shown,
    )  # fmt: skip


@router.post("/{entry_id}/delete")
async def send_deletion(visit: EntersFigures, entry_id: EntryId, context: AppContext) -> Response:
    """Forget an entry."""
    await delete_entry(context, entry_id, actor=visit.operator.label)
    return see_other(HERE)


def amount_shown(value: int, currency: str, figure: str) -> str:
    """Money or a number; with a sign where it is below nothing."""
    text = amount_text(abs(value), currency) if figure == "mrr" else f"{abs(value):,}"
    return f"−{text}" if value < 0 else text


def value_of(typed: str, currency: str | None) -> int:
    """What Stripe's dashboard shows, its thousands grouped or not: in minor units, or a number of readers.

    ValueError says how to write it: where a currency has three places, 1,234 could be read in two ways.
    """
    text = _SPACES.sub("", typed)
    grouped = _GROUPED.fullmatch(text)
    if grouped and (grouped["rest"] or grouped["more"] or not _has_three_places(currency)):
        rest = grouped["rest"]
        whole = text.removesuffix(rest) if rest else text
        text = whole.replace(grouped["mark"], "") + (rest or "").replace(",", ".")
    if currency is not None:
        return minor_units(text, currency) if not _NOTHING.fullmatch(text) else 0
    if not _WHOLE.fullmatch(text):
        raise ValueError("enter a whole number such as 87")
    return int(text)


def _has_three_places(currency: str | None) -> bool:
    return currency is not None and decimals(currency) == _GROUP


def _read(typed: Typed, context: Context) -> Asked:
    """Problem `invalid-request` names the field that can't be read."""
    currency = typed.currency.strip().upper()
    if typed.figure == "mrr" and not currency:
        raise invalid_field("currency", "Not saved. Choose a currency for MRR.")
    try:
        value = value_of(typed.value, currency if typed.figure == "mrr" else None)
    except ValueError as error:
        raise invalid_field("value", f"Not saved. Stripe’s figure: {error}.") from error
    try:
        body = StripeFigureIn.model_validate({
            "figure": typed.figure, "currency": currency, "value": value,
            "at": _end_of(typed.day.strip(), context),
            "settings": {name: getattr(typed, name) for name in SETTINGS},
        })  # fmt: skip
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise invalid_field(field, f"Not saved. {_REFUSALS[field]}") from error
    return Asked(
        body.figure, body.currency, body.at, body.value,
        StripeSettings(**body.settings.model_dump()),
    )  # fmt: skip


def _end_of(day: str, context: Context) -> datetime | None:
    """The end of the publication's day; None: now, which today's end isn't before."""
    if not day:
        return None
    try:
        end = midnight(date.fromisoformat(day) + timedelta(days=1), context.settings.zone)
    except (ValueError, OverflowError) as error:
        raise invalid_field("day", "Not saved. Enter the day as 2026-03-01.") from error
    now = context.clocks.business()
    return None if now < end <= now + timedelta(days=1) else end


async def _page(
    request: Request, session: AsyncSession, asked: ListQuery, typed: Typed, *, refusal: str = ""
) -> Response:
    found = await list_entries(session, asked)
    names = await names_of(session, [each.row.entered_by for each in found.items])
    return page(
        request, "stripe_figures.html", status_code=422 if refusal else 200, asked=asked,
        found=found, names=names, typed=typed, refusal=refusal, figures=FIGURES,
        stripe_settings=SETTINGS, shown=amount_shown,
        currencies=await currencies(session),
    )  # fmt: skip
