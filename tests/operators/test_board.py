"""The first page's figures: spans and filters in the address, charts with a table, and what is behind a bar."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape

import httpx2
import pytest

from service.db.session import Database
from service.operators.reports.board import SPANS
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import store

pytestmark = on_sqlite
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]


async def shown(browser: httpx2.AsyncClient, **query: str) -> str:
    answer = await browser.get("/admin", params=query)
    assert answer.status_code == 200
    return unescape(answer.text)


@pytest.mark.parametrize("span", list(SPANS))
async def test_each_span_shows_every_figure_with_its_report_behind(
    signed_in: SignedIn, span: str
) -> None:
    page = await shown(await signed_in("viewer"), span=span)
    for slug in ("active-subscribers", "mrr-movements", "stop-rate", "access-mix", "articles"):
        assert f'id="card-{slug}"' in page
        assert f"/admin/reports/{slug}?from=" in page or span == "year"
    assert f'<option value="{span}" selected>' in page


async def test_a_filter_stays_in_the_address_and_is_said_where_a_figure_lacks_it(
    signed_in: SignedIn, database: Database
) -> None:
    ferry = rows.article("ferry", "The ferry")
    ferry.section = "News"
    await store(database, ferry)
    browser = await signed_in("viewer")
    page = await shown(browser, section="News", source="letter", span="month")
    mix, came = (
        re.search(rf'id="card-{slug}"><a href="([^"]*)"', page) for slug in ("access-mix", "joined-and-left")
    )  # fmt: skip
    assert mix is not None
    assert came is not None
    assert "section=News" in mix[1]
    assert "section=" not in came[1]
    assert "source=letter" in came[1]
    assert "Not filtered by section" in page
    assert (await browser.get(mix[1])).status_code == 200


@pytest.mark.parametrize(("role", "led_to"), [("viewer", "/rows?"), ("editor", "interval=day")])
async def test_a_bar_leads_to_its_readers_and_its_row_to_the_days_behind_it(
    signed_in: SignedIn, database: Database, clocks: MovingClocks, role: str, led_to: str
) -> None:
    """Who may not see readers is led to the days by the bar, too."""
    ana, monthly = rows.reader(), rows.offer()
    bought = rows.subscription(ana, monthly)
    at = clocks.business() - timedelta(days=40)
    await store(database, ana, monthly, bought, rows.movement(bought, 1, at))
    browser = await signed_in(role)
    page = await shown(browser, span="year")
    card = page[page.index('id="card-joined-and-left"') :]
    bar = re.search(r'<a href="([^"]*)" tabindex="-1"><rect', card)
    row = re.search(r'<th scope="row"><a href="([^"]*)">', card)
    assert bar is not None
    assert row is not None
    assert led_to in bar[1]
    assert "interval=day" in row[1]
    assert (await browser.get(bar[1])).status_code == 200


async def test_a_ranking_says_how_many_it_has(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    browser = await signed_in("viewer")
    assert "Top " not in await shown(browser, span="month")
    ferry, bridge = rows.article("ferry", "The ferry"), rows.article("bridge", "The bridge")
    at = clocks.business() - timedelta(days=1)
    await store(database, ferry, bridge, rows.read(ferry, at), rows.read(bridge, at))
    card = (await shown(browser, span="month")).partition('id="card-articles"')[2]
    assert "Top 2</summary>" in card


async def test_a_day_that_still_runs_is_compared_with_nothing(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    ana, monthly = rows.reader(), rows.offer()
    bought = rows.subscription(ana, monthly)
    at = clocks.business() - timedelta(days=1)
    await store(database, ana, monthly, bought, rows.movement(bought, 1, at))
    browser = await signed_in("viewer")
    today = await shown(browser, span="today")
    assert "previously " not in today
    assert "selected>Today so far</option>" in today
    assert "The previous period has the same number of days" not in today
    month = await shown(browser, span="month")
    assert "previously " in month
    assert "Today’s values are still incomplete" in month
    assert "The previous period has the same number of days" in month
    card = month[month.index('id="card-joined-and-left"') :]
    assert 0 < card.index("in progress") < card.index('class="together"')


async def test_a_card_says_why_there_is_a_dash_and_what_a_share_is_made_of(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    article, at = rows.article("a", "A"), clocks.business() - timedelta(days=5)
    met = [rows.read(article, at, holder=f"device:{n}", wall="subscribe") for n in range(25)]
    await store(database, article, *met)
    page = await shown(await signed_in("viewer"), span="month")
    card = page[page.index('id="card-paid-after-a-wall"') :]
    until = clocks.business() - timedelta(days=4)
    assert f"Of those who met a wall up to {until.day} {until:%B %Y}." in card
    assert "0 of 25, likely 0.0 to 13.3 %" in card
    assert "All its walls were less than 30 days ago." in card[: card.index('class="behind"')]


async def test_what_cannot_be_asked_is_refused(signed_in: SignedIn) -> None:
    browser = await signed_in("viewer")
    for name, value in (
        ("span", "century"), ("source", "x" * 300), ("plan", "nope"), ("currency", "eur"),
    ):  # fmt: skip
        assert (await browser.get("/admin", params={name: value})).status_code == 422, name


async def test_articles_lead_to_their_pages_here_and_in_the_report(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    article, at = rows.article("flood", "The flood"), clocks.business() - timedelta(days=5)
    await store(database, article, rows.read(article, at, holder="device:1", wall="subscribe"))
    browser = await signed_in("viewer")
    link = '<a href="/admin/articles/flood">The flood</a>'
    page = await shown(browser)
    card = page[page.index('id="card-articles"') :]
    assert link in card[: card.index("</section>")]
    report = unescape((await browser.get("/admin/reports/articles")).text)
    whole = report[report.index('id="whole"') : report.index("</section>")]
    assert link in whole
    assert "<dl" not in whole
    assert (await browser.get("/admin/articles/flood")).status_code == 200


async def test_a_row_of_an_article_is_called_so_though_the_article_is_gone(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    gone, at = rows.article("flood", "The flood"), clocks.business() - timedelta(days=5)
    await store(database, rows.read(gone, at, holder="device:1", wall="subscribe"))
    browser = await signed_in("viewer")
    report = (await browser.get("/admin/reports/articles")).text
    assert '<th scope="col">Article</th>' in report
    card = (page := await shown(browser))[page.index('id="card-articles"') :]
    assert '<th scope="col">Article</th>' in card[: card.index("</section>")]
