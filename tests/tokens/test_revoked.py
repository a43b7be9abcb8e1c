from datetime import timedelta

import pytest
from sqlalchemy import func, select

from service.db.session import Database
from service.db.tables.tokens import RevokedClaim
from service.tokens.claims import Claims
from service.tokens.revoked import (
    KEPT_FOR,
    Claim,
    RevokedClaims,
    is_revoked,
    prune_revoked,
    revoke_claim,
    revoked_claims,
)
from tests.conftest import MovingClocks
from tests.tokens.examples import access, unlock

SECOND = timedelta(seconds=1)


class Revoked:
    """The store, each call in a transaction of its own at the clocks' time."""

    def __init__(self, database: Database, clocks: MovingClocks) -> None:
        self.database = database
        self.clocks = clocks

    async def revoke(self, claim: Claim, value: str) -> None:
        async with self.database.transaction() as session:
            await revoke_claim(session, claim, value, now=self.clocks.wall())

    async def found(self) -> RevokedClaims:
        async with self.database.reading() as session:
            return await revoked_claims(session, now=self.clocks.wall())

    async def refuses(self, claims: Claims) -> bool:
        return is_revoked(claims, await self.found())


@pytest.fixture
def revoked(database: Database, clocks: MovingClocks) -> Revoked:
    return Revoked(database, clocks)


@pytest.mark.parametrize(("claim", "value"), [("sid", "ses_1"), ("sub", "rdr_1")])
async def test_what_was_issued_before_is_refused_and_what_comes_later_is_not(
    revoked: Revoked, claim: Claim, value: str
) -> None:
    before = access(now=revoked.clocks.travel(SECOND))
    await revoked.revoke(claim, value)
    assert await revoked.refuses(before) is False, "issued in that very second, on the second"
    revoked.clocks.travel(SECOND / 2)
    await revoked.revoke(claim, value)
    assert await revoked.refuses(before)
    revoked.clocks.travel(SECOND)
    assert not await revoked.refuses(access(now=revoked.clocks.wall()))


async def test_one_token_is_refused_by_its_identifier_for_good(revoked: Revoked) -> None:
    await revoked.revoke("jti", "tok_1")
    assert await revoked.refuses(access(token_id="tok_1"))
    assert await revoked.refuses(access(now=revoked.clocks.wall() + 30 * SECOND, token_id="tok_1"))
    assert not await revoked.refuses(access(token_id="tok_2"))


async def test_a_claim_is_not_taken_for_another(revoked: Revoked) -> None:
    token = access(now=revoked.clocks.wall(), token_id="tok_1")
    revoked.clocks.travel(SECOND)
    for claim, value in (("sid", "rdr_1"), ("sub", "ses_1"), ("jti", "ses_1"), ("sub", "tok_1")):
        await revoked.revoke(claim, value)  # type: ignore[arg-type]  # a literal in a tuple
    assert not await revoked.refuses(token)


async def test_a_token_without_a_session_has_none_to_revoke(revoked: Revoked) -> None:
    token = unlock(now=revoked.clocks.wall(), session_id=None)
    revoked.clocks.travel(SECOND)
    await revoked.revoke("sid", "None")
    assert not await revoked.refuses(token)
    await revoked.revoke("sub", "dev_1")
    assert await revoked.refuses(token)


async def test_the_time_never_moves_back(revoked: Revoked) -> None:
    revoked.clocks.travel(60 * SECOND)
    await revoked.revoke("sub", "rdr_1")
    first = await revoked.found()
    revoked.clocks.travel(-30 * SECOND)
    await revoked.revoke("sub", "rdr_1")
    assert await revoked.found() == first
    revoked.clocks.travel(60 * SECOND)
    await revoked.revoke("sub", "rdr_1")
    assert await revoked.found() == {("sub", "rdr_1"): revoked.clocks.wall()}


async def test_a_row_lives_as_long_as_a_token_that_it_means(revoked: Revoked) -> None:
    await revoked.revoke("jti", "tok_1")
    revoked.clocks.travel(KEPT_FOR - SECOND)
    assert await revoked.found()
    await prune_revoked(revoked.database, now=revoked.clocks.wall())
    assert await revoked.found()
    revoked.clocks.travel(SECOND)
    assert not await revoked.found()
    await prune_revoked(revoked.database, now=revoked.clocks.wall())
    async with revoked.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(RevokedClaim)) == 0
