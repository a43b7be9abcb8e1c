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


class Content(NamedTuple):
    """All that a line of a list may say of a thing: its column, as first stored, and otherwise."""

    address: str
    name: tuple[str, str]
    columns: dict[str, tuple[str, str]]


CONTENTS = [
    Content(
        "institutions", ("slug", "library"),
        {
            "name": ("Library", "Central library"),
            "plan": ("digital", "weekend"),
            "domains": ("library.example.org", "books.example.org"),
            "networks": ("192.0.2.0/24", "198.51.100.0/24"),
            "ends_at": ("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
        },
    ),
    Content(
        "entitlements/print", ("reference", "A"),
        {
            "plan": ("digital", "weekend"),
            "starts_at": ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            "ends_at": ("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
            "email": ("ana@example.org", "corrected@example.org"),
            "account_number": ("KD-4711", "KD-4712"),
            "name": ("Ana", "Anna"),
            "postcode": ("1000-001", "1000-002"),
        },
    ),
]  # fmt: skip


def line_of(content: Content, otherwise: str = "", *, name: str = "") -> dict[str, str]:
    """A line with what is first stored, but for the column that says something else."""
    key, itself = content.name
    said = {column: both[column == otherwise] for column, both in content.columns.items()}
    return {key: name or itself, **said}


def csv_of(line: dict[str, str]) -> str:
    return f"{','.join(line)}\n{','.join(line.values())}\n"


def body_of(line: dict[str, str], key: str) -> dict[str, object]:
    """The thing by itself, as its address takes it."""
    several = {"domains", "networks"}
    sent = {column: value for column, value in line.items() if column != key}
    return {column: [value] if column in several else value for column, value in sent.items()}


@pytest.mark.parametrize("begun", ["replaced", "as it is", "left out"])
@pytest.mark.parametrize("content", CONTENTS, ids=lambda each: each.address)
async def test_whatever_a_line_says_counts(
    database: Database, settings: Settings, clocks: MovingClocks, content: Content, begun: str
) -> None:
    """Both as somebody else stores it meanwhile, and as the list says it otherwise than was looked at."""
    mine = {
        "replaced": line_of(content, "plan"),
        "as it is": line_of(content),
        "left out": line_of(content, name="another"),
    }[begun]
    is_read = begun != "left out" or content.address != "institutions"
    async with inside(database, settings, clocks) as made:
        address = f"/v1/admin/{content.address}"

        async def put(line: dict[str, str]) -> None:
            key, itself = content.name
            body = body_of(line, key)
            sent = await made.client.put(f"{address}/{itself}", json=body, headers=made.staff)
            assert sent.status_code in {200, 201}, sent.text

        async def send(line: dict[str, str], etag: str = "", **more: bool) -> httpx2.Response:
            headers = {**made.staff, **({"If-Match": etag} if etag else {})}
            body = {"csv": csv_of(line), **more}
            return await made.client.post(f"{address}/import", json=body, headers=headers)

        for column, (first, other) in content.columns.items():
            await put(line_of(content))
            seen = (await send(mine, dry_run=True)).headers["ETag"]
            otherwise = {**mine, column: other if mine[column] == first else first}
            assert (await send(otherwise, seen)).status_code == 412, f"the list's {column}"
            await put(line_of(content, column))
            late = await send(mine, seen)
            assert late.status_code == (412 if is_read else 200), f"another's {column}"
            await put(line_of(content))
            if is_read:
                assert (await send(mine, seen)).status_code == 200, "it is as it was"
