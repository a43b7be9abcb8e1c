from datetime import timedelta

import pytest

from service.problems import Problem
from service.tokens.claims import Claims
from service.tokens.key_pairs import generate, public_half
from service.tokens.signing import sign
from service.tokens.verifier import TokenVerifier
from tests.tokens.examples import (
    AUDIENCE,
    ES256_KEY,
    ISSUER,
    NOW,
    Rings,
    access,
    ring_of,
    unlock,
)

TOKEN = sign(access(), ES256_KEY)


@pytest.fixture
def rings() -> Rings:
    return Rings(ring_of(ES256_KEY))


@pytest.fixture
def verifier(rings: Rings) -> TokenVerifier:
    return TokenVerifier(rings, ISSUER, AUDIENCE, maxsize=3)


def is_refused(verifier: TokenVerifier, token: str | bytes, late: timedelta = timedelta(0)) -> bool:
    try:
        verifier.verify(token, NOW + late)
    except Problem:
        return True
    return False


def test_the_second_answer_is_the_remembered_one(verifier: TokenVerifier) -> None:
    first = verifier.verify(TOKEN, NOW)
    assert verifier.verify(TOKEN, NOW) is first
    assert verifier.verify(TOKEN.encode(), NOW) is first
    assert first == access()


def test_expiry_is_checked_at_every_hit(verifier: TokenVerifier) -> None:
    verifier.verify(TOKEN, NOW)
    assert not is_refused(verifier, TOKEN, timedelta(minutes=10, seconds=59))
    assert is_refused(verifier, TOKEN, timedelta(minutes=11))
    assert len(verifier._verified) == 0


def test_a_revoked_key_ends_remembered_tokens(verifier: TokenVerifier, rings: Rings) -> None:
    verifier.verify(TOKEN, NOW)
    rings.current = ring_of(generate("ES256"))
    assert is_refused(verifier, TOKEN)
    assert len(verifier._verified) == 0


def test_a_rotation_keeps_remembered_tokens(verifier: TokenVerifier, rings: Rings) -> None:
    first = verifier.verify(TOKEN, NOW)
    rings.current = ring_of(generate("ES256"), public_half(ES256_KEY))
    assert verifier.verify(TOKEN, NOW) is first


def test_invalid_tokens_are_not_remembered(verifier: TokenVerifier) -> None:
    for token in ("", "a.b.c", TOKEN[:-4] + "AAAA", TOKEN + "\ud800", b"\xff" * 10, "a" * 10_000):
        assert is_refused(verifier, token)
    assert len(verifier._verified) == 0


def test_the_least_recently_used_is_forgotten(verifier: TokenVerifier) -> None:
    tokens = [sign(unlock(token_id=f"tok_{number}"), ES256_KEY) for number in range(4)]
    answers: list[Claims] = [verifier.verify(token, NOW) for token in tokens[:3]]
    verifier.verify(tokens[0], NOW)
    verifier.verify(tokens[3], NOW)
    assert len(verifier._verified) == 3
    assert verifier.verify(tokens[0], NOW) is answers[0]
    assert verifier.verify(tokens[1], NOW) is not answers[1]
