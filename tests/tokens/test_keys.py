import asyncio
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select

from service.db.session import Database
from service.db.tables.tokens import SigningKey
from service.problems import Problem
from service.tokens.key_pairs import (
    Algorithm,
    KeyRefused,
    KeyUnreadable,
    PrivateKey,
    encode_base64url,
    generate,
)
from service.tokens.keys import (
    RETIRING_FOR,
    KeyRingHolder,
    ensure_keys,
    import_key,
    list_keys,
    prune,
    revoke,
    rotate,
)
from service.tokens.ring import KeyRing
from service.tokens.signing import sign, verify
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.tokens.examples import AUDIENCE, ENCRYPTION_KEY, ISSUER, access

OTHER_SECRET = bytes(32)
MINUTE = timedelta(minutes=1)


class Keys:
    """The key functions, each in its own transaction, at the clocks' time."""

    def __init__(
        self,
        database: Database,
        clocks: MovingClocks,
        secret: bytes = ENCRYPTION_KEY,
        algorithm: Algorithm = "ES256",
    ) -> None:
        self.database = database
        self.clocks = clocks
        self.secret = secret
        self.algorithm = algorithm

    def how(self) -> dict[str, Any]:
        return {
            "algorithm": self.algorithm,
            "encryption_key": self.secret,
            "now": self.clocks.wall(),
        }

    async def ensure(self) -> None:
        async with self.database.transaction() as session:
            await ensure_keys(session, **self.how())

    async def rotate(self) -> str:
        async with self.database.transaction() as session:
            return await rotate(session, **self.how())

    async def revoke(self, kid: str) -> None:
        async with self.database.transaction() as session:
            await revoke(session, kid, **self.how())

    async def take(self, key: PrivateKey) -> None:
        async with self.database.transaction() as session:
            await import_key(session, key, **self.how())

    async def prune(self) -> list[str]:
        async with self.database.transaction() as session:
            return await prune(session, now=self.clocks.wall())

    async def ring(self) -> KeyRing:
        holder = KeyRingHolder(self.secret)
        await holder.refresh(self.database)
        return holder.current

    async def kid(self, state: str) -> str:
        (kid,) = [key for key, its_state in (await self.states()).items() if its_state == state]
        return kid

    async def states(self) -> dict[str, str]:
        async with self.database.reading() as session:
            return {key.kid: key.state for key in await list_keys(session)}

    async def a_token(self) -> str:
        return sign(access(now=self.clocks.wall()), (await self.ring()).active)

    async def accepts(self, token: str) -> bool:
        return accepted(token, await self.ring(), self.clocks)


def accepted(token: str, ring: KeyRing, clocks: MovingClocks) -> bool:
    try:
        verify(token, ring, issuer=ISSUER, audience=AUDIENCE, now=clocks.wall())
    except Problem:
        return False
    return True


@pytest.fixture
async def keys(database: Database, clocks: MovingClocks) -> Keys:
    keys = Keys(database, clocks)
    await keys.ensure()
    return keys


async def test_the_first_start_makes_one_active_and_one_next_key(keys: Keys) -> None:
    assert sorted((await keys.states()).values()) == ["active", "next"]
    before = await keys.states()
    await keys.ensure()
    assert await keys.states() == before


async def test_processes_that_start_at_once_share_their_keys(
    database: Database, clocks: MovingClocks
) -> None:
    others = [Database(database.url) for _ in range(4)]
    try:
        await asyncio.gather(*(Keys(other, clocks).ensure() for other in others))
        assert sorted((await Keys(database, clocks).states()).values()) == ["active", "next"]
    finally:
        for other in others:
            await other.dispose()


async def test_rotations_at_once_move_one_step(keys: Keys) -> None:
    former = await keys.kid("next")
    keys.clocks.travel(10 * MINUTE)
    others = [Database(keys.database.url) for _ in range(3)]
    try:
        outcomes = await asyncio.gather(
            *(Keys(other, keys.clocks).rotate() for other in others), return_exceptions=True
        )
    finally:
        for other in others:
            await other.dispose()
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == [former]
    assert sum(isinstance(outcome, KeyRefused) for outcome in outcomes) == 2
    assert sorted((await keys.states()).values()) == ["active", "next", "retiring"]


@on_sqlite
async def test_before_the_first_start_there_is_no_ring(
    database: Database, clocks: MovingClocks
) -> None:
    with pytest.raises(KeyRefused, match="no signing keys yet"):
        await Keys(database, clocks).ring()
    with pytest.raises(KeyRefused, match="no next key yet"):
        await Keys(database, clocks).rotate()


@on_sqlite
async def test_a_key_is_published_for_ten_minutes_before_it_signs(keys: Keys) -> None:
    upcoming = await keys.kid("next")
    keys.clocks.travel(10 * MINUTE - timedelta(seconds=1))
    with pytest.raises(KeyRefused, match=r"Rotate after 09:10:00 UTC"):
        await keys.rotate()
    keys.clocks.travel(timedelta(seconds=1))
    assert await keys.rotate() == upcoming
    assert (await keys.ring()).active.kid == upcoming


@on_sqlite
async def test_a_planned_rotation_refuses_nobody(keys: Keys) -> None:
    early_copy = await keys.ring()
    keys.clocks.travel(10 * MINUTE)
    old_token = await keys.a_token()
    await keys.rotate()
    new_token = await keys.a_token()
    assert accepted(new_token, early_copy, keys.clocks), "an old copy of the key set knows the key"
    keys.clocks.travel(10 * MINUTE)
    assert await keys.prune() == []
    assert await keys.accepts(old_token), "the old key stays as long as its tokens"


async def test_retiring_keys_are_pruned_when_their_tokens_have_died(keys: Keys) -> None:
    first = await keys.kid("active")
    keys.clocks.travel(10 * MINUTE)
    await keys.rotate()
    last_token = await keys.a_token()
    keys.clocks.travel(RETIRING_FOR - timedelta(seconds=1))
    assert await keys.prune() == []
    keys.clocks.travel(timedelta(seconds=1))
    assert not await keys.accepts(last_token)
    assert await keys.prune() == [first]
    assert sorted((await keys.states()).values()) == ["active", "next"]


@on_sqlite
async def test_a_revoked_active_key_is_followed_by_the_next_at_once(keys: Keys) -> None:
    token = await keys.a_token()
    leaked, upcoming = await keys.kid("active"), await keys.kid("next")
    await keys.revoke(leaked)
    assert not await keys.accepts(token)
    ring = await keys.ring()
    assert ring.active.kid == upcoming
    assert ring.find(leaked) is None
    assert leaked not in str(ring.public_jwks())
    assert sorted((await keys.states()).values()) == ["active", "next", "revoked"]
    assert await keys.accepts(await keys.a_token())


@on_sqlite
async def test_next_and_retiring_keys_are_revoked_too(keys: Keys) -> None:
    active, upcoming = await keys.kid("active"), await keys.kid("next")
    await keys.revoke(upcoming)
    assert (await keys.states())[upcoming] == "revoked"
    assert await keys.kid("active") == active
    keys.clocks.travel(10 * MINUTE)
    token = await keys.a_token()
    await keys.rotate()
    await keys.revoke(active)
    assert not await keys.accepts(token)
    assert sorted((await keys.states()).values()) == ["active", "next", "revoked", "revoked"]


@on_sqlite
async def test_a_second_revocation_changes_nothing(keys: Keys) -> None:
    active = await keys.kid("active")
    await keys.revoke(active)
    before = await keys.states()
    await keys.revoke(active)
    assert await keys.states() == before


@on_sqlite
async def test_an_unknown_key_cannot_be_revoked(keys: Keys) -> None:
    with pytest.raises(KeyRefused, match="There is no key nonsense"):
        await keys.revoke("nonsense")


@on_sqlite
async def test_private_keys_are_not_in_the_table(keys: Keys) -> None:
    active = (await keys.ring()).active
    der = active.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    async with keys.database.reading() as session:
        row = (await session.scalars(select(SigningKey).where(SigningKey.kid == active.kid))).one()
    # the private number alone, in the spellings in which a dump could show it
    number = der[36:68]
    text = f"{row.private_encrypted} {row.public_jwk}"
    for spelling in (number.hex(), b64encode(number).decode()[:40], encode_base64url(number)[:40]):
        assert spelling not in text
    assert "PRIVATE" not in text


async def test_a_revoked_private_key_is_erased(keys: Keys) -> None:
    leaked = await keys.kid("active")
    await keys.revoke(leaked)
    async with keys.database.reading() as session:
        row = (await session.scalars(select(SigningKey).where(SigningKey.kid == leaked))).one()
    assert row.private_encrypted == ""


@on_sqlite
async def test_with_another_secret_the_start_says_what_to_do(keys: Keys) -> None:
    other = Keys(keys.database, keys.clocks, OTHER_SECRET)
    with pytest.raises(KeyUnreadable, match="Set the former secret again"):
        await other.ensure()
    keys.clocks.travel(10 * MINUTE)
    before = await keys.states()
    for change in (other.rotate(), other.revoke(await keys.kid("active"))):
        with pytest.raises(KeyUnreadable):
            await change
    assert await keys.states() == before


@on_sqlite
async def test_a_ring_that_cannot_sign_still_verifies(keys: Keys) -> None:
    token = await keys.a_token()
    ring = await Keys(keys.database, keys.clocks, OTHER_SECRET).ring()
    assert accepted(token, ring, keys.clocks)
    with pytest.raises(KeyUnreadable):
        _ = ring.active


@on_sqlite
async def test_keys_of_a_lost_secret_are_given_up_by_revoking_them(keys: Keys) -> None:
    other = Keys(keys.database, keys.clocks, OTHER_SECRET)
    await other.revoke(await keys.kid("next"))
    await other.revoke(await keys.kid("active"))
    await other.ensure()
    assert await other.accepts(await other.a_token())


@on_sqlite
async def test_another_algorithm_takes_effect_with_the_next_rotation(keys: Keys) -> None:
    dropped = await keys.kid("next")
    keys.clocks.travel(10 * MINUTE)
    old_token = await keys.a_token()
    now_eddsa = Keys(keys.database, keys.clocks, algorithm="EdDSA")
    await now_eddsa.ensure()
    assert sorted((await keys.states()).values()) == ["active", "next"]
    assert dropped not in await keys.states()
    assert (await keys.ring()).active.algorithm == "ES256"
    early_copy = await keys.ring()
    with pytest.raises(KeyRefused, match="Rotate after"):
        await now_eddsa.rotate()
    keys.clocks.travel(9 * MINUTE)
    await now_eddsa.ensure()  # a restart doesn't make it wait anew
    keys.clocks.travel(MINUTE)
    old_token = await keys.a_token()
    await now_eddsa.rotate()
    new_token = await keys.a_token()
    assert (await keys.ring()).active.algorithm == "EdDSA"
    assert accepted(new_token, early_copy, keys.clocks)
    assert await keys.accepts(old_token)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_an_imported_key_signs_after_ten_minutes_and_a_rotation(
    database: Database, clocks: MovingClocks, algorithm: Algorithm
) -> None:
    keys = Keys(database, clocks, algorithm=algorithm)
    await keys.ensure()
    active, dropped = await keys.kid("active"), await keys.kid("next")
    clocks.travel(10 * MINUTE)
    pair = generate(algorithm)
    await keys.take(pair)
    assert await keys.states() == {active: "active", pair.kid: "next"}
    assert dropped not in str((await keys.ring()).public_jwks())
    with pytest.raises(KeyRefused, match="Rotate after"):
        await keys.rotate()
    early_copy = await keys.ring()
    clocks.travel(10 * MINUTE)
    assert await keys.rotate() == pair.kid
    assert accepted(await keys.a_token(), early_copy, clocks)


@on_sqlite
@pytest.mark.parametrize("state", ["next", "active", "retiring", "revoked"])
async def test_a_key_that_is_or_was_here_is_not_imported(keys: Keys, state: str) -> None:
    pair = generate("ES256")
    await keys.take(pair)
    keys.clocks.travel(10 * MINUTE)
    if state in {"active", "retiring"}:
        await keys.rotate()
    keys.clocks.travel(10 * MINUTE)
    if state == "retiring":
        await keys.rotate()
    if state == "revoked":
        await keys.revoke(pair.kid)
    before = await keys.states()
    with pytest.raises(KeyRefused, match=f"here already, as {pair.kid}: it is {state}"):
        await keys.take(pair)
    assert await keys.states() == before


@on_sqlite
async def test_an_imported_key_has_the_algorithm_of_the_settings(keys: Keys) -> None:
    before = await keys.states()
    with pytest.raises(KeyRefused, match="PAYWALL_TOKEN_ALGORITHM=EdDSA"):
        await keys.take(generate("EdDSA"))
    assert await keys.states() == before


@pytest.fixture
def holder() -> KeyRingHolder:
    return KeyRingHolder(ENCRYPTION_KEY)


async def test_a_holder_has_no_ring_before_its_first_refresh(holder: KeyRingHolder) -> None:
    assert holder.trouble == "not loaded"
    with pytest.raises(KeyRefused, match="aren't loaded yet"):
        _ = holder.current


@on_sqlite
async def test_a_holder_follows_rotation_and_revocation(keys: Keys, holder: KeyRingHolder) -> None:
    await holder.refresh(keys.database)
    assert holder.trouble == ""
    first = holder.current
    await holder.refresh(keys.database)
    assert holder.current is first, "nothing changed, nothing is decrypted again"
    keys.clocks.travel(10 * MINUTE)
    token = sign(access(now=keys.clocks.wall()), first.active)
    kid = await keys.rotate()
    await holder.refresh(keys.database)
    assert holder.current.active.kid == kid
    assert accepted(token, holder.current, keys.clocks)
    await keys.revoke(first.active.kid)
    await holder.refresh(keys.database)
    assert not accepted(token, holder.current, keys.clocks)
