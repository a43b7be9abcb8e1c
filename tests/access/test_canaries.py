"""What a leak check planted is gone at the end, and reports are as if nobody had asked for it."""

from datetime import timedelta

from sqlalchemy import func, select

from service.access.canaries import sweep_canaries
from service.db.context import Context
from service.db.tables import ArticleRevision, HolderDay, LedgerDay, RolledDay
from service.metering.ledger import Ledger, entry_at
from service.reports.rollups import roll_up
from tests.databases import on_sqlite
from tests.inside import Paywall

PLANTED = {"source_ids": {"leakcheck": "metered"}}


async def deleted(paywall: Paywall, slug: str) -> int:
    url = f"/v1/admin/canaries/{slug}"
    return (await paywall.client.delete(url, headers=paywall.staff)).status_code


def context_of(paywall: Paywall) -> Context:
    return Context(paywall.settings, paywall.clocks, paywall.database)


async def test_its_reads_and_walls_leave_the_reports(paywall: Paywall) -> None:
    context = context_of(paywall)
    await paywall.publish("canary", **PLANTED)
    await paywall.publish("wall", **PLANTED, access={"level": "subscribers"})
    for slug in ("a", "canary", "wall"):
        await paywall.unlock(slug)
    assert len(await paywall.ledger()) == 3
    paywall.clocks.travel(timedelta(days=1))
    await roll_up(context)
    async with paywall.database.reading() as session:
        assert await session.scalar(select(func.sum(LedgerDay.rows))) == 3
    await paywall.unlock("wall")
    assert (await deleted(paywall, "canary"), await deleted(paywall, "wall")) == (204, 204)
    assert [row.reason for row in await paywall.ledger()] == ["meter"]
    async with paywall.database.reading() as session:
        assert list(await session.scalars(select(RolledDay))) == []
    paywall.clocks.travel(timedelta(minutes=30))
    await roll_up(context)
    async with paywall.database.reading() as session:
        assert [(row.rows, row.counted) for row in await session.scalars(select(LedgerDay))] == [
            (1, 1)
        ]
        assert [(row.reads, row.counted, row.subscribe_wall_at)
                for row in await session.scalars(select(HolderDay))] == [(1, 1, None)]  # fmt: skip


async def test_what_another_process_had_noted_goes_a_minute_later(paywall: Paywall) -> None:
    await paywall.publish("canary", **PLANTED)
    answer = await paywall.client.get("/v1/articles/canary")
    late = entry_at(
        paywall.clocks.business(), paywall.settings.zone, holder="dev_d", article_id=answer.json()["id"],
        reader_id=None, device_id="dev_d", reason="subscribers_only", granted=False, wall="subscribe",
    )  # fmt: skip
    assert await deleted(paywall, "canary") == 204
    paywall.app.running.get(Ledger).note(late)
    assert len(await paywall.ledger()) == 1
    assert await sweep_canaries(context_of(paywall)) == 0
    paywall.clocks.travel(timedelta(minutes=2))
    assert await sweep_canaries(context_of(paywall)) == 1
    assert await paywall.ledger() == []


@on_sqlite
async def test_it_is_gone_whole_and_its_slug_is_free(paywall: Paywall) -> None:
    await paywall.publish("canary", **PLANTED)
    assert (await paywall.client.get("/v1/articles/canary")).status_code == 200
    assert await deleted(paywall, "canary") == 204
    assert (await paywall.client.get("/v1/articles/canary")).status_code == 404
    listed = await paywall.client.get("/v1/admin/articles", headers=paywall.staff)
    assert "canary" not in listed.text
    async with paywall.database.reading() as session:
        left = select(func.count()).where(ArticleRevision.document["title"].as_string() == "Canary")
        assert await session.scalar(left) == 0
    assert await deleted(paywall, "canary") == 404
    await paywall.publish("canary")


@on_sqlite
async def test_an_article_of_the_newsrooms_stays(paywall: Paywall) -> None:
    await paywall.unlock("a")
    assert await deleted(paywall, "a") == 409
    # Neither one that is marked afterwards, nor one that became an article of theirs.
    await paywall.publish("a", **PLANTED)
    assert await deleted(paywall, "a") == 409
    await paywall.publish("canary", **PLANTED)
    await paywall.publish("canary")
    assert await deleted(paywall, "canary") == 409
    assert (await paywall.client.get("/v1/articles/a")).status_code == 200
    assert len(await paywall.ledger()) == 1
