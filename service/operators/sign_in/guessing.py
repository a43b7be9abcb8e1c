"""Limits against guessing passwords and codes, made so that nobody can lock somebody else out.

Wrong passwords are counted for the account *and* where they come from: a stranger who guesses locks
the account for the stranger's own network only. A browser in which the operator has signed in before
is known by its signed device cookie and has its own counter, so that guesses from the very same
network don't touch it. Wrong codes count like wrong passwords; besides, those for one account are
limited over all networks, which only somebody who knows the password can use up, and never in a
browser that the operator has used.

An attempt is counted before anything is checked, so that parallel ones count exactly, and uncounted
where it was right.
"""

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import Database
from service.identity.operators import knows_device, normalised_email
from service.identity.secrets import derived_key
from service.limits.rate import Limit, forget, give_back, take_each
from service.settings import Settings

_QUARTER = timedelta(minutes=15)
TOLD = "Too many failed attempts."
ACCOUNT = Limit("operator-guesses", 10, _QUARTER, TOLD)
"""For an account and a network, or an account and a browser that it knows."""
NETWORK = Limit("operator-network", 100, _QUARTER, TOLD)
"""For a network, whatever the accounts."""
CODES = Limit("operator-codes", 30, timedelta(hours=1), TOLD)
"""For an account, whatever the network: a code has six digits only."""


@dataclass(frozen=True)
class AttemptSource:
    """Where an attempt comes from: the client's network, and the device where it has one."""

    network: str
    device: str | None
    """The pseudonym of the device id in the browser's signed cookie."""


@dataclass(frozen=True)
class Guess:
    """An attempt that was counted, and by which counters."""

    counters: tuple[tuple[Limit, str], ...]


@dataclass(frozen=True)
class TooMany:
    """An attempt that wasn't even looked at, and how long to wait."""

    wait: timedelta

    @property
    def seconds(self) -> int:
        return max(1, math.ceil(self.wait.total_seconds()))

    @property
    def sentence(self) -> str:
        minutes = math.ceil(self.seconds / 60)
        return f"{TOLD} Try again in {minutes} minute{'' if minutes == 1 else 's'}."


async def begin_guess(
    database: Database,
    email: str,
    source: AttemptSource,
    *,
    settings: Settings,
    now: datetime,
    of_code: bool = False,
) -> Guess | TooMany:
    """Count an attempt at this account, known or not, in a transaction of its own.

    `now` is wall time. What is refused isn't counted.
    """
    account = _hidden(normalised_email(email), settings)
    async with database.transaction() as session:
        counters = await _counters(session, email, account, source, of_code=of_code)
        refused = await take_each(session, counters, now)
    if refused is not None:
        _, wait = refused
        return TooMany(wait)
    return Guess(counters)


async def _counters(
    session: AsyncSession, email: str, account: str, source: AttemptSource, *, of_code: bool
) -> tuple[tuple[Limit, str], ...]:
    if source.device is not None and await knows_device(session, email, source.device):
        return ((ACCOUNT, f"{account}/{source.device}"),)
    counters = ((ACCOUNT, f"{account}/{source.network}"), (NETWORK, source.network))
    return (*counters, (CODES, account)) if of_code else counters


async def take_back(session: AsyncSession, guess: Guess) -> None:
    """Uncount an attempt that was right, and nothing else: more is to follow."""
    for limit, key in guess.counters:
        await give_back(session, limit, key)


async def settle(session: AsyncSession, guess: Guess) -> None:
    """Uncount an attempt that was right, and forget the wrong ones before it.

    The counter of the network is left with the others': an operator can't clear it for them.
    """
    for limit, key in guess.counters:
        if limit is NETWORK:
            await give_back(session, limit, key)
        else:
            await forget(session, limit, key)


def _hidden(email: str, settings: Settings) -> str:
    """The address isn't kept: somebody may have typed another secret into its field."""
    key = derived_key(settings, "operator-guesses")
    return hmac.new(key, email.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]
