"""What people call the things that the audit log names by their ids."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.db.tables import ApiKey, AuditEntry, Offer, Operator, Reader, WebhookEndpoint

_NAMED: Sequence[tuple[InstrumentedAttribute[str], InstrumentedAttribute[str]]] = (
    (Operator.id, Operator.email),
    (ApiKey.prefix, ApiKey.label),
    (Offer.id, Offer.name),
    (WebhookEndpoint.id, WebhookEndpoint.url),
)


async def names_of(session: AsyncSession, entries: Sequence[AuditEntry]) -> Mapping[str, str]:
    """By actor or target of the entries: its name, where it has one still."""
    actors = {entry.actor: entry.actor.partition(":")[2] for entry in entries}
    ids = {*actors.values(), *(entry.target for entry in entries)}
    names: dict[str, str] = {}
    for id_, name in _NAMED:
        names |= {
            row[0]: row[1] for row in await session.execute(select(id_, name).where(id_.in_(ids)))
        }
    readers = select(Reader.id, Reader.email).where(Reader.id.in_(ids), Reader.email.is_not(None))
    names |= {row[0]: row[1] or "" for row in await session.execute(readers)}
    names |= {actor: names[id_] for actor, id_ in actors.items() if id_ in names}
    return {id_: name for id_, name in names.items() if name}
