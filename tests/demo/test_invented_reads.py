"""The reads of the invented year are rows as real ones are."""

from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from service.db.tables import (
    AccessEntry,
    Article,
    Grant,
)
from service.demo.history.year import drawn
from service.identity.cookies import cookie_name
from service.identity.sessions import open_session
from service.metering.ledger import Entry
from tests.databases import on_sqlite
from tests.demo.invented import Demo
from tests.inside import inside

READ_BY = ("subscription", "comp", "gift", "seat")
"""What opens everything to those who hold it."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@on_sqlite
async def test_reads_are_as_real_ones_are_recorded_and_explained(going_on: Demo) -> None:
    """The same columns are filled in each kind of row, and each is what explain says of its instant."""
    demo = going_on
    async with demo.context.database.reading() as session:
        written = list(await session.scalars(select(AccessEntry)))
        slugs = {row.id: row.slug for row in await session.scalars(select(Article))}
        holders = await session.execute(
            select(Grant.source, func.min(Grant.reader_id))
            .where(
                Grant.source.in_(READ_BY), Grant.ends_at > demo.clocks.business()
            )
            .group_by(Grant.source)
        )  # fmt: skip
    granted = {reader: source for source, reader in holders}
    only_registered = {
        each.reader_id for each in written if each.wall and each.audience == "registered"
    }
    context = demo.context
    async with inside(context.database, context.settings, demo.clocks) as paywall:
        for slug in slugs.values():
            await paywall.unlock(slug)
        for reader in (min(map(str, only_registered - {*granted})), *granted):
            async with paywall.database.transaction() as session:
                opened = await open_session(
                    session, reader_id=reader, now=demo.clocks.wall(), settings=context.settings
                )
            name = cookie_name("session", context.settings)
            paywall.client.cookies.set(name, opened.token, domain="127.0.0.1")
            for slug in slugs.values():
                if reader in granted:
                    await paywall.client.get(f"/articles/{slug}")
                else:
                    await paywall.unlock(slug)
        real = (await paywall.ledger())[len(written) :]
        for each in drawn("explained").sample([row for row in written if row.reader_id], 20):
            asked = {"reader": each.reader_id, "article": slugs[each.article_id]}
            told = await paywall.client.get(
                "/v1/admin/explain",
                params={**asked, "at": each.at.isoformat()},
                headers=paywall.staff,
            )
            assert told.json()["reason"] == each.reason, (asked, told.text)
    assert {each.prompt for each in written if each.granted} == {None, "Last free articles"}
    filled_by_kind = filled(real)
    assert filled(written).items() <= filled_by_kind.items()


def filled(entries: Sequence[AccessEntry]) -> dict[object, frozenset[str]]:
    """The columns with a value of each kind of row, but for what led there and what is tried on some."""
    found: dict[object, frozenset[str]] = {}
    for each in entries:
        beside = each.prompt if each.granted else None
        kind = each.reason, each.wall, each.audience, each.once, each.reader_id is None, beside
        columns = {name for name in Entry._fields if getattr(each, name) is not None}
        columns -= {"referrer_host", "campaign", "variant"}
        assert found.setdefault(kind, frozenset(columns)) == columns, kind
    return found
