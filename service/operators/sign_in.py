"""Opening an operator's session by e-mail and password."""

import asyncio

import structlog

from service.clock import Clocks
from service.db.session import Database
from service.db.tables import Operator
from service.identity.operators import (
    end_operator_session,
    find_operator,
    open_operator_session,
    password_matches,
)
from service.settings import Settings

LONGEST_ENTRY = 1000
"""Longer entries are wrong without being looked at."""
REFUSAL = "E-mail address or password is wrong. Check both and try again."

log = structlog.get_logger()


async def sign_in(
    database: Database,
    *,
    email: str,
    password: str,
    former_secret: str | None,
    settings: Settings,
    clocks: Clocks,
) -> str | None:
    """The secret of a new session, or None when the address or the password is wrong.

    Both are answered alike and in the same time. The browser's former session ends, so a secret
    that somebody planted there never becomes a signed-in one.
    """
    if "\0" in email or max(len(email), len(password)) > LONGEST_ENTRY:
        return None
    async with database.reading() as session:
        operator = await find_operator(session, email)
    # Slow by design (argon2): in a thread, with no connection held meanwhile.
    matches = await asyncio.to_thread(password_matches, operator, password)
    if operator is None or not matches:
        log.warning("operator.refused", operator=operator.id if operator else None)
        return None
    async with database.transaction() as session:
        current = await session.get(Operator, operator.id)
        if current is None or current.password_hash != operator.password_hash:
            return None  # the password was reset while it was being checked
        if former_secret is not None:
            await end_operator_session(session, former_secret)
        secret = await open_operator_session(session, current, now=clocks.wall(), settings=settings)
    log.info("operator.signed_in", operator=operator.id)
    return secret
