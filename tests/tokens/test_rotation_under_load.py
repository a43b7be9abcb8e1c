"""Keys rotate again and again while two instances on one database sign and verify: nobody is refused.

Time is moved: in each second tokens are signed by both instances and tried at both and at two edges,
which hold only a copy of the key set, as old as its `max-age` allows. One instance hears of changes
at every step, the other as late as the longest background interval.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.db.session import Database
from service.identity.secrets import derived_key
from service.problems import Problem
from service.settings import Settings
from service.tokens.key_pairs import check_jwk, generate
from service.tokens.keys import (
    JWKS_MAX_AGE,
    PUBLISHED_BEFORE_USE,
    SLOWEST_REFRESH,
    KeyRingHolder,
    ensure_keys,
    import_key,
    prune,
    revoke,
    rotate,
)
from service.tokens.ring import KeyRing
from service.tokens.signing import sign
from service.tokens.verifier import TokenVerifier
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.tokens.examples import AUDIENCE, ISSUER, Rings, access

STEP = timedelta(seconds=30)
TEN_MINUTES = timedelta(minutes=10)
REVOKED_EVERYWHERE_WITHIN = timedelta(minutes=15)


@dataclass
class Instance:
    """A serving process: its own connections, its own memory of keys and of verified tokens."""

    database: Database
    secret: bytes
    pause: timedelta
    ring: KeyRingHolder = field(init=False)
    verifier: TokenVerifier = field(init=False)
    refreshed_at: datetime | None = None

    def __post_init__(self) -> None:
        self.ring = KeyRingHolder(self.secret)
        self.verifier = TokenVerifier(self.ring, ISSUER, AUDIENCE)

    async def background(self, now: datetime) -> None:
        if self.refreshed_at is None or now - self.refreshed_at >= self.pause:
            await self.ring.refresh(self.database)
            self.refreshed_at = now

    def accepts(self, token: str, now: datetime) -> bool:
        try:
            self.verifier.verify(token, now)
        except Problem:
            return False
        return True


@dataclass
class Edge:
    """Verifies with a copy of the key set alone, and never fetches it sooner than it must."""

    source: Instance
    fetched_at: datetime | None = None
    verifier: TokenVerifier = field(init=False)

    def accepts(self, token: str, now: datetime) -> bool:
        if self.fetched_at is None or now - self.fetched_at >= JWKS_MAX_AGE:
            published = self.source.ring.current.public_jwks()["keys"]
            keys = tuple(check_jwk(jwk) for jwk in published)
            copy = Rings(KeyRing(keys, keys[0].kid, None))
            self.verifier, self.fetched_at = TokenVerifier(copy, ISSUER, AUDIENCE), now
        try:
            self.verifier.verify(token, now)
        except Problem:
            return False
        return True


@dataclass
class Newsroom:
    """Two instances, an edge behind each, and the tokens that are in circulation."""

    instances: list[Instance]
    clocks: MovingClocks
    secret: bytes
    algorithm: str = "ES256"
    tokens: deque[tuple[datetime, str, str]] = field(default_factory=deque)
    refusals: list[str] = field(default_factory=list)
    checked: int = 0

    def __post_init__(self) -> None:
        self.edges = [Edge(instance) for instance in self.instances]
        self.verifiers: list[Instance | Edge] = [*self.instances, *self.edges]

    @property
    def how(self) -> dict[str, Any]:
        return {
            "algorithm": self.algorithm,
            "encryption_key": self.secret,
            "now": self.clocks.wall(),
        }

    async def restart(self) -> None:
        for instance in self.instances:
            async with instance.database.transaction() as session:
                await ensure_keys(session, **self.how)

    async def live(self, span: timedelta) -> None:
        """Let time pass, with traffic in each of its steps."""
        end = self.clocks.wall() + span
        while self.clocks.wall() < end:
            await self.step()
            self.clocks.travel(STEP)

    async def step(self) -> None:
        now = self.clocks.wall()
        for instance in self.instances:
            await instance.background(now)
            key = instance.ring.current.active
            claims = access(now=now, token_id=f"{key.kid[:8]}-{now:%H%M%S}-{len(self.tokens)}")
            self.tokens.append((now, key.kid, sign(claims, key)))
        while self.tokens and now - self.tokens[0][0] >= TEN_MINUTES:
            self.tokens.popleft()
        for issued, kid, token in self.tokens:
            for verifier in self.verifiers:
                self.checked += 1
                if not verifier.accepts(token, now):
                    self.refusals.append(f"{kid} of {issued:%H:%M:%S} at {now:%H:%M:%S}")
        if now.minute % 5 == 0:
            async with self.instances[0].database.transaction() as session:
                await prune(session, now=now)

    def accepted_anywhere(self, token: str) -> bool:
        now = self.clocks.wall()
        return any(verifier.accepts(token, now) for verifier in self.verifiers)


@pytest.fixture
async def newsroom(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Newsroom]:
    secret = derived_key(settings, "token-keys")
    async with AsyncExitStack() as stack:
        other = Database(settings.database_url)
        stack.push_async_callback(other.dispose)
        made = Newsroom(
            [Instance(database, secret, STEP), Instance(other, secret, SLOWEST_REFRESH)],
            clocks,
            secret,
        )
        await made.restart()
        yield made


async def test_rotation_under_load_refuses_nobody(newsroom: Newsroom) -> None:
    signed_by = set()
    for number in range(5):
        await newsroom.live(PUBLISHED_BEFORE_USE)
        # by either instance in turn, at the first moment at which it is allowed
        async with newsroom.instances[number % 2].database.transaction() as session:
            signed_by.add(await rotate(session, **newsroom.how))
    await newsroom.live(timedelta(minutes=20))
    assert newsroom.refusals == []
    assert len(signed_by) == 5
    assert newsroom.checked > 10_000


@on_sqlite
async def test_another_algorithm_and_an_imported_key_refuse_nobody(newsroom: Newsroom) -> None:
    await newsroom.live(PUBLISHED_BEFORE_USE)
    newsroom.algorithm = "EdDSA"
    await newsroom.restart()
    await newsroom.live(PUBLISHED_BEFORE_USE)
    async with newsroom.instances[1].database.transaction() as session:
        await rotate(session, **newsroom.how)
    await newsroom.live(timedelta(minutes=5))
    imported = generate("EdDSA")
    async with newsroom.instances[0].database.transaction() as session:
        await import_key(session, imported, **newsroom.how)
    await newsroom.live(PUBLISHED_BEFORE_USE)
    async with newsroom.instances[0].database.transaction() as session:
        assert await rotate(session, **newsroom.how) == imported.kid
    await newsroom.live(timedelta(minutes=15))
    assert newsroom.refusals == []
    assert {kid for _, kid, _ in newsroom.tokens} == {imported.kid}


async def test_a_revoked_key_is_refused_everywhere_within_fifteen_minutes(
    newsroom: Newsroom,
) -> None:
    await newsroom.live(PUBLISHED_BEFORE_USE)
    leaked = newsroom.instances[0].ring.current.active
    async with newsroom.instances[0].database.transaction() as session:
        await revoke(session, leaked.kid, **newsroom.how)
    newsroom.clocks.travel(SLOWEST_REFRESH)
    for instance in newsroom.instances:
        await instance.background(newsroom.clocks.wall())
    now = newsroom.clocks.wall()
    for _, kid, token in newsroom.tokens:
        for instance in newsroom.instances:
            assert instance.accepts(token, now) is (kid != leaked.kid)
    await newsroom.live(REVOKED_EVERYWHERE_WITHIN - SLOWEST_REFRESH)
    # even what the thief signs only now
    forged = sign(access(now=newsroom.clocks.wall()), leaked)
    assert not newsroom.accepted_anywhere(forged)
    assert all(newsroom.accepted_anywhere(token) for *_, token in newsroom.tokens)


def test_the_spans_leave_room_for_the_slowest_verifier() -> None:
    """Publication outlives the oldest copy of the key set; retiring is held by test_keys."""
    assert SLOWEST_REFRESH + JWKS_MAX_AGE <= PUBLISHED_BEFORE_USE
