"""The page of crawlers: what each kind may have, the terms for machines, and what proves who they are."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from service.crawlers.address_lists import read_addresses
from service.crawlers.changes import forget_crawler, load_networks, put_crawler
from service.crawlers.store import all_crawlers, facts_of
from service.db.context import AppContext
from service.db.session import AppDatabase, ReportSession, WriteSession
from service.html.redirect import see_other
from service.identity.permissions import Permission
from service.operators.crawlers.naming import NOTHING_TYPED, crawler_typed, typed_of
from service.operators.crawlers.outcomes import outcome
from service.operators.frame.field_words import refusal_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.operators.rules.changes import AppRuleChanges, current_rules
from service.problems import Problem
from service.reports.schemas import Storable
from service.rules.crawler_document import CrawlersIn
from service.rules.crawlers import CATEGORY_WORDS, PAYMENT_WORDS, POLICY_WORDS
from service.rules.known import empty_sections
from service.settings import AppSettings

router = APIRouter(prefix="/crawlers", route_class=PageRoute, include_in_schema=False)
HOME = "/admin/crawlers"
CHOICES = {
    "search": ("preview", "full_verified", "refuse"),
    "agent": ("preview", "refuse"),
    "training": ("preview", "license", "refuse"),
}
NOTHING_LOADED: Mapping[str, str] = {"name": "", "addresses": ""}
_LISTS = ("permits", "prohibits")
_TERMS = ("payment", "amount", "currency", "custom", "standard", "contact")

Sees = Annotated[Visit, Depends(page_requires(Permission.ARTICLES_READ))]
Changes = Annotated[Visit, Depends(form_requires(Permission.ARTICLES_WRITE))]
Text = Annotated[str, Form(max_length=5_000), Storable]
LongText = Annotated[str, Form(max_length=60_000), Storable]


async def sent_rules(
    search: Text = "", agent: Text = "", training: Text = "", licensed_sections: Text = "",
    permits: Text = "", prohibits: Text = "", payment: Text = "", amount: Text = "",
    currency: Text = "", custom: Text = "", standard: Text = "", contact: Text = "",
) -> dict[str, str]:  # fmt: skip
    """The form as it was sent."""
    return locals()


Sent = Annotated[dict[str, str], Depends(sent_rules)]


async def sent_crawler(
    name: Text = "", category: Text = "", agents: Text = "", hosts: Text = "", keys: LongText = ""
) -> dict[str, str]:
    """The form that names a crawler, as it was sent."""
    return locals()


@router.get("")
async def show_crawlers(
    request: Request,
    _: Sees,
    session: ReportSession,
    settings: AppSettings,
    crawler: Annotated[str, Query(max_length=100), Storable] = "",
) -> Response:
    """The rules in a form, all crawlers, and the form for another one or for the one that is named."""
    return await _page(request, session, settings, typed=None, chosen=crawler)


@router.post("")
async def send_rules(
    request: Request,
    visit: Changes,
    typed: Sent,
    changes: AppRuleChanges,
    database: AppDatabase,
    settings: AppSettings,
    version: Annotated[int, Form(ge=0, le=2**31 - 1)],
) -> Response:
    """Put them in force; what can't be is told above the form, which keeps what was typed."""
    async with database.reading() as session:
        rules = (await current_rules(session, settings)).rules
    try:
        changed = rules.model_copy(update={"crawlers": _read(typed)})
        await changes.save(visit.operator, changed, after=version)
    except (ValueError, Problem) as error:
        told = error if isinstance(error, Problem) else _told(error)
        async with database.reading() as session:
            return await _page(request, session, settings, typed=typed, refusal=told)
    return see_other(HOME)


@router.post("/crawler")
async def send_crawler(
    request: Request,
    visit: Changes,
    typed: Annotated[dict[str, str], Depends(sent_crawler)],
    session: WriteSession,
    context: AppContext,
    seen: Seen,
) -> Response:
    """Name a crawler, or replace what is known of it but for its networks; or say what is wrong."""
    known = {each.crawler.name: each.crawler for each in await all_crawlers(session)}
    name, actor = typed["name"].strip(), visit.operator.label
    try:
        crawler = crawler_typed(typed, known.get(name))
        await put_crawler(session, context, crawler, actor=actor, seen=seen)
    except ValueError as error:
        refusal: str | Problem = str(error)
    except Problem as problem:
        refusal = problem
    else:
        return see_other(f"{HOME}#known")
    return await _page(
        request, session, context.settings, typed=None, naming=typed, chosen=name, refusal=refusal
    )


@router.post("/forget")
async def send_forget(
    request: Request,
    visit: Changes,
    session: WriteSession,
    context: AppContext,
    seen: Seen,
    name: Text = "",
) -> Response:
    """Take away what the newsroom stored of a crawler; what everybody knows of it stays."""
    try:
        await forget_crawler(session, context, name, actor=visit.operator.label, seen=seen)
    except Problem as problem:
        return await _page(request, session, context.settings, typed=None, refusal=problem)
    return see_other(f"{HOME}#known")


@router.post("/addresses")
async def send_addresses(
    request: Request,
    visit: Changes,
    session: WriteSession,
    context: AppContext,
    name: Text = "",
    addresses: LongText = "",
) -> Response:
    """Replace the address list of a crawler, or say what is wrong with it.

    `name` is followed by what was seen of the list.
    """
    name, _, seen = name.partition(" ")
    if not seen:
        raise Problem("invalid-request", "Nothing was imported: choose a crawler on the page.")
    actor = visit.operator.label
    try:
        networks = read_addresses(addresses)
        await load_networks(session, context, name, networks, actor=actor, seen=seen)
    except ValueError as error:
        refusal: str | Problem = str(error)
    except Problem as problem:
        refusal = problem
    else:
        return see_other(f"{HOME}#known")
    return await _page(
        request, session, context.settings, typed=None, refusal=refusal,
        loading={"name": name, "addresses": addresses},
    )  # fmt: skip


def _read(typed: dict[str, str]) -> CrawlersIn:
    terms: dict[str, Any] = {name: typed[name].strip() for name in _TERMS if typed[name].strip()}
    for name in _LISTS:
        terms[name] = typed[name].replace(",", " ").split()
    has_terms = any(terms[name] for name in _LISTS) or terms.keys() - {*_LISTS, "payment"}
    return CrawlersIn.model_validate(
        {
            "search": typed["search"], "agent": typed["agent"], "training": typed["training"],
            "licensed_sections": [
                each.strip() for each in typed["licensed_sections"].splitlines() if each.strip()
            ],
            "license": terms if has_terms or terms.get("payment", "free") != "free" else None,
        }
    )  # fmt: skip


def _typed(rules: CrawlersIn) -> dict[str, str]:
    terms = rules.license.model_dump(mode="json") if rules.license is not None else {}
    return {
        "search": rules.search, "agent": rules.agent, "training": rules.training,
        "licensed_sections": "\n".join(rules.licensed_sections),
        **{name: " ".join(terms.get(name, ())) for name in _LISTS},
        **{name: terms.get(name, "") for name in _TERMS},
    }  # fmt: skip


def _told(error: ValueError) -> str:
    return refusal_of(HOME, error.errors()) if isinstance(error, ValidationError) else str(error)


async def _page(
    request: Request,
    session: AsyncSession,
    settings: AppSettings,
    *,
    typed: dict[str, str] | None,
    chosen: str = "",
    naming: Mapping[str, str] | None = None,
    loading: Mapping[str, str] = NOTHING_LOADED,
    refusal: str | Problem = "",
) -> Response:
    status_code = 422 if refusal else 200
    if isinstance(refusal, Problem):
        status_code = refusal.type.status
    current = await current_rules(session, settings)
    in_force = current.rules.crawlers or CrawlersIn()
    found = await all_crawlers(session)
    named = [each.crawler for each in found if each.crawler.name == chosen]
    was_typed = typed is not None or naming is not None or loading is not NOTHING_LOADED
    if naming is None:
        naming = typed_of(named[0]) if named else NOTHING_TYPED
    return page(
        request, "crawlers.html", status_code=status_code, found=found, refusal=refusal, naming=naming,
        named=named[0] if named else None, facts_of=facts_of, was_typed=was_typed,
        loading=loading,
        no_article_in=await empty_sections(session, in_force.licensed_sections),
        version=current.version, typed=typed or _typed(in_force),
        choices=CHOICES, categories=CATEGORY_WORDS, policies=POLICY_WORDS, payments=PAYMENT_WORDS,
        outcomes={
            each.crawler.name: outcome(each.crawler, in_force.as_rule()) for each in found
        },
    )  # fmt: skip
