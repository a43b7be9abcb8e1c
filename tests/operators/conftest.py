"""The back office alone as an application, with operators and a browser that keeps cookies."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from service.billing.watch import WebhookWatch
from service.clock import Clocks
from service.content.cache import ArticleCache
from service.content.rendering import Rendering
from service.db.base import Base
from service.db.session import Database
from service.db.tables import Operator
from service.identity.cookies import cookie_name
from service.identity.devices import device_key
from service.identity.key_uses import KeyUses
from service.identity.operators import create_operator, open_operator_session
from service.identity.second_factor import new_recovery_codes
from service.identity.secrets import derived_key
from service.identity.totp import OneTimeCodes, new_one_time_codes, seal
from service.jobs.runner import Wakes
from service.limits.addresses import NetworkKey
from service.offers.on_sale import OnSale
from service.operators.routes import router
from service.operators.settings.in_force import SettingsInForce
from service.outbox.webhook_targets import Targets
from service.payments.reach import Payments
from service.problems import install_handlers
from service.reports.channel_facts import ChannelWatch
from service.rules.in_force import RuleBook
from service.running import Running, RunningApp
from service.settings import Settings
from service.tokens.keys import KeyRingHolder
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside
from tests.passwords import QUICK
from tests.reports import rows
from tests.running import add_routes

PASSWORD = "correct horse battery"


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


def seen_in(page: str, action: str) -> str:
    """What the page's first form of this action says was seen; as of nothing where there is no such form."""
    form = re.search(rf'method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    found = re.search(r'name="seen" value="([^"]+)"', form[0] if form is not None else "")
    return found[1] if found is not None else "none"


@pytest.fixture
def app(database: Database, settings: Settings, clocks: Clocks) -> RunningApp:
    rules = RuleBook(settings)
    network_key = NetworkKey(derived_key(settings, "networks"))
    app = RunningApp(
        Running(
            database,
            settings,
            rules,
            clocks,
            device_key(settings),
            network_key,
            KeyUses(),
            QUICK,
            Wakes(),
            Payments(None),
            WebhookWatch(),
            ChannelWatch(),
            KeyRingHolder(derived_key(settings, "token-keys")),
            ArticleCache(rules, clocks),
            Rendering(),
            OnSale(database.reading, clocks),
            SettingsInForce.of(settings),
            Targets(only_https=False, allow_private=False),
        )
    )
    add_routes(app, router)
    install_handlers(app)
    return app


@pytest.fixture
async def browser(app: RunningApp, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser without a session; it follows no redirect, so that tests see them."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as browser:
        yield browser


@pytest.fixture
async def browser_at(
    app: RunningApp, settings: Settings
) -> AsyncIterator[Callable[[str], httpx2.AsyncClient]]:
    """Make further browsers, each at an address."""
    made: list[httpx2.AsyncClient] = []

    def make(address: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=app, client=(address, 50_000))
        made.append(httpx2.AsyncClient(transport=transport, base_url=settings.public_url))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


@pytest.fixture
def second_factor(
    database: Database, settings: Settings, clocks: Clocks
) -> Callable[[Operator], Awaitable[tuple[OneTimeCodes, list[str]]]]:
    """Switch an operator's second factor on: the codes of the app, and the recovery codes."""

    async def switch_on(someone: Operator) -> tuple[OneTimeCodes, list[str]]:
        async with database.transaction() as session:
            row = await session.get_one(Operator, someone.id)
            codes = new_one_time_codes()
            row.totp_sealed = seal(codes, row.id, settings)
            row.totp_confirmed_at = clocks.wall()
            return codes, await new_recovery_codes(session, row.id, clocks.wall())

    return switch_on


@pytest.fixture
def operator(database: Database, clocks: Clocks) -> Callable[[str], Awaitable[Operator]]:
    """Make an operator of the role, with PASSWORD."""

    async def make(role: str) -> Operator:
        async with database.transaction() as session:
            return await create_operator(
                session,
                email=f"{role}@example.org",
                password=PASSWORD,
                role=role,
                now=clocks.wall(),
                passwords=QUICK,
            )

    return make


@pytest.fixture
def signed_in(
    database: Database,
    settings: Settings,
    clocks: Clocks,
    browser: httpx2.AsyncClient,
    operator: Callable[[str], Awaitable[Operator]],
) -> Callable[[str], Awaitable[httpx2.AsyncClient]]:
    """The browser with the session of a new operator of the role."""

    async def sign_in(role: str) -> httpx2.AsyncClient:
        someone = await operator(role)
        async with database.transaction() as session:
            secret = await open_operator_session(
                session, someone, now=clocks.wall(), settings=settings
            )
        browser.cookies.set(cookie_name("operator", settings), secret, domain="127.0.0.1")
        return browser

    return sign_in


@pytest.fixture
def store(database: Database) -> Callable[..., Awaitable[None]]:
    """Insert rows, those first that others point to."""

    async def insert(*added: Base) -> None:
        async with database.transaction() as session:
            await rows.put(session, *added)

    return insert


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """The whole application, for what the back office changes elsewhere."""
    async with inside(database, settings, clocks) as made:
        yield made
