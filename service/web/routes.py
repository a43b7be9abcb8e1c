"""The sample newspaper's pages. They work without JavaScript; none of them is part of the API."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import AfterValidator

from service.access.decision import Allow
from service.access.open_pages import note_open_page
from service.access.read import Look, Opened, ReadRequest, WantedByLink
from service.access.reasons import REASONS
from service.access.unlock import AppUnlocking, Unlocking
from service.checkout.limits import LimitedGateway
from service.checkout.returned import remember_claim
from service.checkout.schemas import Short, Text
from service.checkout.start import Order, start_checkout
from service.content.article import StoredArticle
from service.content.visibility import is_visible
from service.crawlers.robots import license_link
from service.db.context import AppContext, Context
from service.db.session import ReadSession
from service.grants.gift_terms import GIVING_SOURCES
from service.grants.institution_reads import InstitutionReads
from service.html.redirect import see_other
from service.identity.callers import ArticleReader, CurrentReader, IsPrefetch
from service.identity.cookies import read_cookie
from service.identity.declarations import PUBLIC
from service.identity.devices import pseudonym
from service.identity.handover import remember_device
from service.identity.return_to import checked_return_to
from service.identity.touches import LONGEST_REFERRER, Touch, touch_of
from service.metering.ledger import Ledger
from service.offers.pricing import MOST_SEATS
from service.problems import CATALOGUE, Problem
from service.rules.in_force import AppInForce
from service.running import running_of
from service.texts import storable
from service.web import (
    access_routes,
    account_routes,
    address_routes,
    crawler_routes,
    erase_routes,
    gift_routes,
    gift_subscription_routes,
    institution_routes,
    preview_routes,
    rights_routes,
    seat_routes,
    sign_in_routes,
)
from service.web.account import given_line
from service.web.article import (
    ArticleRoute,
    article_page,
    opened_view,
    opens_at_once,
    seen_view,
    walled_view,
)
from service.web.banner import payment_banner
from service.web.front import FrontQuery, front_page, more_articles
from service.web.landing import campaign_of, landing_of
from service.web.notices_seen import days_since_seen
from service.web.pages import GET, PageRoute, page, problem_page
from service.web.sign_in import visitor_of
from service.web.sign_in_routes import Ticked
from service.web.static_files import FILES
from service.web.thanks import thanks_for
from service.web.walls_seen import WallsSeen, wall_entry

router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.include_router(account_routes.router)
router.include_router(access_routes.router)
router.include_router(sign_in_routes.router)
router.include_router(erase_routes.router)
router.include_router(address_routes.router)
router.include_router(rights_routes.router)
router.include_router(institution_routes.router)
router.include_router(preview_routes.router)
router.include_router(gift_routes.router)
router.include_router(crawler_routes.router)
router.include_router(gift_subscription_routes.router)
router.include_router(seat_routes.router)
articles = APIRouter(route_class=ArticleRoute, include_in_schema=False)

Slug = Annotated[str, Path(max_length=1000)]
Referrer = Annotated[str, AfterValidator(storable), Form(max_length=LONGEST_REFERRER)]


@router.api_route("/", methods=GET)
async def show_front(
    request: Request,
    asked: Annotated[FrontQuery, Query()],
    caller: ArticleReader,
    session: ReadSession,
    context: AppContext,
    in_force: AppInForce,
) -> Response:
    """The front page, a section of it, or what is older."""
    front = await front_page(session, asked, in_force, context.clocks.business())
    if asked.section and asked.section not in front.sections:
        raise Problem("not-found", "Section not found. Check its name.")
    owing = await payment_banner(session, caller, context)
    return page(request, "front.html", front=front, asked=asked, owing=owing)


@articles.api_route("/articles/{slug}", methods=GET)
async def show_article(
    slug: str,
    read: WantedByLink,
    request: Request,
    session: ReadSession,
    context: AppContext,
    unlocking: AppUnlocking,
    in_force: AppInForce,
    prefetch: IsPrefetch,
) -> Response:
    """As much of the article as is open to the reader without counting anything."""
    article, caller, now = read.article, read.caller, context.clocks.business()
    if article.slug != slug and (read.staff or is_visible(article, now)):
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/articles/{article.slug}{query}", status_code=301)
    is_seen = request.method == "GET" and not prefetch
    if is_seen:
        read = read._replace(seen=days_since_seen(request, now, in_force.settings))
    seen = await unlocking.look(session, read, _touch(request, context))
    view = seen_view(article, seen, in_force, now)
    if is_seen:
        _record_page(request, context, read, seen, unlocking)
    more = await more_articles(session, article.slug, in_force, now)
    visitor = await visitor_of(session, caller, context.settings)
    owing = await payment_banner(session, caller, context)
    thanks = await thanks_for(session, caller, context)
    gives = seen.outcome.reason in GIVING_SOURCES
    response = article_page(
        request, view, more, visitor, owing=owing, thanks=thanks, gives=gives,
        staff_line=_staff_line(article, seen.outcome.reason, now),
    )  # fmt: skip
    crawlers = in_force.rules.crawlers
    if crawlers.license is not None and crawlers.needs_license(article.section):
        public_url = in_force.settings.public_url
        response.headers["Link"] = license_link(public_url, crawlers, article.slug)
    return response


def _staff_line(article: StoredArticle, reason: str, now: datetime) -> str:
    """What is said to an operator whose session opens the article; empty where something else decided."""
    if reason != "staff":
        return ""
    hidden = "" if is_visible(article, now) else " Readers can’t see it now."
    return f"{REASONS[reason].readers}{hidden}"


def _touch(request: Request, context: Context) -> Touch:
    """What led here, by the page's own address and the header."""
    campaign = campaign_of(request.query_params)
    return touch_of(landing_of(request).referrer, campaign, context.settings)


def _record_page(
    request: Request, context: Context, read: ReadRequest, seen: Look, unlocking: Unlocking
) -> None:
    """Note what the page shows at once, for the ledger: the whole article, or a wall."""
    caller, running = read.caller, running_of(request)
    if not REASONS[seen.outcome.reason].by_reader:
        return
    if opens_at_once(seen):
        now = context.clocks.business()
        if isinstance(seen.outcome, Allow):
            reads = running.get(InstitutionReads)
            reads.note(seen.outcome.reference, caller.domain, now)
        device = pseudonym(caller.device_id) if caller.device_id else None
        unlocking.note_use(read, device, now.astimezone(context.settings.zone).date())
        note_open_page(
            running.get(Ledger), context, read.article, reader_id=caller.reader_id,
            device=device, reason=seen.outcome.reason, variant=seen.variant, audience=seen.audience,
            prompt=seen.notice.prompt if seen.notice is not None else None,
        )  # fmt: skip
    elif (entry := wall_entry(request, context, read, seen)) is not None:
        running.get(WallsSeen).note(entry)


@articles.post("/articles/{slug}")
async def read_on(
    read: WantedByLink,
    request: Request,
    session: ReadSession,
    context: AppContext,
    unlocking: AppUnlocking,
    in_force: AppInForce,
    referrer: Referrer = "",
) -> Response:
    """The read, for browsers without JavaScript: counts, and shows the opened article at once."""
    article, caller, settings = read.article, read.caller, context.settings
    touch = touch_of(referrer, campaign_of(request.query_params), settings)
    now = context.clocks.business()
    read = read._replace(seen=days_since_seen(request, now, in_force.settings))
    outcome = await unlocking.unlock(read, touch)
    more = await more_articles(session, article.slug, in_force, now)
    visitor = await visitor_of(session, caller, settings)
    owing = await payment_banner(session, caller, context)
    if isinstance(outcome, Opened):
        meter = outcome.meter if outcome.reason == "meter" else None
        view = opened_view(article, meter, in_force, now, outcome.notice)
        status_code, reason = 200, outcome.reason
    else:
        view, status_code = walled_view(article, outcome.wall, outcome.meter, in_force, now), 402
        reason = outcome.wall.reason
    thanks = await thanks_for(session, caller, context)
    response = article_page(
        request, view, more, visitor, owing=owing, thanks=thanks, status_code=status_code,
        staff_line=_staff_line(article, reason, now),
    )  # fmt: skip
    remember_device(request, response, caller, outcome.device_id)
    return response


router.include_router(articles)


@router.api_route("/account/", methods=GET, dependencies=[PUBLIC])
@router.api_route("/articles/{slug}/", methods=GET, dependencies=[PUBLIC])
async def redirect_without_slash(request: Request) -> Response:
    """People type it. The framework's own redirect would name whatever host the request names."""
    return RedirectResponse(request.url.path.rstrip("/"))


@router.post("/subscribe")
async def subscribe(
    request: Request,
    caller: CurrentReader,
    context: AppContext,
    gateway: LimitedGateway,
    offer: Annotated[Short, Form()],
    return_to: Annotated[Text, Form()] = "/account",
    article: Annotated[Short | None, Form()] = None,
    referrer: Referrer = "",
    newsletter: Ticked = None,
    seats: Annotated[int, Form(ge=1, le=MOST_SEATS)] = 1,
    despite_access: Ticked = None,
) -> Response:
    """To Stripe's page for the offer; who has a subscription already goes to the account, and who reads it
    otherwise is asked once more.

    `article` is what a pass for one article shall open.
    """
    return_to = checked_return_to(return_to, context.settings)
    claim = read_cookie(request, "checkout", context.settings)
    try:
        touch = touch_of(referrer, campaign_of(request.query_params), context.settings)
        order = Order(
            offer,
            return_to,
            caller,
            claim,
            article=article,
            touch=touch,
            newsletter=newsletter,
            seats=seats,
            despite_access=bool(despite_access),
        )
        started = await start_checkout(context, gateway, order)
    except Problem as problem:
        if problem.slug == "already-subscribed":
            return see_other("/account")
        if problem.slug == "has-access":
            return _ask_once_more(request, order, referrer, problem, context.settings.zone)
        needs_sign_in = problem.slug == "unauthenticated"
        return problem_page(request, problem, link=None if needs_sign_in else return_to)
    response = see_other(started.url)
    remember_claim(response, started.claim, context.settings)
    return response


def _ask_once_more(
    request: Request, order: Order, referrer: str, problem: Problem, zone: ZoneInfo
) -> Response:
    """What the reader has already, with the same order to be confirmed."""
    until = problem.members["until"]
    ends_at = datetime.fromisoformat(until) if until is not None else None
    held = given_line(problem.members["source"], problem.members["scope"], ends_at, zone)
    again = {
        "offer": order.offer_id, "return_to": order.return_to, "seats": order.seats,
        "referrer": referrer, "despite_access": "true",
    }  # fmt: skip
    if order.newsletter:
        again["newsletter"] = "true"
    status = problem.type.status
    return page(request, "has_access.html", status_code=status, held=held, order=again)


@router.api_route("/problems", methods=GET, dependencies=[PUBLIC])
async def list_problems(request: Request) -> Response:
    """Every type of problem that the API answers."""
    return page(request, "problems.html", problems=CATALOGUE)


@router.api_route("/problems/{slug}", methods=GET, dependencies=[PUBLIC])
async def explain_problem(slug: Slug, request: Request) -> Response:
    """What the `type` of a problem leads to."""
    if slug not in CATALOGUE:
        raise Problem("not-found", "Unknown problem type.")
    return page(request, "problem.html", slug=slug, definition=CATALOGUE[slug])


@router.api_route("/static/{name}", methods=GET, dependencies=[PUBLIC])
async def read_static_file(name: Slug, request: Request) -> Response:
    """The stylesheet and the scripts. Public."""
    if name not in FILES:
        raise Problem("not-found")
    return FILES[name].answer(request)
