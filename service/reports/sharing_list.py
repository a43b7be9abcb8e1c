"""Readers who read on unusually many devices or from unusually many networks: perhaps several people."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import Field
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import Reader, ReaderUse
from service.html.list_query import ListQuery


class SharingQuery(ListQuery):
    """From how many on somebody is in the list: networks of one day, or devices of all the days together."""

    days: Annotated[int, Field(ge=1, le=30)] = 7
    networks: Annotated[int, Field(ge=2, le=1000)] = 6
    devices: Annotated[int, Field(ge=2, le=1000)] = 6


AnySharing = Annotated[SharingQuery, Query()]


@dataclass(frozen=True)
class Shared:
    """`networks` is the most of one day, `devices` those of all days."""

    reader_id: str
    email: str | None
    networks: int
    devices: int


async def list_sharing(session: AsyncSession, asked: SharingQuery, today: date) -> Page[Shared]:
    """The most networks first. `today` is the publication's day."""
    since = today - timedelta(days=asked.days - 1)
    a_day = (
        select(ReaderUse.reader_id, func.count().label("networks"))
        .where(ReaderUse.kind == "network", ReaderUse.day >= since)
        .group_by(ReaderUse.reader_id, ReaderUse.day)
        .subquery()
    )
    networks = (
        select(a_day.c.reader_id, func.max(a_day.c.networks).label("most"))
        .group_by(a_day.c.reader_id)
        .subquery()
    )
    devices = (
        select(ReaderUse.reader_id, func.count(ReaderUse.name.distinct()).label("many"))
        .where(ReaderUse.kind == "device", ReaderUse.day >= since)
        .group_by(ReaderUse.reader_id)
        .subquery()
    )
    most, many = func.coalesce(networks.c.most, 0), func.coalesce(devices.c.many, 0)
    statement = (
        select(Reader.id, Reader.email, most, many)
        .outerjoin(networks, networks.c.reader_id == Reader.id)
        .outerjoin(devices, devices.c.reader_id == Reader.id)
        .where(or_(most >= asked.networks, many >= asked.devices))
    )
    found = await Keyset(most, many, Reader.id).rows(
        session, statement, cursor=asked.cursor, limit=asked.limit
    )
    return found.map(lambda row: Shared(row[0], row[1], row[2], row[3]))
