"""The newspaper's pages behind the real error handlers and origin policy."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.access.answers import UnlockAnswers
from service.access.gathering import Gathering
from service.access.gifts import Gifts
from service.access.openings import Openings
from service.access.revocations import Revocations
from service.access.routes import router as access_router
from service.access.unlock import Unlocking
from service.access.unlock_tokens import UnlockTokens
from service.boundary import Boundary
from service.content.cache import ArticleCache
from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.grants.institution_reads import InstitutionReads
from service.grants.link_tokens import link_key
from service.grants.places import InstitutionNetworks
from service.identity.cookies import cookie_name
from service.identity.devices import device_key
from service.identity.origins import AnswerHeaders, OriginPolicy
from service.identity.reader_uses import ReaderUses
from service.identity.secrets import derived_key
from service.identity.sessions import open_session
from service.jobs.runner import Wakes
from service.limits.addresses import NetworkKey
from service.metering.ledger import Ledger
from service.metering.meter import Metering
from service.offers.on_sale import OnSale
from service.payments.reach import Payments
from service.problems import install_handlers
from service.rules.in_force import InForce, RuleBook
from service.running import Running, RunningApp
from service.settings import Settings
from service.tokens.keys import KeyRingHolder
from service.web.frame import Frame
from service.web.routes import router
from service.web.walls_seen import WallsSeen
from tests.conftest import MovingClocks
from tests.reports import rows
from tests.running import add_routes

SECRET_SENTENCE = "The lighthouse keeper kept a second set of books."
BODY = f"<p>Nobody had asked for the ledger.</p><!--more--><h2>Inside</h2><p>{SECRET_SENTENCE}</p>"


@dataclass(frozen=True)
class Newspaper:
    """The pages, what is behind them, and a browser that follows no redirect by itself."""

    app: RunningApp
    browser: httpx2.AsyncClient
    database: Database
    settings: Settings
    clocks: MovingClocks

    async def publish(self, slug: str, *, days_ago: float = 1, **fields: Any) -> None:
        """Publish an article; what isn't given is usual. `level` is short for its access."""
        level = fields.pop("level", None)
        document = {
            "title": slug.replace("-", " ").capitalize(),
            "body": BODY,
            "published_at": self.clocks.business() - timedelta(days=days_ago),
            "access": {"level": level},
            **fields,
        }
        async with self.database.transaction() as session:
            await store_prepared(
                session,
                prepare(
                    slug, ArticleIn.model_validate(document), InForce.by_default(self.settings)
                ),
                if_match=None,
                actor="test",
                now=self.clocks.business(),
            )

    async def store(self, *added: Base) -> None:
        """Insert rows, those first that others point to."""
        async with self.database.transaction() as session:
            await rows.put(session, *added)

    async def sign_in(self, reader_id: str) -> None:
        """Give the browser a session of this reader."""
        async with self.database.transaction() as session:
            opened = await open_session(
                session, reader_id=reader_id, now=self.clocks.wall(), settings=self.settings
            )
        self.hold(cookie_name("session", self.settings), opened.token)

    def hold(self, name: str, value: str) -> None:
        """Put a cookie into the browser as our own answers would."""
        self.browser.cookies.set(name, value, domain="127.0.0.1")

    async def subscriber(self, **values: Any) -> None:
        """Sign the browser in as a reader with a subscription, and the grant it gives."""
        reader, offer = rows.reader(email="ana@example.org"), rows.offer()
        bought = rows.subscription(reader, offer, **values)
        grant = rows.grant(
            reader, source="subscription", reference=bought.id, scope="plan:digital",
            ends_at=bought.current_period_end,
        )  # fmt: skip
        await self.store(reader, offer, bought, grant)
        await self.sign_in(reader.id)


def reading_parts(
    settings: Settings, database: Database, clocks: MovingClocks
) -> tuple[object, ...]:
    """What decides and counts, by these settings."""
    context, ledger, rules = Context(settings, clocks, database), Ledger(), RuleBook(settings)
    articles, metering = ArticleCache(rules, clocks), Metering(database, clocks, ledger)
    networks, gifts = InstitutionNetworks(), Gifts(context, link_key(settings))
    reads, on_sale = InstitutionReads(networks, settings.zone), OnSale(database.reading, clocks)
    openings = Openings(context, gifts, networks)
    gathering = Gathering(context, metering, rules, networks, openings)
    unlocking = Unlocking(context, gathering, metering, on_sale, gifts, reads, ReaderUses())
    rings = KeyRingHolder(derived_key(settings, "token-keys"))
    tokens = UnlockTokens(rings, settings, Revocations())
    answers = UnlockAnswers(context, unlocking, articles, tokens, device_key(settings))
    return rules, articles, ledger, networks, reads, on_sale, gifts, openings, unlocking, answers


@pytest.fixture
async def newspaper(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Newspaper]:
    app = RunningApp(
        Running(
            settings, database, clocks, device_key(settings),
            *reading_parts(settings, database, clocks),
            NetworkKey(derived_key(settings, "networks")), Frame(), Payments(None), Wakes(),
            WallsSeen(),
        ),
        docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    add_routes(app, access_router, router)
    install_handlers(app)
    app.add_middleware(Boundary, max_body_bytes=1024 * 1024)
    app.add_middleware(OriginPolicy, headers=AnswerHeaders.of(settings))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as browser:
        yield Newspaper(app, browser, database, settings, clocks)
    await app.running.get(Openings).close()
