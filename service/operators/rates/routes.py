"""The page of exchange rates."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext
from service.db.session import ReportSession
from service.html.list_query import AnyPage, ListQuery
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.frame.field_words import refusal_of
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.rates.changes import (
    Pair,
    delete_rate,
    enter_rate,
    facts_of,
    find_rate,
    list_rates,
)
from service.operators.rates.schemas import RateIn
from service.problems import Problem, invalid_field
from service.reports.schemas import Storable

router = APIRouter(prefix="/exchange-rates", route_class=PageRoute, include_in_schema=False)
HERE = "/admin/exchange-rates"
SeesFigures = Annotated[Visit, Depends(page_requires(Permission.REPORTS_READ))]
EntersRates = Annotated[Visit, Depends(form_requires(Permission.REPORTS_WRITE))]
_Text = Annotated[str, Storable]


class Typed(BaseModel):
    """What was typed, as it was typed."""

    model_config = ConfigDict(extra="ignore", str_max_length=100)

    currency: _Text = ""
    into: _Text = ""
    day: _Text = ""
    rate: _Text = ""

    def read(self) -> RateIn:
        """Problem `invalid-request` says what can't be read."""
        try:
            return RateIn.model_validate(
                {
                    "currency": self.currency.strip().upper(), "into": self.into.strip().upper(),
                    "day": self.day.strip(), "rate": self.rate.strip().replace(",", "."),
                }
            )  # fmt: skip
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            told = refusal_of(HERE, [first])
            raise invalid_field(name or "into", f"Not saved. {told}") from error


class Sent(Typed):
    """With what was seen of the rate."""

    seen: _Text


@router.get("")
async def show_rates(
    request: Request, _: SeesFigures, asked: AnyPage, session: ReportSession
) -> Response:
    """All rates, the latest day first, and a form for more."""
    return await _page(request, session, asked, Typed())


@router.post("")
async def send_rate(
    request: Request, visit: EntersRates, context: AppContext, typed: Annotated[Sent, Form()]
) -> Response:
    """Enter a rate, or show the form again with why not."""
    actor, pair = visit.operator.label, None
    try:
        entered = typed.read()
        pair = entered.pair
        await enter_rate(context, pair, entered.rate, actor=actor, seen=typed.seen)
    except Problem as problem:
        async with context.database.slow_reading("reports") as session:
            return await _page(request, session, ListQuery(), typed, refusal=problem, pair=pair)
    return see_other(HERE)


@router.post("/delete")
async def send_deletion(
    request: Request, visit: EntersRates, context: AppContext, typed: Annotated[Sent, Form()]
) -> Response:
    """Delete a rate: the one before it applies again."""
    pair = typed.model_copy(update={"rate": "1"}).read().pair
    try:
        await delete_rate(context, pair, actor=visit.operator.label, seen=typed.seen)
    except Problem as problem:
        if problem.slug != "changed-meanwhile":
            raise
        async with context.database.slow_reading("reports") as session:
            return await _page(request, session, ListQuery(), Typed(), refusal=problem)
    return see_other(HERE)


async def _page(
    request: Request,
    session: AsyncSession,
    asked: ListQuery,
    typed: Typed,
    *,
    refusal: Problem | None = None,
    pair: Pair | None = None,
) -> Response:
    """`pair` is what the form is of."""
    there = await find_rate(session, pair) if pair is not None else None
    found = await list_rates(session, asked)
    names = await names_of(session, [each.entered_by for each in found.items])
    return page(
        request, "rates.html", status_code=refusal.type.status if refusal else 200, found=found,
        asked=asked, there=there, facts_of=facts_of,
        typed=typed, refusal=refusal, names=names,
    )  # fmt: skip
