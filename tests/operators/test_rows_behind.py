"""From a report to its own rows: each value leads to a list with what it counts, by the same filters."""

import csv
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from io import StringIO

import httpx2
import pytest

from service.db.base import Base
from service.db.tables import CheckoutTouches
from service.operators.api import router as api_router
from service.running import RunningApp
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW
from tests.running import add_routes
from tests.statements import statements

pytestmark = on_sqlite
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
DAY = timedelta(days=1)
MARCH = "from=2026-03-01&to=2026-03-31&interval=week"


@pytest.fixture
async def browser_with_history(
    app: RunningApp, signed_in: SignedIn, store: Store
) -> httpx2.AsyncClient:
    """Who came, changed and left in March: by month and year, in two currencies, led by a letter or not."""
    month = rows.offer(name="Monthly")
    year = rows.offer(name="Yearly", plan="weekend", interval="year", currency="USD")
    made: list[Base] = [month, year]
    for number in range(12):
        offer = year if number % 3 == 0 else month
        reader = rows.reader(email=f"r{number}@a.example")
        answer = ("unused", "", "silly")[number % 3]
        bought = rows.subscription(
            reader, offer, id=f"sub_{number}", started_at=NOW - 9 * DAY, cancel_feedback=answer,
            cancelled_at=NOW - 2 * DAY if number % 2 else None, cancelled_after_days=8,
        )  # fmt: skip
        click = rows.checkout(reader, offer, NOW - 9 * DAY, stripe_subscription_id=bought.id)
        made += [reader, bought, click]
        if number % 4:
            touch = CheckoutTouches(
                checkout_id=click.id, first_at=NOW, last_at=NOW, first_source="letter",
                last_source="letter",
            )  # fmt: skip
            made.append(touch)
        customer = f"ctm_{number}"
        made.append(rows.movement(bought, 1, NOW - 9 * DAY, customer=customer))
        if number % 4 == 1:
            failed = {"kind": "churn_involuntary", "cause": "payment_failed"}
            given = failed if number % 3 else {"cause": "odd"}
            made.append(rows.ending(bought, 2, NOW - 2 * DAY, customer=customer, **given))
        if number % 4 == 2:
            dearer = rows.movement(
                bought, 2, NOW - 3 * DAY, customer=customer, kind="expansion", cause="switched",
                from_plan=bought.plan, from_interval=bought.interval, from_interval_count=1,
                from_recurring=bought.amount, from_net=bought.amount, to_recurring=9900, to_net=9900,
            )  # fmt: skip
            made.append(dearer)
    await store(*made)
    add_routes(app, api_router)
    return await signed_in("viewer")


@pytest.mark.parametrize("slug", ["joined-and-left", "reasons", "feedback"])
@pytest.mark.parametrize(
    "asked",
    ["", "&split=plan", "&split=currency&plan=weekend", "&interval_charged=month&currency=EUR"],
)
async def test_a_value_leads_to_as_many_rows(
    browser_with_history: httpx2.AsyncClient, slug: str, asked: str
) -> None:
    page = unescape((await browser_with_history.get(f"/admin/reports/{slug}?{MARCH}{asked}")).text)
    cells = re.findall(r'<td class="number"[^>]*><a href="([^"]*)">([^<]*)<', page)
    assert cells
    for address, value in cells:
        found = (await browser_with_history.get(address)).text
        assert found.count('role="rowheader"') == abs(int(value.replace("−", "-"))), address
    for bar in re.findall(r'<a href="([^"]*)" tabindex="-1"><rect', page):
        assert bar in [address for address, _ in cells]


async def test_a_sum_leads_to_what_was_summed_with_its_kind_currency_and_source(
    browser_with_history: httpx2.AsyncClient,
) -> None:
    address = f"/admin/reports/mrr-movements?{MARCH}&source=letter&split=plan"
    page = unescape((await browser_with_history.get(address)).text)
    cells = re.findall(r'<td class="number"[^>]*><a href="([^"]*)">([^<]*)<', page)
    failed = next(each for each, _ in cells if "kind=churn_involuntary" in each)
    for field in ("plan=digital", "currency=EUR", "source=letter"):
        assert field in failed
    found = (await browser_with_history.get(failed)).text
    assert set(re.findall(r"r\d+@a\.example", found)) == {"r1@a.example", "r5@a.example"}
    assert found.count("selected>digital</option>") == 1
    of_step = re.findall(r'<th scope="\w+"[^>]*><a href="(/admin/movements[^"]*)">', page)
    assert of_step
    assert all("kind=" not in each and "source=letter" in each for each in of_step)


async def test_the_list_is_the_same_over_the_api_and_as_a_file(
    browser_with_history: httpx2.AsyncClient,
) -> None:
    asked = "kind=churn&currency=EUR&source=letter&limit=1&from=2026-03-01"
    whole = (
        await browser_with_history.get(f"/v1/admin/movements?{asked.replace('=1&', '=50&')}")
    ).json()
    emails = [each["email"] for each in whole["items"]]
    assert sorted(emails) == ["r1@a.example", "r5@a.example"]
    answer = await browser_with_history.get(f"/v1/admin/movements.csv?{asked}")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert [each["email"] for each in csv.DictReader(StringIO(answer.text))] == emails


async def test_what_a_list_cant_tell_apart_leads_nowhere(
    browser_with_history: httpx2.AsyncClient,
) -> None:
    for asked, nowhere in (
        ("source=letter", "/admin/reports/feedback/rows"),
        ("zone=Asia/Tokyo", "feedback=unused"),
    ):
        page = await browser_with_history.get(f"/admin/reports/feedback?{MARCH}&{asked}")
        assert nowhere not in page.text


async def test_the_rows_of_a_figure_as_page_api_and_file(
    browser_with_history: httpx2.AsyncClient,
) -> None:
    asked = "series=payment_failed&from=2026-03-01&to=2026-03-31&currency=EUR"
    page = (await browser_with_history.get(f"/admin/reports/reasons/rows?{asked}")).text
    emails = sorted(set(re.findall(r"r\d+@a\.example", page)))
    assert emails
    api = await browser_with_history.get(f"/v1/admin/reports/reasons/rows?{asked}&limit=1")
    whole = await browser_with_history.get(f"/v1/admin/reports/reasons/rows?{asked}")
    assert sorted(each["email"] for each in whole.json()["items"]) == emails
    assert len(api.json()["items"]) == 1
    answer = await browser_with_history.get(f"/v1/admin/reports/reasons/rows.csv?{asked}")
    lines = list(csv.DictReader(StringIO(answer.text)))
    assert sorted(each["email"] for each in lines) == emails
    assert {(each["figure"], each["version"]) for each in lines} == {("reasons", "1")}
    name = "reasons-rows_2026-03-01_2026-03-31.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    for wrong, field in (
        ("series=nothing", "series"),
        ("section=News", "section"),
        ("from=x", "from"),
    ):
        refused = await browser_with_history.get(f"/v1/admin/reports/reasons/rows.csv?{wrong}")
        assert refused.status_code == 422
        assert f"query.{field}" in refused.text
        shown = await browser_with_history.get(f"/admin/reports/reasons/rows?{wrong}")
        assert shown.status_code == 422
        assert 'role="alert"' in shown.text
    assert (await browser_with_history.get("/admin/reports/mrr/rows")).status_code == 404


async def test_a_file_of_hundreds_of_rows_counts_twice(
    browser_with_history: httpx2.AsyncClient, store: Store
) -> None:
    """A hundred rows are found before the answer begins, so that what is wrong can be said; the others at once."""
    await store(*(rows.reader(email_verified_at=NOW, email=f"n{n}@a.example") for n in range(250)))
    address = "/v1/admin/reports/registrations/rows.csv?from=2026-03-01&to=2026-03-31"
    with statements() as sent:
        answer = await browser_with_history.get(address)
    assert len(list(csv.DictReader(StringIO(answer.text)))) == 250
    assert len([each for each in sent if "AS listed" in each]) == 2


async def test_offers_of_one_name_are_told_apart_in_a_row(
    browser_with_history: httpx2.AsyncClient, store: Store
) -> None:
    address = "/admin/reports/reasons/rows?series=payment_failed&from=2026-03-01&currency=EUR"
    assert 'offer">Monthly</span>' in (await browser_with_history.get(address)).text
    await store(rows.offer(name="Monthly", amount=500))
    page = (await browser_with_history.get(address)).text
    assert re.search(r'offer">Monthly, €9\b[^<]*</span>', page)


async def test_a_trial_is_of_what_was_bought_with_it(
    browser_with_history: httpx2.AsyncClient, store: Store
) -> None:
    """It was switched since."""
    reader, first, since = rows.reader(), rows.offer(name="First"), rows.offer(name="Since")
    trial = rows.subscription(
        reader, since, id="sub_t", trial_end=NOW - DAY, trial_ended_at=NOW - DAY, trial_became="paid"
    )  # fmt: skip
    await store(reader, first, since, trial, rows.checkout(reader, first, NOW - 9 * DAY, stripe_subscription_id="sub_t"))  # fmt: skip
    path = "/admin/reports/trial-conversion/rows?series=paid&from=2026-03-01&to=2026-03-31"
    assert re.findall(r'offer">(\w+)<', (await browser_with_history.get(path)).text) == ["First"]


async def test_a_list_says_what_happened_where_it_is_not_all_the_same(
    browser_with_history: httpx2.AsyncClient, store: Store
) -> None:
    await store(rows.reader(email_verified_at=NOW, email="n@a.example"))
    for slug, says in (("registrations", False), ("active-subscribers", False), ("reasons", True)):
        page = (await browser_with_history.get(f"/admin/reports/{slug}/rows?{MARCH[:33]}")).text
        assert 'role="rowheader"' in page
        assert ('data-label="What"' in page) == says, slug


async def test_a_filter_whose_value_is_not_offered_stays_chosen(
    browser_with_history: httpx2.AsyncClient,
) -> None:
    """Sales of no known offer, or in a currency in which nothing is sold: "Show" asks for the same again."""
    for path, asked in (
        ("/admin/reports/refunds-and-disputes", "offer=unknown"),
        ("/admin/reports/refunds-and-disputes/rows", "offer=unknown"),
        ("/admin/movements", "currency=CHF"),
        ("/admin/cancellations", "currency=CHF"),
    ):
        shown = await browser_with_history.get(f"{path}?{asked}")
        assert shown.status_code == 200
        name, value = asked.split("=")
        field = re.search(rf'<select id="{name}".*?</select>', shown.text, re.DOTALL)
        assert field, path
        assert re.findall(r'value="([^"]*)" selected', field[0]) == [value], path
        unfiltered = (await browser_with_history.get(path)).text
        assert f'value="{value}"' not in unfiltered


async def test_the_first_page_leads_to_those_it_counts(
    browser_with_history: httpx2.AsyncClient, signed_in: SignedIn
) -> None:
    """Who may not see readers is led to the days as before."""
    page = unescape((await browser_with_history.get("/admin")).text)
    counted = re.findall(r'<strong><a href="(/admin/reports/[^"]*/rows[^"]*)">([^<]*)</a>', page)
    assert {address.split("/")[3] for address, _ in counted} >= {"active-subscribers", "joined-and-left"}  # fmt: skip
    for address, value in counted:
        if "/joined-and-left/" in address:
            found = (await browser_with_history.get(address)).text
            assert found.count('role="rowheader"') == abs(int(value.replace("−", "-"))), address
    bars = re.findall(r'<a href="(/admin/[^"]*)" tabindex="-1"><rect', page)
    assert any(each.startswith("/admin/movements?") for each in bars)
    assert any(each.startswith("/admin/reports/joined-and-left/rows?") for each in bars)
    editors = (await (await signed_in("editor")).get("/admin")).text
    assert "/admin/reports/joined-and-left?" in editors
    assert "/rows?" not in editors
    assert "/admin/movements?" not in editors
