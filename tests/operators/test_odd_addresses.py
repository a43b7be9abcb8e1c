"""Whatever the address of a page says that can't be read, the page is there without it, and says what was wrong."""

import re
from collections.abc import Awaitable, Callable, Iterator
from html import unescape
from typing import Any

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.operators.frame.pages import FileRoute
from service.running import RunningApp
from tests.databases import on_sqlite
from tests.operators.test_odd_forms import MACHINES
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
ASK_STRIPE = "/admin/unbound"
WITHOUT = "The page is shown without it."
pytestmark = on_sqlite


def fields(route: Any) -> Iterator[str]:
    for each in route.dependant.query_params:
        inner = getattr(each.field_info.annotation, "model_fields", {each.alias: each.field_info})
        yield from (found.alias or name for name, found in inner.items())


def pages(app: RunningApp) -> dict[str, set[str]]:
    """The address of each page without ids that has such fields, and their names."""
    return {
        path: found
        for route in iter_route_contexts(list(app.routes))
        for path in (route.path or "",)
        if "GET" in (route.methods or ()) and path.startswith("/admin") and "{" not in path
        if path != ASK_STRIPE and not isinstance(route.original_route, FileRoute)
        if (found := set(fields(route)) - {"done", "next"})
    }


def heading(page: str) -> str:
    return page.partition("<h1")[2].partition("</h1>")[0].partition(">")[2]


async def test_what_cannot_be_read_is_left_out(app: RunningApp, signed_in: SignedIn) -> None:
    browser = await signed_in("admin")
    found = pages(app)
    assert len(found) > 25
    for path, names in found.items():
        usual = await browser.get(path)
        assert usual.status_code == 200, path
        odd = [dict.fromkeys(names, "\x00" * 301)]
        odd += [{"cursor": "x"}] if "cursor" in names else []
        # What one field takes may be too long for another, or for what the page asks with it.
        assert (await browser.get(path, params=dict.fromkeys(names, "x" * 101))).status_code < 500
        for asked in odd:
            answer = await browser.get(path, params=asked)
            assert answer.status_code == 422, (path, asked)
            assert heading(answer.text) == heading(usual.text), (path, asked)
            assert WITHOUT in answer.text or "The period" in answer.text, (path, asked)
            assert not MACHINES.search(answer.text), (path, asked)


async def test_what_can_be_read_is_kept(signed_in: SignedIn) -> None:
    browser = await signed_in("admin")
    answer = await browser.get("/admin/articles?status=nothing&query=lakes&sort=reads&limit=0")
    page = unescape(answer.text)
    assert answer.status_code == 422
    assert "Limit: must be at least 1" in page
    assert 'value="lakes"' in page
    assert '<option value="reads" selected>' in page


async def test_a_file_has_nothing_left_out(signed_in: SignedIn) -> None:
    browser = await signed_in("admin")
    answer = await browser.get("/admin/readers/export?status=nothing")
    assert answer.status_code == 422
    assert WITHOUT not in answer.text
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize(
    ("days", "wrong"),
    [
        ("from=2026-03-09&to=2026-03-01", "The period starts on 2026-03-09"),
        ("from=tomorrow&to=2026-03-01", "Enter a date"),
        ("from=2000-01-01&to=2099-12-31", "36525 days are too many"),
    ],
)  # fmt: skip
async def test_a_period_is_refused_beside_its_fields(
    signed_in: SignedIn, store: Store, days: str, wrong: str
) -> None:
    await store(rows.offer(id="off_a", name="Digital"), rows.article("lakes", "The lakes"))
    browser = await signed_in("admin")
    first, last = re.findall("=([^&]+)", days)
    for path in ("/admin/offers/off_a", "/admin/articles/lakes"):
        answer = await browser.get(f"{path}?{days}")
        assert answer.status_code == 422
        form = answer.text.partition('<form class="filter"')[2]
        assert f'name="from" type="date" value="{first}"' in form
        assert f'name="to" type="date" value="{last}"' in form
        refusal = form.partition('<p class="refusal" role="alert">')[2].partition("</p>")[0]
        assert wrong in refusal
        assert ">Edit</h2>" in form
