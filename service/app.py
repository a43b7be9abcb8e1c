"""Assembly: the parts of the service put together as one application, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.telemetry import TelemetryConfig
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from service import health
from service.access import explain_routes
from service.access import routes as access_routes
from service.access.answers import UnlockAnswers
from service.access.hot import HotRoutes
from service.access.reader_memory import ReaderMemory
from service.access.revocations import Revocations
from service.access.unlock import Unlocking
from service.access.unlock_tokens import UnlockTokens
from service.account import routes as account_routes
from service.account.erase import Sweep
from service.billing import inbox
from service.billing import routes as billing_routes
from service.billing.apply_event import apply_due_events
from service.billing.dunning import remind_of_open_payments
from service.billing.inbox import INBOX_TASK
from service.billing.late_renewals import sync_late_renewals
from service.billing.pass_ledger import emit_ended_passes
from service.billing.reconcile_job import RECONCILE_TASK, Reconciler
from service.billing.watch import WebhookWatch
from service.boundary import Boundary
from service.checkout import routes as checkout_routes
from service.clock import Clocks
from service.content import routes as content_routes
from service.content.cache import ArticleCache
from service.content.rendering import Rendering
from service.db.business_clock import follow
from service.db.context import Context, context_in
from service.db.session import Database
from service.grants import claim_routes, institution_routes, right_routes
from service.grants import routes as grants_routes
from service.grants.institution_reads import InstitutionReads
from service.grants.places import InstitutionNetworks
from service.identity import address_changes, sign_in_requests
from service.identity.api_keys import KeyUses
from service.identity.callers import Actor, EndedTokens, requires
from service.identity.declarations import PUBLIC, declared_routes
from service.identity.devices import device_key
from service.identity.operators import prune_operator_sessions
from service.identity.origins import AnswerHeaders, OriginPolicy
from service.identity.passwords import ARGON2ID, Passwords
from service.identity.permissions import Permission
from service.identity.secrets import derived_key
from service.jobs import queue as jobs
from service.jobs.runner import Runner, Task, Wakes
from service.limits import rate
from service.limits.addresses import NetworkKey
from service.logs import RequestLog
from service.metering.ledger import Ledger
from service.metering.meter import Metering
from service.metering.partitions import tend_ledger
from service.offers import routes as offers_routes
from service.offers.mirror import mirror_offers
from service.offers.on_sale import OnSale
from service.offers.portal import PortalMirror
from service.operators import api as operators_api
from service.operators import routes as operators_routes
from service.operators.settings.in_force import SettingsInForce
from service.operators.weekly_mail import WeeklyMail
from service.outbox import queue, webhooks
from service.outbox.mailer import Mailer
from service.outbox.mails import MAIL_TASK
from service.outbox.sender import mailer_of_settings, send_due_mails
from service.outbox.webhook_client import Poster
from service.outbox.webhook_sender import WebhookSender
from service.outbox.webhook_signing import SEALED_FOR
from service.outbox.webhook_targets import Resolve, Targets, resolve_host
from service.payments.asking import Payments
from service.payments.gateway import Gateway, GatewayUnavailable
from service.problems import Problem, install_handlers, with_problems
from service.reports import routes as reports_routes
from service.reports.channel_facts import ChannelWatch
from service.reports.day_rollup import count_days, prune_holder_days
from service.reports.gauges import FigureGauges
from service.reports.movement_rollup import roll_up_movements
from service.reports.rollups import roll_up
from service.rules.in_force import RuleBook
from service.running import Running, RunningApp
from service.settings import Settings
from service.tokens import routes as tokens_routes
from service.tokens.keys import KeyRingHolder, ensure_keys, prune
from service.tokens.revoked import prune_revoked
from service.tokens.verifier import TokenVerifier
from service.web import api_page
from service.web import routes as web_routes
from service.web.pages import Frame
from service.web.unknown_address import answer_unknown_address
from service.web.walls_seen import WallsSeen

ROUTERS = (
    content_routes.router,
    access_routes.router,
    explain_routes.router,
    offers_routes.router,
    checkout_routes.router,
    account_routes.router,
    billing_routes.router,
    grants_routes.router,
    right_routes.router,
    claim_routes.router,
    institution_routes.router,
    reports_routes.router,
    health.router,
    operators_api.router,
    operators_routes.router,
    web_routes.router,
    api_page.router,
)
log = structlog.get_logger()

_MINUTE, _QUARTER, _HOUR = 60.0, 900.0, 3600.0
_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
}


class Service(RunningApp):
    """The application; its document describes errors as they are answered."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = with_problems(super().openapi())
        return self.openapi_schema

    def __init__(self, running: Running, **options: Any) -> None:
        super().__init__(running, **options)
        self._hot = HotRoutes(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hot(super().__call__, scope, receive, send)


@dataclass(frozen=True)
class _Mailing:
    """`mailer` None: no mail is sent, so nobody can sign in by mail."""

    mailer: Mailer | None


def create_app(
    settings: Settings,
    *,
    gateway: Gateway | None,
    clocks: Clocks,
    frame: Frame | None = None,
    mailer: Mailer | None = None,
    passwords: Passwords = ARGON2ID,
    resolve: Resolve = resolve_host,
    parts: tuple[object, ...] = (),
) -> Service:
    """The service on a database that `migrate.prepare` has made ready.

    `gateway` None: nothing is sold. It is closed with everything else when the lifespan ends.
    `mailer` None: the one that the settings ask for. `resolve` looks up where webhooks go. `parts`
    are what the caller's own routers reach besides.
    """
    app = Service(
        Running(
            *_held(settings, clocks, resolve),
            Payments(gateway),
            _Mailing(mailer or mailer_of_settings(settings)),
            passwords,
            frame or Frame(),
            *parts,
        ),
        title="Paywall",
        description="Metered articles, subscriptions and the tokens that unlock them.",
        version="1",
        lifespan=_lifespan,
        # The framework's pages load a script from elsewhere, and none of its routes says who may
        # call it; ours are among the newspaper's pages.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Its redirect would lead to whatever host and scheme the request names.
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        routes=[*_assembled().routes],
    )
    _answer_unknown_staff_paths(app)
    install_handlers(app)
    app.add_exception_handler(404, answer_unknown_address)
    app.add_middleware(Boundary, max_body_bytes=settings.max_body_kilobytes * 1024)
    app.add_middleware(OriginPolicy, headers=AnswerHeaders.of(settings))
    app.add_middleware(RequestLog)
    return app


def _held(settings: Settings, clocks: Clocks, resolve: Resolve) -> tuple[object, ...]:
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
    networks = InstitutionNetworks()
    institution_reads = InstitutionReads(networks, settings.zone)
    unlocking = Unlocking(context, metering, on_sale, rule_book, institution_reads)
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
        unlocking,
        UnlockAnswers(context, unlocking, articles, unlock_tokens, devices),
        ReaderMemory(clocks, revocations),
        revocations,
        EndedTokens(revocations.refuse),
        unlock_tokens,
        TokenVerifier(key_ring, settings.public_url, settings.publication),
        KeyUses(),
        Wakes(),
        WebhookWatch(),
        ChannelWatch(),
        FigureGauges(),
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
    await running.get(InstitutionNetworks).refresh(database, clocks)


@asynccontextmanager
async def _lifespan(app: Service) -> AsyncIterator[None]:
    # Not when it is assembled: the demo adds routes of its own.
    declared_routes(app.routes)
    running, context = app.running, context_in(app.running)
    await make_ready(running)
    runner = Runner(
        (
            *_steady_tasks(running),
            *_stripe_tasks(running, context, running.get(Payments).gateway),
            *_pruning_tasks(context),
        ),
        context.settings.background_interval_seconds,
        running.get(Wakes),
    )
    runner.start()
    try:
        yield
    finally:
        await runner.stop()
        await running.get(WebhookSender).finish()
        gateway = running.get(Payments).gateway
        if gateway is not None:
            await gateway.close()
        await running.get(Database).dispose()


def _steady_tasks(running: Running) -> tuple[Task, ...]:
    """What every installation does, whether or not anything is sold."""
    database, clocks, context = running.get(Database), running.get(Clocks), context_in(running)
    ledger, walls_seen, key_uses = running.get(Ledger), running.get(WallsSeen), running.get(KeyUses)
    articles, key_ring = running.get(ArticleCache), running.get(KeyRingHolder)
    rule_book, networks = running.get(RuleBook), running.get(InstitutionNetworks)
    institution_reads = running.get(InstitutionReads)
    revocations, mailer = running.get(Revocations), running.get(_Mailing).mailer

    async def send_mails() -> None:
        if mailer is not None:
            await send_due_mails(database, mailer, clocks)

    async def write_ledger() -> None:
        await ledger.flush(database)
        await walls_seen.flush(database)  # it looks at the walls that unlock has met

    return (
        Task(MAIL_TASK, send_mails),
        Task("webhooks", running.get(WebhookSender).begin),
        Task("ledger", write_ledger),
        Task("key uses", lambda: key_uses.flush(database)),
        Task("clock", lambda: follow(database, clocks)),
        Task("rules", lambda: rule_book.refresh(database)),
        Task("institutions", lambda: networks.refresh(database, clocks)),
        Task("institutions' reads", lambda: institution_reads.flush(database)),
        Task("articles", lambda: articles.refresh(database)),
        Task("keys", lambda: key_ring.refresh(database)),
        Task("revocations", lambda: revocations.refresh(database, clocks)),
        Task("channels", lambda: running.get(ChannelWatch).warn(running), pause=_MINUTE),
        Task("open payments", lambda: remind_of_open_payments(context), pause=_MINUTE),
        Task("ended passes", lambda: emit_ended_passes(database, clocks), pause=_MINUTE),
    )


def _stripe_tasks(running: Running, context: Context, gateway: Gateway | None) -> tuple[Task, ...]:
    """What asks Stripe; an erasure is finished here even where nothing is sold any more."""
    sweep = Sweep()
    sweeping = Task("erased readers", lambda: sweep(context, gateway), pause=_MINUTE)
    if gateway is None:
        return (sweeping,)
    portal, watch = PortalMirror(), running.get(WebhookWatch)

    async def mirror() -> None:
        try:
            await mirror_offers(context.database, gateway)
            await portal.run(context.database, gateway, context.settings.publication)
        except GatewayUnavailable as error:
            log.warning("offers.waiting", reason=str(error))

    return (
        sweeping,
        Task(INBOX_TASK, lambda: apply_due_events(context, gateway)),
        Task(RECONCILE_TASK, Reconciler(context, gateway).round, pause=_MINUTE),
        Task("offers", mirror, pause=_MINUTE),
        Task("webhooks' watch", lambda: watch.look(context, gateway), pause=_QUARTER),
        Task("renewals", lambda: sync_late_renewals(context, gateway), pause=_MINUTE),
    )


def _pruning_tasks(context: Context) -> tuple[Task, ...]:
    database, clocks = context.database, context.clocks

    async def tend() -> None:
        # First: what is dropped isn't there any more to be added up.
        try:
            await roll_up(context)
            await count_days(context)
            await prune_holder_days(context)
        finally:
            await tend_ledger(context)

    async def prune_keys() -> None:
        async with database.transaction() as session:
            await prune(session, now=clocks.wall())
            await prune_revoked(session, now=clocks.wall())

    async def prune_limits() -> None:
        async with database.transaction() as session:
            await rate.prune(session, clocks.wall())
            await sign_in_requests.prune(session, clocks.wall())
            await address_changes.prune(session, clocks.wall())
            await prune_operator_sessions(session, clocks.wall())

    async def prune_mails() -> None:
        async with database.transaction() as session:
            await queue.prune(session, clocks.wall())
            await webhooks.prune(session, clocks.wall())
            await jobs.prune(session, clocks.wall())
            await inbox.prune(session, clocks.wall())

    return (
        Task("old keys", prune_keys, pause=_HOUR),
        Task("old limits", prune_limits, pause=_HOUR),
        Task("old mails", prune_mails, pause=_HOUR),
        Task("ledger's months", tend, pause=_MINUTE),
        Task("movements by day", lambda: roll_up_movements(context), pause=_MINUTE),
        Task("weekly mail", WeeklyMail(context).round, pause=_MINUTE),
    )


@cache
def _assembled() -> APIRouter:
    """All routers together: what the framework makes of their signatures serves every application."""
    together = APIRouter()
    for router in ROUTERS:
        together.include_router(router)
    # The tokens' folder lies below the one that knows who may call what.
    together.include_router(tokens_routes.router, dependencies=[PUBLIC])
    return together


async def _find_nothing(
    request: Request, _: Annotated[Actor, Depends(requires(Permission.STAFF))]
) -> None:
    # No closure: the framework remembers endpoints for good, and whatever application they hold.
    path = request.url.path
    known = [c for c in iter_route_contexts(request.app.routes) if c.endpoint is not _find_nothing]
    allowed = {m for c in known if c.path_regex.match(path) for m in c.methods or ()}
    if allowed:
        raise Problem("method-not-allowed", headers={"Allow": ", ".join(sorted(allowed))})
    raise Problem("not-found")


def _answer_unknown_staff_paths(app: FastAPI) -> None:
    """401 without credentials on whatever else is under /v1/admin: nobody can map it."""
    for path in ("/v1/admin", "/v1/admin/{unknown:path}"):
        app.add_api_route(path, _find_nothing, methods=_ALL_METHODS, include_in_schema=False)
