"""Bodies have a size and a shape before anything is built from them."""

import time
from codecs import BOM_UTF8, BOM_UTF16_BE

import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from service.boundary import DEEPEST, MOST_MEMBERS, SMALL_BODY, Boundary, fault_of
from service.db.session import Database
from service.problems import Problem
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import inside


def members(count: int) -> bytes:
    return b"{" + b",".join(b'"m%d":1' % n for n in range(count)) + b"}"


BODIES: dict[str, tuple[bytes, str | None]] = {
    "empty": (b"", None),
    "usual": (b'{"title": "a, b: c", "tags": ["x"]}', None),
    "as many as allowed": (members(MOST_MEMBERS // 2), None),
    "many members": (members(MOST_MEMBERS), "members"),
    "many members after blanks": (b" \n" + members(MOST_MEMBERS), "members"),
    "many members after a mark of UTF-8": (BOM_UTF8 + members(MOST_MEMBERS), "members"),
    "usual after a mark of UTF-8": (BOM_UTF8 + b'{"title": "a"}', None),
    **{
        f"many members in {name}": (members(MOST_MEMBERS).decode().encode(name), "UTF-8")
        for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
    },
    "UTF-16 of the other order with its mark": (BOM_UTF16_BE + "[[]]".encode("utf-16-be"), "UTF-8"),
    "a long list": (b"[" + b"1," * (MOST_MEMBERS + 1) + b"1]", "members"),
    "as deep as allowed": (b"[" * DEEPEST + b"]" * DEEPEST, None),
    "too deep": (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "levels"),
    "endlessly deep": (b"[" * 4_000_000, "levels"),
    # Signs inside of texts are text, also behind escapes, and in one that never ends.
    "a long text": (b'{"body": "' + b'<p>a, b: [c] {d} \\" e</p>' * 10_000 + b'"}', None),
    "texts that end in escapes": (b'{"body": "' + b'\\\\", "x": "' * 2000, "members"),
    "a text without an end": (b'{"body": "' + b",:" * 100_000, None),
    "escapes without an end": (b'{"body": "' + b"\\" * 1_000_001, None),
    "quotes": (b'"' * 1_000_000, None),
    "a form": (b"a=1&" * 150, None),
    "a form of many fields": (b"a=1&" * 300, "fields"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bodys_shape_is_known_in_one_look(name: str) -> None:
    body, fault = BODIES[name]
    started = time.process_time()
    found = fault_of(body)
    assert (found is None) if fault is None else (found is not None and fault in found)
    assert time.process_time() - started < 1


@on_sqlite
async def test_what_anybody_may_send_is_small_and_only_articles_and_lists_are_large(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    large = b'{"title": "A", "body": "' + b"x" * SMALL_BODY + b'"}'
    headers = {"Content-Type": "application/json"}
    async with inside(database, settings, clocks) as paywall:
        for path in (
            "/v1/sign-in",
            "/v1/articles/a/unlock",
            "/v1/checkout",
            "/nothing",
            "/account",
        ):
            answer = await paywall.client.post(path, content=large, headers=headers)
            assert answer.status_code == 413, path
            assert answer.json()["type"] == "/problems/body-too-large"
        for path in ("/v1/admin/entitlements/print/import", "/admin/entitlements/import"):
            answer = await paywall.client.post(path, content=large, headers=headers)
            assert answer.status_code in {303, 401}, path
        stored = await paywall.client.put(
            "/v1/admin/articles/large", content=large, headers={**headers, **paywall.staff}
        )
    assert stored.status_code == 201


async def test_a_page_about_what_was_refused_may_fail_itself() -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("a module is broken")

    transport = httpx2.ASGITransport(app=Boundary(broken, SMALL_BODY))
    async with httpx2.AsyncClient(transport=transport, base_url="http://paper") as client:
        with capture_logs() as logs:
            answer = await client.post(
                "/admin/offers", content=b"x" * (SMALL_BODY + 1), headers={"Accept": "text/html"}
            )
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-error")
    assert [each["event"] for each in logs] == ["request.failed"]


async def test_an_answer_that_has_started_gets_no_second_one() -> None:
    started = 0

    async def refusing_late(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal started
        started += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise Problem("database-unavailable")

    transport = httpx2.ASGITransport(app=Boundary(refusing_late, SMALL_BODY))
    async with httpx2.AsyncClient(transport=transport, base_url="http://paper") as client:
        for accept in ("text/html", "*/*"):
            with capture_logs(), pytest.raises(Problem):
                await client.get("/admin/offers", headers={"Accept": accept})
    assert started == 2
