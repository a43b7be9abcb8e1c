"""Two who load the same list: the second is told who has changed what since the preview, and sees what it does now."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx2
import pytest

from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import inside
from tests.operators.sent_form import fields

pytestmark = on_sqlite
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]


class Listed(NamedTuple):
    """A kind of list: what two load, by page and API, and what the second is told that the first has changed."""

    page: str
    api: str
    mine: str
    theirs: str
    changed: str
    now: str


LISTS = [
    Listed(
        "institutions", "institutions", "slug,name,plan\nlibrary,Mine,digital\n",
        "slug,name,plan\nlibrary,Theirs,digital\n", "library", "~ library",
    ),
    Listed(
        "entitlements", "entitlements/print", "reference,plan,email\nC,digital,c@example.org\nA,digital,a@example.org\n",
        "reference,plan,email\nC,digital,c@example.org\nB,digital,b@example.org\n", "print", "- B",
    ),
]  # fmt: skip


@pytest.mark.parametrize("each", LISTS, ids=lambda each: each.page)
async def test_the_page_shows_it_again(signed_in: SignedIn, each: Listed) -> None:
    browser, home = await signed_in("admin"), f"/admin/{each.page}"

    async def send(page: str, **more: str) -> httpx2.Response:
        form = {name: values[0] for name, values in fields(page, f"{home}/import").items()}
        return await browser.post(f"{home}/import", data={**form, "source": "print", **more})

    empty = (await browser.get(home)).text
    mine, theirs = [await send(empty, csv=csv) for csv in (each.mine, each.theirs)]
    assert (await send(theirs.text, load="yes")).status_code == 303
    late = await send(mine.text, load="yes")
    assert late.status_code == 412
    assert f"admin@example.org has changed {each.changed} in the meantime, 2026-" in late.text
    assert each.now in late.text
    assert each.mine.splitlines()[1] in late.text, "what was typed is still there"
    assert (await send(late.text, load="yes")).status_code == 303


@pytest.mark.parametrize("each", LISTS, ids=lambda each: each.page)
async def test_the_api_answers_412(
    database: Database, settings: Settings, clocks: MovingClocks, each: Listed
) -> None:
    async with inside(database, settings, clocks) as made:

        async def send(csv: str, etag: str | None = None, **more: bool) -> httpx2.Response:
            headers = {**made.staff, **({"If-Match": etag} if etag is not None else {})}
            body = {"csv": csv, **more}
            address = f"/v1/admin/{each.api}/import"
            return await made.client.post(address, json=body, headers=headers)

        seen = (await send(each.mine, dry_run=True)).headers["ETag"]
        assert (await send(each.theirs)).status_code == 200
        late = await send(each.mine, seen)
        told = late.json()
        assert (late.status_code, told["type"].rpartition("/")[2]) == (412, "changed-meanwhile")
        assert (told["changed"], bool(told["by"]), bool(told["at"])) == ([each.changed], True, True)
        now = (await send(each.mine, dry_run=True)).headers["ETag"]
        assert (await send(each.theirs, now)).status_code == 412, "another list than was looked at"
        assert (await send(each.mine, now)).status_code == 200
        assert (await send(each.theirs, "*")).status_code == 200
