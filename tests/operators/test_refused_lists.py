"""Lists over a period whose address can't be answered keep the form as it was sent."""

import re
from collections.abc import Awaitable, Callable
from html import unescape

import httpx2
import pytest

from tests.databases import on_sqlite

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
REVERSED = "from=2026-03-09&to=2026-03-01"


@on_sqlite
@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("movements", ("kind=pause", "interval_charged=year")),
        ("cancellations", ("feedback=unused", "interval_charged=week")),
        ("offers", ("state=ended",)), ("articles", ("status=draft", "sort=sales")),
    ],
)  # fmt: skip
async def test_a_reversed_period_keeps_the_form(
    signed_in: SignedIn, path: str, chosen: tuple[str, ...]
) -> None:
    browser = await signed_in("admin")
    answer = await browser.get(f"/admin/{path}?{REVERSED}&{'&'.join(chosen)}")
    assert answer.status_code == 422
    page = unescape(answer.text)
    refusal = page[page.index('<p class="refusal" role="alert">') :].partition("</p>")[0]
    assert "The period starts on 2026-03-09" in refusal
    for value in (each.partition("=")[2] for each in chosen):
        assert f'<option value="{value}" selected>' in page
    for name, day in (("from", "2026-03-09"), ("to", "2026-03-01")):
        assert re.search(f'name="{name}" type="date" value="{day}"', page)


@on_sqlite
@pytest.mark.parametrize("path", ["", "/movements", "/cancellations"])
async def test_filters_name_intervals_in_words(signed_in: SignedIn, path: str) -> None:
    page = (await (await signed_in("admin")).get(f"/admin{path}?interval_charged=year")).text
    assert '<option value="year" selected>Yearly</option>' in page


@on_sqlite
async def test_an_offer_that_cannot_be_made_names_the_field_in_words(signed_in: SignedIn) -> None:
    browser = await signed_in("admin")
    page = (await browser.get("/admin/offers/new")).text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf
    typed = {"csrf": csrf[1], "name": "M", "plan": "digital", "amount": "9.00"}
    answer = await browser.post("/admin/offers/new", data={**typed, "interval_count": "99"})
    assert answer.status_code == 422
    label = re.search('<label for="interval_count">([^<]+)</label>', answer.text)
    assert label
    assert f"The offer wasn’t created. {label[1]}: 1 to 36 months are possible." in answer.text
