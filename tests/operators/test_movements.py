"""Who joined and left: the rows behind MRR's movements."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape

import httpx2
import pytest

from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
DAY = timedelta(days=1)


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_each_row_leads_to_its_reader(signed_in: SignedIn, store: Store) -> None:
    offer = rows.offer(name="Monthly")
    ana = rows.reader(email="ana@a.example")
    gone = rows.reader(email="gone@a.example", erased_at=NOW)
    mine, theirs = rows.subscription(ana, offer), rows.subscription(gone, offer)
    await store(
        offer, ana, gone, mine, theirs,
        rows.movement(mine, 1, NOW - 50 * DAY), rows.ending(mine, 2, NOW - 2 * DAY),
        rows.movement(theirs, 1, NOW - 3 * DAY, to_net=450),
        rows.movement(
            theirs, 2, NOW - DAY, kind="contraction", cause="discount", from_plan="digital",
            from_interval="month", from_interval_count=1, from_listed=900, from_recurring=900,
            from_net=450, to_recurring=450, to_net=450,
        ),
    )  # fmt: skip
    browser = await signed_in("viewer")
    page = (await browser.get("/admin/movements")).text
    text = text_of(page)
    assert "ana@a.example digital Churned (voluntary) 8 Mar 2026, 09:00 €9.00 a month –" in text
    discounted = "€9.00 a month €4.50 after discounts at the time"
    assert f"Erased digital Joined 7 Mar 2026, 09:00 – {discounted}" in text
    # What the bar counts: MRR has less, what is charged is the same.
    assert f"Downgraded 9 Mar 2026, 09:00 {discounted} €4.50 a month" in text
    assert "gone@a.example" not in page
    assert f'href="/admin/subscribers/{ana.id}"' in page
    left = text_of((await browser.get("/admin/movements?kind=churn_voluntary")).text)
    assert ("ana@a.example" in left, "Erased" in left) == (True, False)
    january = text_of((await browser.get("/admin/movements?from=2026-01-01&to=2026-01-31")).text)
    assert "Joined 19 Jan 2026" in january
    first = unescape((await browser.get("/admin/movements?limit=1")).text)
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    assert "ana@a.example" in (await browser.get(following[1])).text


@on_sqlite
async def test_who_is_found_by_why_they_left_is_shown_with_it(
    signed_in: SignedIn, store: Store
) -> None:
    """Where what happened doesn't say it already; an unknown cause is listed and shown as another."""
    offer, whose = rows.offer(), rows.reader(email="ana@a.example")
    causes = {
        "refund": "Churned (voluntary) Refund", "voluntary": "Churned (voluntary)",
        "odd": "Churned (voluntary) Other",
    }  # fmt: skip
    await store(offer, whose)
    for cause in causes:
        bought = rows.subscription(whose, offer)
        await store(bought, rows.ending(bought, 1, NOW - DAY, cause=cause))
    browser = await signed_in("viewer")
    for cause, said in causes.items():
        asked = "other" if cause == "odd" else cause
        page = text_of((await browser.get(f"/admin/movements?cause={asked}")).text)
        assert re.findall(r"ana@a\.example digital (.+?) 9 Mar 2026", page) == [said]


@on_sqlite
@pytest.mark.parametrize("query", ["kind=odd", "from=2026-02-30", "cursor=x", "odd=1", "to=%00"])
async def test_what_cant_be_listed(signed_in: SignedIn, query: str) -> None:
    answer = await (await signed_in("viewer")).get(f"/admin/movements?{query}")
    assert answer.status_code == 422


@on_sqlite
async def test_a_kind_that_there_is_not_is_named_as_in_the_address(signed_in: SignedIn) -> None:
    answer = await (await signed_in("viewer")).get("/admin/movements?kind=moved")
    assert answer.status_code == 422
    assert "looked up. Movement:" in answer.text
    assert "literal" not in answer.text
