"""What Google's Subscription Linking takes: `UpdateReaderEntitlements` of its API, version 1."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, Field

from service.bodies import ListOut
from service.db.tables import Grant
from service.html.list_query import ListQuery
from service.operators.rights.lists import LONGEST, LinkedReader


class LinkingQuery(ListQuery):
    """`publication` is the part of Google's product ids before the colon, such as example.org."""

    publication: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]


AnyLinking = Annotated[LinkingQuery, Query()]


class LinkedEntitlement(BaseModel):
    """One entitlement, with the names of Google's API. `expireTime` is at most 398 days ahead."""

    productId: str  # noqa: N815 Google's
    subscriptionToken: str  # noqa: N815 Google's
    detail: str
    expireTime: str  # noqa: N815 Google's

    @classmethod
    def of(cls, grant: Grant, publication: str, now: datetime) -> Self:
        _, _, plan = grant.scope.partition(":")
        until = min(grant.ends_at or now + LONGEST, now + LONGEST)
        return cls(
            productId=f"{publication}:{plan or 'everything'}",
            subscriptionToken=grant.id,
            detail=(plan or "everything")[:80],
            expireTime=until.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )


class LinkedReaderOut(BaseModel):
    """`ppid` is the reader's id: the name in `publications/{publication}/readers/{ppid}`."""

    ppid: str
    entitlements: list[LinkedEntitlement]

    @classmethod
    def of(cls, found: LinkedReader, publication: str, now: datetime) -> Self:
        held = [LinkedEntitlement.of(grant, publication, now) for grant in found.grants]
        return cls(ppid=found.reader_id, entitlements=held)


class LinkedReaders(ListOut[LinkedReaderOut]):
    pass
