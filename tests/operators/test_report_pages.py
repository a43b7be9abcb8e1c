"""The reports' pages: what they show, what an address asks for, and what is refused."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from html import unescape

import httpx2
import pytest

from service.db.session import Database
from service.reports.registry import FIGURES
from service.rules.store import add_version
from service.settings import Settings
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW

pytestmark = on_sqlite
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
DAY = timedelta(days=1)


@pytest.fixture
async def browser_with_sales(signed_in: SignedIn, store: Store) -> httpx2.AsyncClient:
    """Three readers came in February and March; one of the first left again."""
    euro, dollar = rows.offer(), rows.offer(currency="USD", plan='week"end<')
    first, second, third = (rows.subscription(rows.reader(), each) for each in (euro, euro, dollar))
    await store(
        euro, dollar,
        rows.movement(first, 1, NOW - 30 * DAY, customer="ctm_1"),
        rows.ending(first, 2, NOW - 2 * DAY, customer="ctm_1"),
        rows.movement(second, 1, NOW - DAY, customer="ctm_2"),
        rows.movement(third, 1, NOW - DAY, customer="ctm_3"),
    )  # fmt: skip
    return await signed_in("viewer")


async def test_every_figure_is_listed_with_its_meaning_behind_a_mark(signed_in: SignedIn) -> None:
    page = unescape((await (await signed_in("viewer")).get("/admin/reports")).text)
    for figure in FIGURES:
        assert f'href="/admin/reports/{figure.slug}"' in page
        assert f"<p>{figure.meaning.definition}</p>" in page
    assert page.count('<details class="mark">') == len(FIGURES)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda each: each.slug)
async def test_every_figure_has_a_page(
    browser_with_sales: httpx2.AsyncClient, figure: object
) -> None:
    """Each split answers: tests/reports/test_report_routes.py. Here is one, for how a split looks."""
    found = next(each for each in FIGURES if each is figure)
    for split in ("", *found.splits[:1]):
        answer = await browser_with_sales.get(
            f"/admin/reports/{found.slug}?split={split}&compare=year&interval=month"
        )
        assert answer.status_code == 200, answer.text
        assert found.meaning.definition in unescape(answer.text)
        is_folded = "<summary>All intervals</summary>" in answer.text
        assert not is_folded or re.search('id="(whole|course)"', answer.text), "all is hidden"


async def test_a_chart_a_currency_and_every_value_in_a_table(
    browser_with_sales: httpx2.AsyncClient,
) -> None:
    address = "/admin/reports/mrr-movements?from=2026-02-01&to=2026-03-31&interval=month"
    page = unescape((await browser_with_sales.get(address)).text)
    assert page.count('<svg class="chart chart-wide"') == 2
    assert page.count('<svg class="chart chart-narrow"') == 2
    table = page[page.index('<table class="values">') : page.index("</table>")]
    lines = {
        row.partition("<")[0].strip(): re.findall(r'<td class="number">(?:<a [^>]*>)?([^<]*)<', row)
        for row in re.split(r'<th scope="row">', table)[1:]
    }
    assert lines["Voluntary churn, EUR"] == ["€0.00", "−€9.00", "−€9.00"]
    assert lines["New, EUR"] == ["€9.00", "€9.00", "€18.00"]
    assert lines["At the end, USD"] == ["$0.00", "$9.00", "$9.00"]
    # A bar, and for the keyboard its value in the table, lead to the readers behind them; a step to all.
    february = '<a href="/admin/movements?from=2026-02-01&to=2026-02-28'
    new = f'{february}&kind=new&currency=EUR"'
    assert new in page.partition('<table class="values">')[0]
    assert new in table
    assert f'{february}"' in table


async def test_cohorts_are_a_heat_map(browser_with_sales: httpx2.AsyncClient, store: Store) -> None:
    offer = rows.offer()
    for number in range(20):
        bought = rows.subscription(rows.reader(), offer)
        chain = [rows.movement(bought, 1, NOW - 60 * DAY, customer=f"ctm_c{number}")]
        if number < 9:
            chain.append(rows.ending(bought, 2, NOW - 30 * DAY, customer=f"ctm_c{number}"))
        await store(*chain)
    address = "/admin/reports/cohort-retention?from=2026-01-01&to=2026-03-31&interval=month"
    page = unescape((await browser_with_sales.get(address)).text)
    row = page[page.index('<th scope="row">Jan 2026') :].partition("</tr>")[0]
    in_march = "/admin/reports/cohort-retention/rows?from=2026-03-01&to=2026-03-31&series=all&cohort=2026-01"
    assert row.count(f'<a href="{in_march}"') == 2  # and of the whole period, which ends there
    assert re.findall(r'<td class="number( heat-\d+)?"[^>]*><a [^>]*>([^<]*)<', row) == [
        (" heat-10", "100.0 %"), (" heat-10", "100.0 %"), (" heat-6", "55.0 %"), (" heat-6", "55.0 %"),
    ]  # fmt: skip
    assert "<svg" not in page
    listed = unescape((await browser_with_sales.get(in_march)).text)
    assert listed.count('role="rowheader"') == 11
    assert '<option value="2026-01" selected>Jan 2026</option>' in listed
    refused = await browser_with_sales.get(f"{in_march}x")
    assert refused.status_code == 422
    assert "Write the month of the first payment as 2026-03." in refused.text


async def test_walls_are_told_apart_in_the_newsrooms_words(
    signed_in: SignedIn, store: Store, settings: Settings, database: Database
) -> None:
    article = rows.article("derby", "The derby")
    of_settings = digest(f"{settings.wall_title}\n{settings.wall_text}")
    met = ["Spring", "spring/new", digest("Come back\nNow"), of_settings, "0123456789ab", None]
    walls = [
        rows.read(article, NOW - DAY, holder=f"device:d{number}", wall="subscribe", prompt=prompt,
                  audience="trial_used" if prompt else None)
        for number, prompt in enumerate(met)
    ]  # fmt: skip
    await store(article, *walls)
    async with database.transaction() as session:
        prompt = {"name": "Winter", "title": "Come back", "text": "Now"}
        document = {"levels": {"default": {"level": "metered"}}, "prompts": [prompt]}
        await add_version(session, document, after=0, actor="-", now=NOW)
    browser = await signed_in("viewer")
    address = "/admin/reports/wall-funnel?interval=month&from=2026-03-01&to=2026-03-31&split"

    async def names(split: str) -> set[str]:
        page = unescape((await browser.get(f"{address}={split}")).text)
        first, all_values = page.split('<table class="values">')[1:3]
        assert all(name in all_values for name in told(first))
        return told(first)

    assert await names("prompt") == {
        "Spring", "spring/new", "Winter, earlier", "(usual words)", "0123456789ab", "not known",
    }  # fmt: skip
    assert await names("audience") == {"Had a free trial, never paid", "not known"}
    page = unescape((await browser.get(f"{address}=prompt&prompt=spring/new")).text)
    assert '<option value="trial_used">Had a free trial, never paid</option>' in page
    assert '<option value="Winter">Winter</option>' in page
    assert '<option value="spring/new" selected>spring/new</option>' in page


def told(table: str) -> set[str]:
    return set(re.findall(r'<th scope="row">(.*?)</th>', table))


def digest(words: str) -> str:
    return sha256(words.encode()).hexdigest()[:12]


async def test_a_step_that_runs_or_is_cut_short_is_marked(
    browser_with_sales: httpx2.AsyncClient,
) -> None:
    address = "/admin/reports/mrr?from=2026-01-15&to=2026-03-31&interval=month"
    page = unescape((await browser_with_sales.get(address)).text)
    marked = re.findall(r'<th scope="row">(\w+ \d+) <span class="tag">([^<]+)<', page)
    assert marked == [("Jan 2026", "partial"), ("Mar 2026", "in progress")]


async def test_a_page_says_which_days_it_compares(browser_with_sales: httpx2.AsyncClient) -> None:
    """It is 10 March."""
    address = "/admin/reports/mrr-movements?compare=before&interval=month"
    runs = (await browser_with_sales.get(f"{address}&from=2026-03-01&to=2026-03-31")).text
    said = "Compared with 1 Feb 2026 to 10 Feb 2026, the same part of it. Today is still incomplete"
    assert said in runs
    over = (await browser_with_sales.get(f"{address}&from=2026-02-01&to=2026-02-28")).text
    assert "Compared with 1 Jan 2026 to 31 Jan 2026.</p>" in over


async def test_filters_are_in_the_address_and_stay_in_the_form(
    browser_with_sales: httpx2.AsyncClient,
) -> None:
    asked = "from=2026-03-01&to=2026-03-10&interval=week&compare=before&split=plan&currency=USD"
    page = (await browser_with_sales.get(f"/admin/reports/mrr?{asked}")).text
    for chosen in ("week", "before", "plan", "USD"):
        assert f'<option value="{chosen}" selected>' in page
    assert 'value="2026-03-01"' in page
    assert "week&#34;end&lt;" in page
    assert 'week"end<' not in page
    downloads = re.findall(r'href="(/v1/admin/reports/mrr\?[^"]+)"', unescape(page))
    assert len(downloads) == 2
    assert all("currency=USD" in each and "from=2026-03-01" in each for each in downloads)
    assert "format=csv" in downloads[0]


async def test_where_there_is_nothing_the_page_says_so(signed_in: SignedIn) -> None:
    page = (await (await signed_in("viewer")).get("/admin/reports/mrr")).text
    assert "No data up to the end of this period" in page
    assert "<svg" not in page


async def test_a_dash_has_its_reason(browser_with_sales: httpx2.AsyncClient) -> None:
    page = unescape((await browser_with_sales.get("/admin/reports/subscriber-churn")).text)
    assert '<dd class="value">—</dd>' in page
    assert "There are no active subscribers at the start to divide by." in page


@pytest.mark.parametrize(
    ("query", "field"),
    [("from=2026-04-01", "starts on"), ("zone=Mars", "time zone"), ("limit=3", "Limit"),
     ("split=shoe", "can be broken down")],
)  # fmt: skip
async def test_what_cannot_be_asked_is_a_page_that_says_what_to_change(
    signed_in: SignedIn, query: str, field: str
) -> None:
    answer = await (await signed_in("viewer")).get(f"/admin/reports/mrr?{query}")
    assert answer.status_code == 422
    assert field in answer.text
    assert (await (await signed_in("editor")).get("/admin/reports/no-such")).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("from=2026-03-09&to=2026-03-01", "The period starts on 2026-03-09"),
     ("from=2026-03-01&to=2026-03-09&interval=hour", "Must be one of day"), ("from=2026-03-01&to=2026-03-09&plan=nope", "nope")],
)  # fmt: skip
async def test_what_is_refused_keeps_the_form_as_it_was_sent(
    browser_with_sales: httpx2.AsyncClient, wrong: str, said: str
) -> None:
    asked = f"{wrong}&split=plan&currency=USD&compare=before"
    answer = await browser_with_sales.get(f"/admin/reports/mrr?{asked}")
    assert answer.status_code == 422
    page = unescape(answer.text)
    refusal = page[page.index('<p class="refusal" role="alert">') :].partition("</p>")[0]
    assert said in refusal
    for chosen in ("plan", "USD", "before"):
        assert f'<option value="{chosen}" selected>' in page
    for name, value in (each.split("=") for each in wrong.split("&")[:2]):
        assert re.search(f'name="{name}" type="date" value="{value}"', page)
    assert "No data up to the end of this period" not in page


async def test_who_is_not_signed_in_comes_back_to_the_same_view(
    browser: httpx2.AsyncClient,
) -> None:
    answer = await browser.get("/admin/reports/mrr?interval=week")
    assert answer.status_code == 303
    assert "next=%2Fadmin%2Freports%2Fmrr%3Finterval%3Dweek" in answer.headers["Location"]


async def test_offers_of_one_name_are_chosen_by_what_tells_them_apart(
    signed_in: SignedIn, store: Store
) -> None:
    await store(
        rows.offer(id="off_a", name="Digital"), rows.offer(id="off_b", name="Digital", amount=1200),
        rows.offer(id="off_c", name="Weekend"),
    )  # fmt: skip
    browser = await signed_in("viewer")
    page = unescape((await browser.get("/admin/reports/revenue?offer=Weekend")).text)
    assert '<option value="off_a">Digital, €9.00 a month</option>' in page
    assert '<option value="off_b">Digital, €12.00 a month</option>' in page
    assert '<option value="off_c" selected>Weekend</option>' in page
    assert 'href="/admin/reports/refunds-and-disputes?offer=off_c"' in page
    refused = await browser.get("/admin/reports/revenue?offer=Digital&from=2026-01-01")
    assert refused.status_code == 422
    page = unescape(refused.text)
    assert "Offer: several are called 'Digital'. Choose one of them" in page
    assert 'name="from" type="date" value="2026-01-01"' in page
