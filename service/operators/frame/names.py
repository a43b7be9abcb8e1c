"""What people call the things that logs name by their ids."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, bindparam, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.db.tables import ApiKey, Grant, Offer, Operator, Reader, WebhookEndpoint

_NAMED: Sequence[tuple[InstrumentedAttribute[str], InstrumentedAttribute[Any]]] = (
    (Operator.id, Operator.email),
    (ApiKey.prefix, ApiKey.label),
    (Offer.id, Offer.name),
    (WebhookEndpoint.id, WebhookEndpoint.url),
    (Reader.id, Reader.email),
)


_NAMELESS = {
    "rdr": "Reader without e-mail address", "grt": "Access given", "sub": "Subscription", "gft": "Gift link", "gsb": "Gift subscription",
    "sea": "Seat", "opr": "Operator who is gone",
}  # fmt: skip


async def names_of(session: AsyncSession, *named: Sequence[str]) -> Mapping[str, str]:
    """By actor (`operator:opr_…`) or id: its name, where it has one still."""
    wanted = {each: each.partition(":")[2] or each for several in named for each in several}
    if not wanted:
        return {}
    found = await session.execute(_names(), {"ids": list({*wanted.values()})})
    names = {id_: name for id_, name in found if name}
    return {each: names[id_] for each, id_ in wanted.items() if id_ in names}


@cache
def _names() -> CompoundSelect[str, str | None]:
    """Of all tables at once: no id is in two of them."""
    ids: BindParameter[Any] = bindparam("ids", expanding=True)
    holders = select(Grant.id, Reader.email).join(Reader, Reader.id == Grant.reader_id)
    return union_all(
        *(select(id_, name).where(id_.in_(ids)) for id_, name in _NAMED),
        holders.where(Grant.id.in_(ids)),
    )


def kind_of(id_: str) -> str:
    """What somebody or something without a name is; empty: its id says it best."""
    return _NAMELESS.get(id_.partition("_")[0], "")
