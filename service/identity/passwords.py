"""Operators' passwords: argon2id, slow by design. Call it in a thread."""

import secrets
from base64 import b64encode
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends

from service.running import part

MINIMUM_PASSWORD_LENGTH = 12
LONGEST_PASSWORD = 1000


class AccountRefused(ValueError):
    """The account or password can't be so; the text is a clause that says why."""


class Passwords:
    """Hashes and checks by one hasher, whose parameters say how slow that is."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        # Checked when the address is unknown, so that the answer takes as long as for a known one.
        self._nobodys = (
            f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
            f"${_random(hasher.salt_len)}${_random(hasher.hash_len)}"
        )

    def hashed(self, password: str) -> str:
        """The hash to store. AccountRefused when the password is too short or too long."""
        if len(password) < MINIMUM_PASSWORD_LENGTH:
            raise AccountRefused(
                f"the password needs at least {MINIMUM_PASSWORD_LENGTH} characters"
            )
        if len(password) > LONGEST_PASSWORD:
            raise AccountRefused(f"the password has more than {LONGEST_PASSWORD} characters")
        return self._hasher.hash(password)

    def rehashed(self, stored: str, password: str) -> str | None:
        """A new hash of this right password where the stored one has other parameters than today's."""
        if not self._hasher.check_needs_rehash(stored):
            return None
        return self._hasher.hash(password)

    def match(self, stored: str | None, password: str) -> bool:
        """Whether the password is right; takes as long for nobody (None) as for somebody."""
        try:
            right = self._hasher.verify(self._nobodys if stored is None else stored, password)
        except (VerificationError, InvalidHashError):
            return False
        return right and stored is not None


def _random(length: int) -> str:
    return b64encode(secrets.token_bytes(length)).decode().rstrip("=")


ARGON2ID = Passwords(PasswordHasher())
"""With the parameters that argon2-cffi recommends today (RFC 9106's second choice)."""


AppPasswords = Annotated[Passwords, Depends(part(Passwords))]
