"""Exchanging a session's token for an access token and the session's next token."""

from service.grants.access_token import AccessTokens
from service.identity.sessions import refresh_session
from service.problems import Problem
from service.tokens.claims import ACCOUNT
from service.tokens.schemas import IssuedToken


async def refreshed_token(
    tokens: AccessTokens, token: str, *, scope: str
) -> tuple[IssuedToken, str]:
    """A new access token, and the session's token from now on. Raises `unauthenticated`.

    `scope` is `account` for account calls, anything else for reading.
    """
    context, issued = tokens.context, None
    # A token that was used before ends its family: that is committed, then answered.
    async with context.database.transaction() as session:
        refreshed = await refresh_session(
            session, token, now=context.clocks.wall(), settings=context.settings
        )
        if refreshed is not None and scope == ACCOUNT:
            issued = tokens.issue_for_account(refreshed.session)
        elif refreshed is not None:
            issued = await tokens.issue(session, refreshed.session)
    if refreshed is None or issued is None:
        raise Problem("unauthenticated", "Sign in first: the session is missing or has ended.")
    return issued, refreshed.token
