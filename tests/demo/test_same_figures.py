"""A figure is the same wherever the demo shows it: on Today, in lists, in the report, in SQL."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Page
from service.finance.owing import owed
from service.html.list_query import ListQuery
from service.identity.permissions import Permission
from service.operators.attention import needs
from service.operators.money import lists
from service.reports.asked import Asked
from service.reports.figures import summary
from service.reports.offer_list import list_offers
from service.reports.period import parse_period
from service.reports.readers import Kind, ReaderFilter, list_readers
from service.reports.registry import BY_SLUG
from tests.demo.invented import Demo

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("the-year")]
_T = TypeVar("_T")


async def every(page_at: Callable[[str | None], Awaitable[Page[_T]]]) -> list[_T]:
    """What a list has on all its pages."""
    found: list[_T] = []
    cursor: str | None = None
    while True:
        page = await page_at(cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_figure_is_the_same_wherever_it_is_shown(demo: Demo) -> None:
    now, zone = demo.context.clocks.business(), demo.context.settings.zone
    today = now.astimezone(zone).date()
    day = {"from": today.isoformat(), "to": today.isoformat(), "interval": "", "zone": ""}
    asked = Asked(parse_period(day, today=today, zone=zone), now, zone)

    async def reported(session: AsyncSession, slug: str) -> dict[str, int]:
        """By currency, the value now as it is shown: rounded once, half to even."""
        lines = await BY_SLUG[slug].lines(session, asked)
        return {each.currency: round(each.total.value or 0) for each in lines}

    async def readers(session: AsyncSession, kind: Kind) -> int:
        chosen = ReaderFilter(kind=kind)
        return len(
            await every(
                lambda cursor: list_readers(
                    session, chosen, cursor=cursor, limit=50, now=now, zone=zone
                )
            )
        )

    async with demo.context.database.reading() as session:
        shown = await summary(session)
        asks = {each.address: each.count for each in await needs(session, now, [*Permission])}
        offers = (await list_offers(session, asked, None, cursor=None, limit=50)).items
        owing = await every(
            lambda cursor: lists.list_owing(session, ListQuery(limit=50, cursor=cursor))
        )
        view = "SELECT COUNT(DISTINCT customer) FROM report_stays WHERE until IS NULL"
        money = "SELECT currency, SUM(recurring_a_month), SUM(net_a_month) FROM report_movements"
        of_money = (await session.execute(text(f"{money} GROUP BY currency"))).all()

        active = shown.active_subscribers
        assert active > 0
        assert await reported(session, "active-subscribers") == {"": active}
        assert await readers(session, "paying") == active
        assert sum(each.subscribers for each in offers) == active
        assert await session.scalar(text(view)) == active

        assert await reported(session, "mrr") == shown.mrr
        assert await reported(session, "mrr-after-discounts") == shown.mrr_after_discounts
        assert await reported(session, "committed-mrr") == shown.committed_mrr
        assert {row[0]: round(row[1]) for row in of_money} == shown.mrr
        assert {row[0]: round(row[2]) for row in of_money} == shown.mrr_after_discounts

        assert await readers(session, "in_trial") == shown.trials > 0
        assert await readers(session, "collection_paused") == shown.collection_paused > 0
        assert sum(each.trials for each in offers) == shown.trials
        assert await readers(session, "trial_ending") == asks.get(
            "/admin/readers?kind=trial_ending", 0
        )

        sums = await owed(session)
        assert len(owing) == sum(each.invoices for each in sums) > 0
        assert sum(each.invoice.amount_remaining for each in owing) == sum(
            each.amount for each in sums
        )
        assert await readers(session, "owing") == len({each.whose.reader_id for each in owing})
