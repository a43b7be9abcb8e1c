"""Switching gift links off."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import GiftLink
from service.identity.audit import record
from service.problems import Problem


async def end_link(
    session: AsyncSession, link_id: str, *, now: datetime, giver: str | None, actor: str | None
) -> GiftLink:
    """Switch a link off, for those who opened it too; repeating it changes nothing.

    `giver` is whose it must be; None: anybody's. `actor` is who of the staff does it, for the audit trail.
    """
    link = await session.get(GiftLink, link_id, with_for_update=True, populate_existing=True)
    if link is None or (giver is not None and link.reader_id != giver):
        raise Problem("not-found", "Gift link not found. Check the id in the list.")
    if link.ended_at is not None:
        return link
    link.ended_at = now
    await session.flush()
    if actor is not None:
        await record(
            session, actor=actor, action="gift_link.end", target=link.reader_id,
            before={"link": link.id}, after={"link": link.id, "ended_at": now.isoformat()}, now=now,
        )  # fmt: skip
    return link
