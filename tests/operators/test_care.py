"""What operators see and do from a reader's page: notes, access, devices, explanations, saved views."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.account.notes import LONGEST_NOTE
from service.db.session import Database
from service.db.tables import (
    AuditEntry,
    Grant,
    Operator,
    Reader,
    ReaderNote,
    ReaderSession,
    SavedView,
)
from service.identity.sessions import open_session
from service.settings import Settings
from tests.conftest import START, MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.operators.conftest import csrf_in
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
HOSTILE = '"><script>alert(1)</script>=cmd'


async def send(browser: httpx2.AsyncClient, path: str, **form: Any) -> httpx2.Response:
    csrf = csrf_in((await browser.get("/admin/account")).text)
    return await browser.post(f"/admin/{path}", data={"csrf": csrf, **form})


async def all_of(database: Database, table: type[Any]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.scalars(select(table)))


async def audited(database: Database) -> list[tuple[str, str]]:
    return [(row.action, row.target) for row in await all_of(database, AuditEntry)]


@pytest.fixture
async def reader(store: Store) -> Reader:
    made = rows.reader(email="ana@example.org")
    await store(made)
    return made


async def test_a_note_is_kept_shown_and_deleted(
    signed_in: SignedIn, reader: Reader, database: Database
) -> None:
    browser = await signed_in("billing")
    text = f"  Called: {HOSTILE}\r\n\u202eevil\u2069 \u05d0\u200f a\u200db\x07\x00".replace(
        "\x00", ""
    )
    kept = await send(browser, f"subscribers/{reader.id}/notes", text=text)
    assert kept.headers["location"] == f"/admin/subscribers/{reader.id}?done=note#notes"
    (note,) = await all_of(database, ReaderNote)
    assert note.text == f"Called: {HOSTILE}\nevil \u05d0\u200f a\u200db"
    page = (await browser.get(f"/admin/subscribers/{reader.id}?done=note")).text
    assert "Note added." in page
    assert "<script>" not in page
    assert HOSTILE in unescape(page)
    assert "billing@example.org</span>" in page
    gone = await send(browser, f"subscribers/{reader.id}/notes/{note.id}/delete")
    assert gone.status_code == 303
    assert await all_of(database, ReaderNote) == []
    assert await audited(database) == [("note.add", reader.id), ("note.delete", reader.id)]
    entries = await all_of(database, AuditEntry)
    assert "Called" not in "".join(f"{each.before}{each.after}" for each in entries)


@on_sqlite
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 422), (" \t\r\n", 422), ("\u202e\u0007", 422), ("x" * (LONGEST_NOTE + 1), 422),
        ("x" * LONGEST_NOTE, 303), ("\u202e" * 10 + "x" * LONGEST_NOTE, 303),
        ("x" * (4 * LONGEST_NOTE + 1), 422), ("a\0b", 422), ("\u200b", 422),
    ],
)  # fmt: skip
async def test_which_notes_are_kept(
    signed_in: SignedIn, reader: Reader, database: Database, text: str, status: int
) -> None:
    answer = await send(await signed_in("admin"), f"subscribers/{reader.id}/notes", text=text)
    assert answer.status_code == status
    assert len(await all_of(database, ReaderNote)) == (status == 303)


@on_sqlite
async def test_nothing_of_another_reader_is_changed(
    signed_in: SignedIn,
    reader: Reader,
    store: Store,
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
) -> None:
    other = rows.reader(email="ben@example.org")
    note = ReaderNote(id="nte_1", reader_id=other.id, author="command", text="Hi", at=START)
    comp = rows.grant(other)
    await store(other, note, comp)
    async with database.transaction() as session:
        opened = await open_session(
            session, reader_id=other.id, now=clocks.wall(), settings=settings
        )
    assert opened.token
    (device,) = await all_of(database, ReaderSession)
    browser = await signed_in("admin")
    for path in (
        f"notes/{note.id}/delete", f"comps/{comp.id}/revoke", f"sessions/{device.id}/end",
        "notes/nte_none/delete", "comps/grt_none/revoke", "sessions/ses_none/end",
    ):  # fmt: skip
        answer = await send(browser, f"subscribers/{reader.id}/{path}")
        assert answer.status_code == 404, path
    assert len(await all_of(database, ReaderNote)) == 1
    assert [each.ends_at for each in await all_of(database, Grant)] == [None]
    assert [each.ended_at for each in await all_of(database, ReaderSession)] == [None]
    assert await audited(database) == []
    unknown = await send(browser, "subscribers/rdr_none/notes", text="Hello")
    assert unknown.status_code == 404


@on_sqlite
async def test_access_is_given_and_taken_back(
    signed_in: SignedIn, reader: Reader, database: Database, settings: Settings
) -> None:
    browser = await signed_in("billing")
    path = f"subscribers/{reader.id}/comps"
    given = await send(browser, path, until="2026-03-31", note="Jury")
    assert given.status_code == 303
    (grant,) = await all_of(database, Grant)
    assert grant.ends_at.astimezone(settings.zone).isoformat() == "2026-04-01T00:00:00+01:00"
    page = (await browser.get(f"/admin/subscribers/{reader.id}")).text
    assert "<bdi>Jury</bdi>" in page
    assert "Revoke" in page
    for wrong, told in [
        ("2026-03-01", "lies in the past"), ("2026-02-30", "as 2026-03-01"), ("tomorrow", "as 2026"),
        ("9999-12-31", "as 2026"), ("20260331", "as 2026"),
    ]:  # fmt: skip
        refused = await send(browser, path, until=wrong, note="Jury")
        assert (refused.status_code, told in refused.text) == (422, True), wrong
    for note in ({}, {"note": "  "}):
        refused = await send(browser, path, until="2026-03-31", **note)
        assert (refused.status_code, "Write why access is given" in refused.text) == (422, True)
    taken = await send(browser, f"{path}/{grant.id}/revoke")
    assert taken.status_code == 303
    assert (
        "Revoke the access given" not in (await browser.get(f"/admin/subscribers/{reader.id}")).text
    )


@on_sqlite
async def test_a_device_is_signed_out(
    signed_in: SignedIn,
    reader: Reader,
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
) -> None:
    async with database.transaction() as session:
        await open_session(session, reader_id=reader.id, now=clocks.wall(), settings=settings)
    (device,) = await all_of(database, ReaderSession)
    browser = await signed_in("admin")
    assert "Signed-in devices" in (await browser.get(f"/admin/subscribers/{reader.id}")).text
    ended = await send(browser, f"subscribers/{reader.id}/sessions/{device.id}/end")
    assert ended.status_code == 303
    assert "Signed-in devices" not in (await browser.get(f"/admin/subscribers/{reader.id}")).text
    assert await audited(database) == [("session.end", reader.id)]


@on_sqlite
async def test_an_article_is_explained(signed_in: SignedIn, reader: Reader, store: Store) -> None:
    ferry = rows.article("ferry", "The ferry")
    ferry.level = "subscribers"
    await store(ferry)
    browser = await signed_in("viewer")
    path = f"/admin/subscribers/{reader.id}/explain"
    for typed in ("ferry", "https://www.example.org/articles/ferry?x=1#end", "/articles/ferry/"):
        page = (await browser.get(path, params={"article": typed})).text
        assert "Closed: for subscribers only." in page
        assert "(this decided)" in page
    await store(rows.grant(reader))
    assert (
        "Open: with complimentary access."
        in (await browser.get(path, params={"article": "ferry"})).text
    )
    then = {"article": "ferry", "at": "2020-03-10T09:00"}
    past = (await browser.get(path, params=then)).text
    assert "Closed: readers can&#39;t see the article" in past
    assert 'value="2020-03-10T09:00"' in past
    for at, is_hidden in (("2026-03-10T09:00:00Z", False), ("2026-03-10T09:00:00+05:00", True)):
        told = (await browser.get(path, params={"article": "ferry", "at": at})).text
        assert ("Closed: readers can&#39;t see the article" in told) == is_hidden, at
    for at in ("soon", "2026-13-01T09:00", HOSTILE[:40]):
        refused = await browser.get(path, params={**then, "at": at})
        assert (refused.status_code, "Enter the time as" in refused.text) == (422, True), at
    came = await browser.get(path, params={"article": "ferry", "entry": "newsletter"})
    assert '<option value="newsletter" selected>' in came.text
    assert (await browser.get(path, params={"article": "ferry", "entry": "x"})).status_code == 422
    for typed in ("never", "", HOSTILE, "x" * 2000):
        missing = await browser.get(path, params={"article": typed})
        assert missing.status_code == 404
        assert "Article not found" in missing.text
        assert "<script>" not in missing.text
    assert (await browser.get(path, params={"article": "x" * 2001})).status_code == 422


@on_sqlite
async def test_an_editor_is_told_why_something_is_closed_but_shown_no_reader(
    signed_in: SignedIn, reader: Reader, store: Store
) -> None:
    ferry = rows.article("ferry", "The ferry")
    ferry.level = "subscribers"
    walled = rows.read(
        ferry, rows.NOW, reader_id=reader.id, holder=f"reader:{reader.id}", wall="subscribe"
    )
    await store(ferry, walled)
    billing = await signed_in("billing")
    whole = await billing.get("/admin/explain", params={"who": reader.id, "article": "ferry"})
    assert "Last read attempt" in whole.text
    assert "Audience: " in whole.text
    browser = await signed_in("editor")
    assert "/admin/explain?article=ferry" in (await browser.get("/admin/articles/ferry")).text
    form = (await browser.get("/admin/explain", params={"article": "ferry"})).text
    assert 'value="ferry"' in form
    assert "(this decided)" not in form
    for who in (reader.id, f" {reader.id} ", "dev_0123456789abcdef01234567"):
        told = await browser.get(
            "/admin/explain", params={"who": who, "article": "/articles/ferry"}
        )
        assert "Closed: for subscribers only." in told.text
        assert "(this decided)" in told.text
        assert f"/admin/subscribers/{reader.id}" not in told.text
        assert "Last read attempt" not in told.text
        assert "Audience: " not in told.text
    assert (await browser.get(f"/admin/subscribers/{reader.id}")).status_code == 403
    for who, article, status in [
        ("rdr_nobody", "ferry", 404), ("a@b", "ferry", 422), (reader.id, "never", 404),
    ]:  # fmt: skip
        refused = await browser.get("/admin/explain", params={"who": who, "article": article})
        assert (refused.status_code, 'class="refusal"' in refused.text) == (status, True), who


async def test_the_same_over_the_api(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    path = f"/v1/admin/subscribers/{reader_id}"

    async def call(method: str, more: str, **body: str) -> httpx2.Response:
        return await paywall.client.request(
            method, path + more, json=body or None, headers=paywall.staff
        )

    made = await call("POST", "/notes", text="First\u202e")
    assert (made.status_code, made.json()["text"]) == (201, "First")
    paywall.clocks.travel(timedelta(minutes=1))
    await call("POST", "/notes", text="Second")
    page = (await call("GET", "/notes?limit=1")).json()
    assert [each["text"] for each in page["items"]] == ["Second"]
    rest = (await call("GET", f"/notes?cursor={page['next_cursor']}")).json()
    assert [each["text"] for each in rest["items"]] == ["First"]
    too_long = await call("POST", "/notes", text="x" * (LONGEST_NOTE + 1))
    assert too_long.status_code == 422
    assert too_long.json()["errors"][0]["field"] == "body.text"
    assert (await call("DELETE", f"/notes/{made.json()['id']}")).status_code == 204
    assert (await call("DELETE", f"/notes/{made.json()['id']}")).status_code == 404
    (device,) = (await call("GET", "/sessions")).json()["items"]
    assert (await call("DELETE", f"/sessions/{device['id']}")).status_code == 204
    assert (await call("GET", "/sessions")).json() == {"items": []}
    assert (await paywall.client.get("/v1/me")).status_code == 401


@on_sqlite
async def test_views_are_saved_by_each_for_themselves(
    signed_in: SignedIn, database: Database
) -> None:
    browser = await signed_in("viewer")
    filters = "query=ana%40example.org&kind=owing&plan=digital&cursor=x"
    saved = await send(browser, "readers/views", name="Who owes", filters=filters)
    assert saved.headers["location"] == "/admin/readers?kind=owing&plan=digital"
    page = unescape((await browser.get("/admin/readers")).text)
    assert '<a href="/admin/readers?kind=owing&plan=digital">Who owes</a>' in page
    for name, odd in [
        ("", "kind=owing"), ("x" * 81, ""), ("a\nb", ""), ("a\u202eb", ""), ("Odd", "kind=odd"),
        ("Odd", "odd=1"), ("Odd", "from=2026-02-30"),
    ]:  # fmt: skip
        refused = await send(browser, "readers/views", name=name, filters=odd)
        assert refused.status_code == 422, (name, odd)
        assert "Not saved" in refused.text
    (view,) = await all_of(database, SavedView)
    other = await signed_in("billing")
    assert "Who owes</a>" not in (await other.get("/admin/readers")).text
    await send(other, f"readers/views/{view.id}/delete")
    assert len(await all_of(database, SavedView)) == 1


@on_sqlite
async def test_views_over_the_api(
    paywall: Paywall, operator: Callable[[str], Awaitable[Operator]]
) -> None:
    owner = await operator("viewer")

    async def call(method: str, path: str = "", **body: str) -> httpx2.Response:
        return await paywall.client.request(
            method, f"/v1/admin/saved-views{path}", json=body or None, headers=paywall.staff
        )

    whose = f"?operator={owner.email}"
    made = await call("POST", whose, name="Who owes", filters="kind=owing&query=ana%40example.org")
    assert (made.status_code, made.json()["filters"]) == (201, "kind=owing")
    assert (await call("GET", whose)).json() == {"items": [made.json()]}
    for path, status in (("", 422), ("?operator=nobody@example.org", 404), ("?odd=1", 422)):
        assert (await call("GET", path)).status_code == status
    assert (await call("POST", whose, name="Odd", filters="kind=odd")).status_code == 422
    for _ in range(2):
        assert (await call("DELETE", f"/{made.json()['id']}{whose}")).status_code == 204
    assert (await call("GET", whose)).json() == {"items": []}
