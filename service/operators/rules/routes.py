"""The page of the rules: a form, and their history."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.recut_job import last_recut
from service.db.context import context_in
from service.db.session import AppDatabase, ReportSession
from service.db.tables import Offer
from service.html.list_query import AnyPage, ListQuery
from service.html.pages import render_part
from service.html.redirect import see_other
from service.identity.entry import ENTRY_WORDS
from service.identity.permissions import Permission
from service.levels import LEVEL_WORDS, LEVELS
from service.offers.store import live_offers, name_and_price
from service.operators.frame.names import names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, form_requires, page_requires
from service.operators.rules.changes import (
    AppRuleChanges,
    current_rules,
    list_versions,
    rules_of_version,
    shown,
)
from service.operators.rules.form import (
    LABELS,
    Entries,
    Row,
    Words,
    entries_of,
    rules_in,
    sent_rows,
    sent_words,
)
from service.operators.rules.meters_form import MeterRow, sent_meters
from service.operators.rules.preview_links import preview_links
from service.operators.rules.prompt_rows import PromptRow, sent_prompts
from service.operators.rules.recuts import AppRecuts, RecutOut
from service.operators.rules.schemas import LATEST, RulesOut, VersionNumber
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.rules.prompts import AUDIENCE_WORDS, PLACE_WORDS, WALL_WORDS
from service.rules.save import later_words
from service.running import running_of
from service.settings import AppSettings

router = APIRouter(prefix="/rules", route_class=PageRoute, include_in_schema=False)
RULES = "/admin/rules"
FROM_THE_START = ListQuery()
_MOST_KEPT = 4
"""The form with the rules in force, and what editors have just looked at or sent."""

Sees = Annotated[Visit, Depends(page_requires(Permission.ARTICLES_READ))]
Changes = Annotated[Visit, Depends(form_requires(Permission.ARTICLES_WRITE))]
Sent = Annotated[list[Row], Depends(sent_rows)]
SentWords = Annotated[Words, Depends(sent_words)]
SentMeters = Annotated[list[MeterRow], Depends(sent_meters)]
SentPrompts = Annotated[list[PromptRow], Depends(sent_prompts)]


@router.get("")
async def show_rules(
    request: Request, _: Sees, asked: AnyPage, session: ReportSession, settings: AppSettings
) -> Response:
    """The rules in force, in a form, and their versions."""
    current = await current_rules(session, settings)
    return await _rules_page(request, session, current, entries_of(current.rules, settings), asked)


@router.get("/versions/{version}")
async def show_version(
    request: Request,
    _: Sees,
    version: VersionNumber,
    session: ReportSession,
    settings: AppSettings,
) -> Response:
    """A version of the past. Its form puts it in force again, in place of what is now."""
    then = await shown(session, await rules_of_version(session, version), settings)
    current = await current_rules(session, settings)
    return await _rules_page(request, session, current, entries_of(then.rules, settings), then=then)


@router.post("")
async def send_rules(
    request: Request,
    visit: Changes,
    rows: Sent,
    words: SentWords,
    prompts: SentPrompts,
    meters: SentMeters,
    changes: AppRuleChanges,
    database: AppDatabase,
    settings: AppSettings,
    version: Annotated[int, Form(ge=0, le=LATEST)],
    shown: Annotated[int, Form(ge=0, le=LATEST)] = 0,
) -> Response:
    """Put the rules in force; what can't be is told above the form, which keeps what was typed."""
    async with database.reading() as session:
        crawlers = (await current_rules(session, settings)).rules.crawlers  # of another page
    entries = Entries(tuple(rows), words, tuple(prompts), tuple(meters))
    try:
        rules = rules_in(entries, settings.zone)
        rules = rules.model_copy(update={"crawlers": crawlers})
        await changes.save(visit.operator, rules, after=version, shown_version=shown)
    except Problem as problem:
        async with database.reading() as session:
            current = await current_rules(session, settings)
            return await _rules_page(
                request, session, current, entries, shown=shown, refusal=problem
            )
    return see_other(RULES)


@router.post("/recut")
async def send_recut(visit: Changes, recuts: AppRecuts) -> Response:
    """Cut all articles anew by the rules in force."""
    await recuts.ask(visit.operator)
    return see_other(f"{RULES}#recut")


async def _rules_page(
    request: Request,
    session: AsyncSession,
    current: RulesOut,
    entries: Entries,
    asked: ListQuery = FROM_THE_START,
    *,
    then: RulesOut | None = None,
    shown: int | None = None,
    refusal: Problem | None = None,
) -> Response:
    """After `rules-changed` the form is sent upon what is in force by then, which its words say."""
    versions, last = await list_versions(session, asked), await last_recut(session)
    actors = [each.by for each in versions.items if each.by]
    seen = then or current
    later = "" if seen.is_whole else later_words(seen.version)
    return page(
        request,
        "rules.html",
        status_code=refusal.type.status if refusal else 200,
        current=current,
        fields=_fields(
            entries,
            () if refusal or then else tuple(await _previews(request, session, current)),
            tuple((await _sold(session, entries.prompts)).items()),
        ),
        recut=RecutOut.of(last) if last is not None else None,
        then=then,
        shown=seen.version if shown is None else shown,
        warnings=[each for each in seen.warnings if each != later],
        later=later,
        labels=LABELS,
        versions=versions,
        names=await names_of(session, [*actors, *([last.payload["started_by"]] if last else [])]),
        asked=asked,
        refusal=refusal,
    )


@lru_cache(_MOST_KEPT)
def _fields(
    entries: Entries, previews: tuple[str | None, ...], sold: tuple[tuple[str, str], ...]
) -> Markup:
    """The form's fields, rendered once for what they show: they are most of the page."""
    return render_part(
        "operators/templates/rules_fields.html",
        rows=entries.rows, words=entries.words, prompts=entries.prompts, meters=entries.meters,
        audiences=AUDIENCE_WORDS, walls=WALL_WORDS, places=PLACE_WORDS, came_by=ENTRY_WORDS,
        levels=LEVELS, level_words=LEVEL_WORDS, previews=previews, sold=dict(sold),
    )  # fmt: skip


async def _previews(request: Request, session: AsyncSession, current: RulesOut) -> list[str | None]:
    """Where each prompt can be looked at."""
    running = running_of(request)
    prompts = (each.as_rule() for each in current.rules.prompts)
    in_force, now = running.get(RuleBook).in_force, context_in(running).clocks.business()
    return await preview_links(session, prompts, in_force, now)


async def _sold(session: AsyncSession, prompts: Iterable[PromptRow]) -> dict[str, str]:
    """The offers on sale by their ids, in words, and those that a prompt names though they aren't sold any more."""
    sold = {each.id: name_and_price(each) for each in await live_offers(session)}
    named = {each for row in prompts for each in row.offers} - sold.keys()
    if not named:
        return sold
    found = await session.scalars(select(Offer).where(Offer.id.in_(named)))
    return sold | {each.id: f"{name_and_price(each)}, not sold any more" for each in found}
