"""Two whole applications on one database: readers fetch tokens from either and use them at either.

Meanwhile keys rotate. An edge keeps the key set for exactly as long as its answer allows.
"""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from service.db.session import Database
from service.identity.cookies import cookie_name
from service.identity.secrets import derived_key
from service.problems import Problem
from service.settings import Settings
from service.tokens.key_pairs import check_jwk
from service.tokens.keys import PUBLISHED_BEFORE_USE, KeyRingHolder, rotate
from service.tokens.ring import KeyRing
from service.tokens.signing import verify
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

STEP = timedelta(minutes=2)
"""Longer than one instance may take to hear of what another has done."""
ACCESS_AGES, UNLOCK_AGES = (0, 2, 4), (0, 2)
"""Steps since the tokens that are tried were fetched; an unlock token may be half its life old then."""


class Edge:
    """Knows the service by `/.well-known/jwks.json` alone."""

    def __init__(self, paywall: Paywall) -> None:
        self.paywall = paywall
        self.keys: tuple[Any, ...] = ()
        self.good_until: datetime | None = None

    async def accepts(self, token: str) -> bool:
        now = self.paywall.clocks.wall()
        if self.good_until is None or now >= self.good_until:
            answer = await self.paywall.client.get("/.well-known/jwks.json")
            max_age = re.search(r"max-age=(\d+)", answer.headers["cache-control"])
            assert max_age is not None
            self.keys = tuple(check_jwk(jwk) for jwk in answer.json()["keys"])
            self.good_until = now + timedelta(seconds=int(max_age[1]))
        settings = self.paywall.settings
        ring = KeyRing(self.keys, self.keys[0].kid, None)
        try:
            verify(token, ring, issuer=settings.public_url, audience=settings.publication, now=now)
        except Problem:
            return False
        return True


@dataclass
class Fetched:
    """Tokens of both kinds, from each application."""

    access: list[str] = field(default_factory=list)
    unlock: list[str] = field(default_factory=list)


async def fetched(paywalls: list[Paywall]) -> Fetched:
    tokens = Fetched()
    for paywall in paywalls:
        unlocked, access = await asyncio.gather(paywall.unlock("a"), paywall.access_token())
        tokens.access.append(access)
        tokens.unlock.append(unlocked.json()["token"])
    return tokens


def in_use(history: list[Fetched]) -> list[str]:
    access = [history[-1 - age].access for age in ACCESS_AGES if age < len(history)]
    unlock = [history[-1 - age].unlock for age in UNLOCK_AGES if age < len(history)]
    return [token for tokens in (*access, *unlock) for token in tokens]


@on_sqlite
async def test_readers_of_two_instances_notice_no_rotation(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with AsyncExitStack() as stack:
        paywalls = [
            await stack.enter_async_context(inside(database, settings, clocks)) for _ in range(2)
        ]
        await paywalls[0].publish("a")
        await paywalls[0].sign_in("everything")
        name = cookie_name("session", settings)
        paywalls[1].client.cookies.set(name, paywalls[0].client.cookies[name], domain="127.0.0.1")
        edges = [Edge(paywall) for paywall in paywalls]
        history: list[Fetched] = []
        kids, refused = set(), []
        for step in range(12):
            for paywall in paywalls:
                await paywall.app.running.get(KeyRingHolder).refresh(paywall.database)
                kids.add(paywall.app.running.get(KeyRingHolder).current.active_kid)
            history.append(await fetched(paywalls))
            tokens = in_use(history)
            answers = await asyncio.gather(
                *(paywall.full("a", token) for paywall in paywalls for token in tokens)
            )
            refused += [answer.text for answer in answers if answer.status_code != 200]
            refused += [t for edge in edges for t in tokens if not await edge.accepts(t)]
            if step and step % (PUBLISHED_BEFORE_USE // STEP) == 0:
                async with database.transaction() as session:
                    await rotate(
                        session,
                        algorithm="ES256",
                        encryption_key=derived_key(settings, "token-keys"),
                        now=clocks.wall(),
                    )
            clocks.travel(STEP)
        assert refused == []
        assert len(kids) == 3
