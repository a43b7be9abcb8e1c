"""Assembly: the parts of the service put together as one application, and nothing else."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from service import health
from service.access import gift_routes
from service.access import routes as access_routes
from service.access.answers import UnlockAnswers
from service.access.gathering import Gathering
from service.access.gifts import Gifts
from service.access.hot import HotRoutes
from service.access.openings import Openings
from service.access.reader_memory import ReaderMemory
from service.access.revocations import Revocations
from service.access.sent import PREFIX
from service.access.unlock import Unlocking
from service.access.unlock_tokens import UnlockTokens
from service.billing.watch import WebhookWatch
from service.boundary import BeforeRoutes, Boundary
from service.by_path import ByPath
from service.clock import Clocks
from service.collecting import kept_for_good
from service.content import routes as content_routes
from service.content.cache import ArticleCache
from service.content.rendering import Rendering
from service.crawlers.names import ConfirmedNames, Names, SystemNames
from service.crawlers.verifiers import KnownCrawlers, Verifiers
from service.db.business_clock import follow
from service.db.context import Context, context_in
from service.db.in_time import AnswersInTime
from service.db.session import Database
from service.encoded import Reply, Work
from service.grants.institution_reads import InstitutionReads
from service.grants.link_tokens import link_key
from service.grants.places import InstitutionNetworks
from service.identity.callers import EndedTokens
from service.identity.declarations import PUBLIC, declared_routes
from service.identity.devices import device_key
from service.identity.key_uses import KeyUses
from service.identity.origins import AnswerHeaders, OriginPolicy
from service.identity.passwords import ARGON2ID, Passwords
from service.identity.reader_uses import ReaderUses
from service.identity.secrets import derived_key
from service.jobs.runner import Background, Wakes
from service.known_requests import KnownRequests
from service.late import LatePart, LateRoutes
from service.limits.addresses import NetworkKey
from service.logs import RequestLog
from service.metering.ledger import Ledger
from service.metering.meter import Metering
from service.offers.on_sale import OnSale
from service.operators.settings.in_force import SettingsInForce
from service.outbox.configured import Mailing, mailer_of_settings
from service.outbox.mailer import Mailer
from service.outbox.webhook_client import Poster
from service.outbox.webhook_sender import WebhookSender
from service.outbox.webhook_signing import SEALED_FOR
from service.outbox.webhook_targets import Resolve, Targets, resolve_host
from service.payments.reach import LateGateway, Payments
from service.problems import install_handlers, with_problems
from service.reports.channel_facts import ChannelWatch
from service.reports.kept_gauges import KeptGauges
from service.rules.in_force import RuleBook
from service.running import Running, RunningApp
from service.settings import Settings
from service.tasks import begin_tasks
from service.tokens import routes as tokens_routes
from service.tokens.keys import KeyRingHolder, ensure_keys
from service.tokens.signing import jws
from service.tokens.verifier import TokenVerifier
from service.web.frame import Frame
from service.web.unknown_address import answer_unknown_address
from service.web.walls_seen import WallsSeen

if TYPE_CHECKING:
    from service.payments.gateway import Gateway

TASKS_END_SECONDS, SENDING_ENDS_SECONDS = 3.0, 2.0
LONGEST_CLOSE_SECONDS = TASKS_END_SECONDS + SENDING_ENDS_SECONDS
"""What an application takes to end, at most, once it has answered."""
ROUTERS = (
    content_routes.router,
    access_routes.router,
    gift_routes.router,
    health.router,
)
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
}


class Service(RunningApp):
    """The application; its document describes errors as they are answered."""

    whole_below = PREFIX.encode()

    _describing = Lock()
    _described: tuple[list[BaseRoute], dict[str, Any]] = [], {}

    def __init__(self, running: Running, **options: Any) -> None:
        super().__init__(running, **options)
        self.router.middleware_stack = ByPath(self.router)
        self._hot = HotRoutes(self)
        self.known = KnownRequests()
        self._router = super().__call__

    def openapi(self) -> dict[str, Any]:
        """Made once for all applications with these routes: FastAPI's own making fails where two threads are at it."""
        with self._describing:
            routes, document = Service._described
            if routes != self.routes:
                document = with_problems(super().openapi())
                Service._described = [*self.routes], document
            return document

    def whole(self, scope: Scope, body: bytes, reply: Reply) -> Work | None:
        """As `listening.AnswersWhole` has it: the hot routes' answers."""
        return self._hot.whole(scope, body, reply)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hot(self._router, scope, receive, send)


def create_app(
    settings: Settings,
    *,
    gateway: "Gateway | LateGateway | None",
    clocks: Clocks,
    frame: Frame | None = None,
    mailer: Mailer | None = None,
    passwords: Passwords = ARGON2ID,
    resolve: Resolve = resolve_host,
    names: Names | None = None,
    parts: tuple[object, ...] = (),
    whole: bool = True,
) -> Service:
    """The service on a database that `migrate.prepare` has made ready.

    `gateway` None: nothing is sold. It is closed with everything else when the lifespan ends.
    `mailer` None: the one that the settings ask for. `resolve` looks up where webhooks go, `names` the
    names of crawlers' addresses. `parts` are what the caller's own routers reach besides. Not `whole`: what
    LATE has is made when it is first asked for, and what runs in the background once the service is ready.
    """
    app = Service(
        Running(
            *_held(settings, clocks, resolve, names or SystemNames()),
            Payments(gateway),
            Mailing(mailer or mailer_of_settings(settings)),
            passwords,
            frame or Frame(),
            *parts,
        ),
        title="Paywall",
        description="Metered articles, subscriptions and the tokens that unlock them.",
        version="1",
        lifespan=_living if whole else _living_at_once,
        # The framework's pages load a script from elsewhere, and none of its routes says who may
        # call it; ours are among the newspaper's pages.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Its redirect would lead to whatever host and scheme the request names.
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        routes=[*_first_routes()],
    )
    app.add_middleware(BeforeRoutes)
    if whole:
        app.router.routes += (each for part in LATE for each in part.make())
    else:
        app.add_middleware(LateRoutes, router=app.router, parts=LATE)
    install_handlers(app)
    app.add_exception_handler(404, answer_unknown_address)
    app.add_middleware(AnswersInTime, database=app.running.get(Database))
    app.add_middleware(Boundary, max_body_bytes=settings.max_body_kilobytes * 1024)
    app.add_middleware(OriginPolicy, headers=AnswerHeaders.of(settings))
    app.add_middleware(RequestLog)
    return app


def _held(settings: Settings, clocks: Clocks, resolve: Resolve, names: Names) -> tuple[object, ...]:
    """What the service makes for itself from its settings."""
    database = Database(settings.database_url)
    key_ring = KeyRingHolder(derived_key(settings, "token-keys"))
    revocations = Revocations()
    ledger = Ledger()
    targets = Targets(
        only_https=settings.environment == "production",
        allow_private=settings.webhooks_allow_private_targets,
        resolve=resolve,
    )
    rule_book = RuleBook(settings)
    devices, articles = device_key(settings), ArticleCache(rule_book, clocks)
    on_sale = OnSale(database.reading, clocks)
    unlock_tokens = UnlockTokens(key_ring, settings, revocations)
    context, metering = Context(settings, clocks, database), Metering(database, clocks, ledger)
    networks, crawlers, uses = InstitutionNetworks(), KnownCrawlers(), ReaderUses()
    institution_reads = InstitutionReads(networks, settings.zone)
    gifts = Gifts(context, link_key(settings))
    openings = Openings(context, gifts, networks)
    gathering = Gathering(context, metering, rule_book, networks, openings)
    unlocking = Unlocking(context, gathering, metering, on_sale, gifts, institution_reads, uses)
    return (
        settings,
        clocks,
        database,
        devices,
        NetworkKey(derived_key(settings, "networks")),
        key_ring,
        rule_book,
        articles,
        Rendering(),
        ledger,
        metering,
        on_sale,
        networks,
        institution_reads,
        gifts,
        openings,
        uses,
        crawlers,
        Verifiers.of(crawlers, ConfirmedNames(names, clocks), clocks),
        unlocking,
        UnlockAnswers(context, unlocking, articles, unlock_tokens, devices),
        ReaderMemory(clocks, revocations),
        revocations,
        EndedTokens(revocations.refuse),
        unlock_tokens,
        TokenVerifier(key_ring, settings.public_url, settings.publication),
        KeyUses(),
        Wakes(),
        Background(),
        WebhookWatch(),
        ChannelWatch(),
        KeptGauges(),
        targets,
        WallsSeen(),
        SettingsInForce.of(settings),
        WebhookSender(database, Poster(targets), clocks, derived_key(settings, SEALED_FOR)),
    )


async def make_ready(running: Running) -> None:
    """Load what the first request needs: signing keys, the business clock, revocations."""
    context = context_in(running)
    settings, clocks, database = context.settings, context.clocks, context.database
    async with database.transaction() as session:
        key = derived_key(settings, "token-keys")
        algorithm = settings.token_algorithm
        await ensure_keys(session, algorithm=algorithm, encryption_key=key, now=clocks.wall())
    await follow(database, clocks)
    await running.get(RuleBook).refresh(database)
    await running.get(KeyRingHolder).refresh(database)
    await running.get(Revocations).refresh(database, clocks)
    await running.get(Openings).refresh()
    await running.get(KnownCrawlers).refresh(database)
    await running.get(OnSale).assortment()


async def close(running: Running) -> None:
    """Leave the database: nothing asks it any more."""
    await running.get(Openings).close()
    await running.get(Database).dispose()


@asynccontextmanager
async def _living(app: Service, *, at_once: bool = False) -> AsyncIterator[None]:
    """`at_once`: it is ready before what runs in the background is imported."""
    # Not when it is assembled: the demo adds routes of its own.
    declared_routes(app.routes)
    running = app.running
    await make_ready(running)
    begin_tasks(running, at_once=at_once)
    try:
        yield
    finally:
        await running.get(Background).stop(TASKS_END_SECONDS)
        await running.get(WebhookSender).finish(SENDING_ENDS_SECONDS)
        gateway = running.get(Payments).made
        if gateway is not None:
            await gateway.close()
        await close(running)


_living_at_once = partial(_living, at_once=True)


@cache
def _first_routes() -> Sequence[BaseRoute]:
    """What the framework makes of their signatures serves every application."""
    # The tokens' folder lies below the one that knows who may call what.
    tokens = APIRouter()
    tokens.include_router(tokens_routes.router, dependencies=[PUBLIC])
    return _flat((*ROUTERS, tokens))


def _flat(routers: Iterable[APIRouter]) -> Sequence[BaseRoute]:
    """Their routes side by side: the framework would look at each signature again for every router around it."""
    return tuple(route for router in routers for route in router.routes)


@cache
def _metrics_routes() -> Sequence[BaseRoute]:
    from service import metrics  # noqa: PLC0415 every report's query, which only Prometheus asks for

    return _checked((metrics.router,))


@cache
def _reader_routes() -> Sequence[BaseRoute]:
    from service import reader_routes  # noqa: PLC0415 accounts and purchases: an article is read without

    return _checked(reader_routes.ROUTERS)


@cache
def _pages() -> Sequence[BaseRoute]:
    from service.web import routes  # noqa: PLC0415 many newspapers have pages of their own

    return _checked((routes.router,))


@cache
def _back_office_routes() -> Sequence[BaseRoute]:
    from service import back_office  # noqa: PLC0415 a third of what a start would import (late.py)

    return _checked(back_office.ROUTERS)


def _checked(routers: Iterable[APIRouter]) -> Sequence[BaseRoute]:
    """The routes. RuntimeError, and none is there: one of them doesn't declare who may call it."""
    routes = _flat(routers)
    declared_routes(routes)
    return routes


_DOCUMENT = ("/docs/", "/openapi.json/")
"""What describes all that the API has."""
_OFFICE = ("/admin/", "/v1/admin/", *_DOCUMENT)
LATE = (
    LatePart(
        (
            "/v1/offers/", "/v1/checkout/", "/v1/portal/", "/v1/gift-subscriptions/", "/v1/seats/", "/v1/me/",
            "/v1/sign-in/", "/v1/session/", "/v1/sessions/", "/v1/webhooks/", *_DOCUMENT,
        ),
        _reader_routes,
    ),
    LatePart(
        ("/",), _pages,
        but_not_below=("/v1/", "/.well-known/", "/healthz/", "/readyz/", "/metrics/", *_OFFICE),
    ),
    LatePart(("/metrics/",), _metrics_routes),
    LatePart(_OFFICE, _back_office_routes),
)  # fmt: skip
"""What isn't needed to answer that the service is ready, and to let somebody read an article.

Made together they are looked through in this order: readers' requests don't pass the operators' routes.
"""


def make_all_routes() -> None:
    """Make what every application takes, so that creating one takes no time."""
    from service import background, stripe_tasks, upkeep  # noqa: F401, PLC0415 not by who serves alone

    with kept_for_good():
        jws()
        declared_routes(_first_routes())
        for part in LATE:
            part.make()
