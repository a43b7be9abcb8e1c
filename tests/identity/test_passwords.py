"""Operators' passwords: slow in production, and as slow for nobody."""

import time

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from service.identity.passwords import (
    ARGON2ID,
    LONGEST_PASSWORD,
    MINIMUM_PASSWORD_LENGTH,
    AccountRefused,
    Passwords,
)
from tests.passwords import QUICK

PASSWORD = "correct horse battery"


def test_production_hashes_by_rfc_9106() -> None:
    stored = ARGON2ID.hashed(PASSWORD)
    assert extract_parameters(stored) == RFC_9106_LOW_MEMORY
    assert ARGON2ID.match(stored, PASSWORD)
    assert not ARGON2ID.match(stored, f"{PASSWORD} ")
    assert ARGON2ID.rehashed(stored, PASSWORD) is None


def test_nobodys_password_takes_as_long() -> None:
    """About: `make bench` compares the answers."""
    passwords = Passwords(PasswordHasher(time_cost=3, memory_cost=8192, parallelism=1))

    def took(stored: str | None) -> float:
        begun = time.thread_time()
        assert not passwords.match(stored, "another horse battery")
        return time.thread_time() - begun

    somebody = passwords.hashed(PASSWORD)
    assert min(took(None) for _ in range(5)) > min(took(somebody) for _ in range(5)) / 2


def test_what_has_other_parameters_is_hashed_anew() -> None:
    stored = QUICK.hashed(PASSWORD)
    renewed = ARGON2ID.rehashed(stored, PASSWORD)
    assert renewed is not None
    assert ARGON2ID.match(renewed, PASSWORD)
    assert QUICK.rehashed(stored, PASSWORD) is None


def test_nothing_matches_nobody_or_what_is_no_hash() -> None:
    assert not QUICK.match(None, PASSWORD)
    assert not QUICK.match("", PASSWORD)
    assert not QUICK.match("$argon2id$", PASSWORD)


@pytest.mark.parametrize("length", [MINIMUM_PASSWORD_LENGTH - 1, LONGEST_PASSWORD + 1])
def test_too_short_and_too_long_passwords_are_refused(length: int) -> None:
    with pytest.raises(AccountRefused, match=str(LONGEST_PASSWORD if length > 99 else "12")):
        QUICK.hashed("a" * length)


@pytest.mark.parametrize("length", [MINIMUM_PASSWORD_LENGTH, LONGEST_PASSWORD])
def test_passwords_of_every_length_between_are_taken(length: int) -> None:
    assert QUICK.match(QUICK.hashed("a" * length), "a" * length)
