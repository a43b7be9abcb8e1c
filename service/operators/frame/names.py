"""What people call the things that logs name by their ids."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.db.tables import ApiKey, Grant, Offer, Operator, Reader, WebhookEndpoint

_NAMED: Sequence[tuple[InstrumentedAttribute[str], InstrumentedAttribute[str]]] = (
    (Operator.id, Operator.email),
    (ApiKey.prefix, ApiKey.label),
    (Offer.id, Offer.name),
    (WebhookEndpoint.id, WebhookEndpoint.url),
)


_NAMELESS = {
    "rdr": "Reader without e-mail address", "grt": "Access given", "sub": "Subscription", "gft": "Gift link", "gsb": "Gift subscription",
    "sea": "Seat", "opr": "Operator who is gone",
}  # fmt: skip


async def names_of(session: AsyncSession, *named: Sequence[str]) -> Mapping[str, str]:
    """By actor (`operator:opr_…`) or id: its name, where it has one still."""
    wanted = {each: each.partition(":")[2] or each for several in named for each in several}
    ids = set(wanted.values())
    names: dict[str, str] = {}
    for id_, name in _NAMED:
        found = await session.execute(select(id_, name).where(id_.in_(ids)))
        names |= {row[0]: row[1] for row in found}
    readers = select(Reader.id, Reader.email).where(Reader.id.in_(ids), Reader.email.is_not(None))
    names |= {row[0]: row[1] or "" for row in await session.execute(readers)}
    if grants := [each for each in ids if each.startswith("grt_")]:
        holders = (
            select(Grant.id, Reader.email)
            .join(Reader, Reader.id == Grant.reader_id)
            .where(Grant.id.in_(grants), Reader.email.is_not(None))
        )
        names |= {row[0]: row[1] or "" for row in await session.execute(holders)}
    return {each: names[id_] for each, id_ in wanted.items() if names.get(id_)}


def kind_of(id_: str) -> str:
    """What somebody or something without a name is; empty: its id says it best."""
    return _NAMELESS.get(id_.partition("_")[0], "")
