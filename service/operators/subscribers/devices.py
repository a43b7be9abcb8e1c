"""Ending a reader's device, as the reader could."""

from service.identity.audit import Change
from service.identity.sessions import end_own_session
from service.problems import Problem
from service.settings import Settings


async def end_device(change: Change, reader_id: str, session_id: str, settings: Settings) -> None:
    """Sign it out. Problem `not-found`: this reader has no such live session."""
    ended = await end_own_session(
        change.session, session_id, reader_id, now=change.clocks.wall(), settings=settings
    )
    if not ended:
        raise Problem("not-found", "The reader has no such device. Reload the reader's page.")
    await change.record("session.end", reader_id)
