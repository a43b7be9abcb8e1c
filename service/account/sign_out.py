"""Signing out: the session ends, and with it every claim that would sign in again."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.checkouts import end_claims
from service.db.context import Context
from service.identity.sessions import end_own_session, end_sessions_of


async def sign_out(
    session: AsyncSession, context: Context, reader_id: str, session_id: str
) -> bool:
    """End one of the reader's sessions; False where they have no such one."""
    await end_claims(session, reader_id)
    return await end_own_session(
        session, session_id, reader_id, now=context.clocks.wall(), settings=context.settings
    )


async def sign_out_everywhere(session: AsyncSession, context: Context, reader_id: str) -> None:
    """End every session of the reader."""
    await end_claims(session, reader_id)
    await end_sessions_of(session, reader_id, context.clocks.wall(), "signed_out")
