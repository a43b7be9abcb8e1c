"""Whatever is sent, the answer is a problem that says what to do, and nothing is lost."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from service.wrong_values import sentence_of
from tests.inside import Paywall

pytestmark = pytest.mark.asyncio(loop_scope="module")
on_sqlite = pytest.mark.parametrize(
    "module_database_url", ["sqlite"], indirect=True, scope="module"
)
"""For what is refused before a database is asked."""
on_postgresql = pytest.mark.parametrize(
    "module_database_url", ["postgresql"], indirect=True, scope="module"
)
JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"

SLUGS = {
    "unknown": "there-is-none",
    "upper case": "A",
    "dots": "%2e%2e",
    "a path": "..%2f..%2fetc%2fpasswd",
    "a slash": "a%2fb",
    "NUL": "a%00",
    "only NUL": "%00",
    "line break": "a%0d%0aSet-Cookie:%20x=1",
    "invalid UTF-8": "%ff%fe",
    "overlong": "%c0%ae",
    "surrogate": "%ed%a0%80",
    "unicode": "%f0%9f%93%b0",
    "look-alike": "%d0%b0",
    "full width": "%ef%bd%81",
    "SQL": "a'%20OR%201=1--",
    "wildcard": "%25",
    "template": "%7b%7b7*7%7d%7d",
    "long": "a" * 5000,
    "hyphens": "-a-",
    "blank": "%20",
}


def assert_problem(answer: httpx2.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert set(body) >= {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["type"].startswith("/problems/")
    if slug is not None:
        assert body["type"] == f"/problems/{slug}"
    assert "Set-Cookie" not in answer.headers
    assert len(answer.content) < 8000
    return body


@pytest.mark.parametrize("slug", SLUGS.values(), ids=SLUGS)
async def test_slugs(paywall: Paywall, slug: str) -> None:
    client, staff = paywall.client, paywall.staff
    for method, path in (
        ("GET", f"/v1/articles/{slug}"),
        ("GET", f"/v1/articles/{slug}/access"),
        ("POST", f"/v1/articles/{slug}/unlock"),
        ("GET", f"/v1/admin/articles/{slug}"),
        ("DELETE", f"/v1/admin/articles/{slug}"),
    ):
        assert_problem(await client.request(method, path, headers=staff), 404)
    page = await client.get(f"/articles/{slug}")
    assert page.status_code in {404, 422}
    document = {"title": "x", "body": "<p>x</p>"}
    answer = await client.put(f"/v1/admin/articles/{slug}", json=document, headers=staff)
    if slug == SLUGS["unknown"]:
        assert answer.status_code == 201
        await client.delete(f"/v1/admin/articles/{slug}", headers=staff)
    else:
        assert answer.status_code in {404, 422}
    assert (await client.get("/v1/articles/a")).status_code == 200


QUERIES = [
    "cursor=x", "cursor=%00", "cursor=" + "A" * 5000, "cursor=%ff", "cursor=MQ==", "cursor=e30",
    "cursor=' OR 1=1--", "limit=0", "limit=101", "limit=-1", "limit=x", "limit=1e2",
    "limit=99999999999999999999", "limit=%d9%a1", "q=%00", "section=%00", "tag=a%00b",
    "author=" + "a" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=[query[:30] for query in QUERIES])
async def test_queries(paywall: Paywall, query: str) -> None:
    answer = await paywall.client.get(f"/v1/articles?{query}")
    if answer.status_code != 200:
        assert_problem(answer, 422, "invalid-request")
    if query.startswith(("cursor", "limit")):
        for path in ("/v1/admin/articles", "/v1/admin/subscribers"):
            staff = await paywall.client.get(f"{path}?{query}", headers=paywall.staff)
            if staff.status_code != 200:
                assert_problem(staff, 422, "invalid-request")
    assert (await paywall.client.get(f"/?{query}")).status_code < 500


async def test_what_no_database_keeps_is_refused_in_the_addresses_of_all_lists(
    paywall: Paywall,
) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    asked = [
        (path, each["name"])
        for path, methods in document["paths"].items()
        if "{" not in path
        for each in methods.get("get", {}).get("parameters", ())
        if each["in"] == "query"
    ]
    assert ("/v1/admin/entitlements", "source") in asked
    for path, name in asked:
        answer = await paywall.client.get(f"{path}?{name}=%00", headers=paywall.staff)
        assert answer.status_code != 500, (path, name, answer.text)


def patterns(document: Any) -> Iterator[str]:
    """All expressions that the API's document has."""
    if isinstance(document, dict):
        if isinstance(document.get("pattern"), str):
            yield document["pattern"]
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from patterns(each)


async def test_nobody_is_sent_an_expression_to_read(paywall: Paywall) -> None:
    found = {*patterns((await paywall.client.get("/openapi.json")).json())}
    assert len(found) > 10
    error = {"type": "string_pattern_mismatch", "msg": ""}
    said = {each: sentence_of({**error, "ctx": {"pattern": each}}) for each in found}
    assert not [each for each in found if each in said[each]]


HOSTILE_QUERIES = [
    "q=%ff%fe", "q=%25%25", "q=_", "q=' OR 1=1--", "q=\\", "q=%22", "q=*", "q=a AND b", "q=NEAR(",
    "q=%ed%a0%80", "q=%f0%9f%93%b0", "section=%27%22", "unknown=1", "q=", "q=a&q=b",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE_QUERIES)
async def test_searches_are_words_not_expressions(paywall: Paywall, query: str) -> None:
    answer = await paywall.client.get(f"/v1/articles?{query}")
    assert answer.status_code in {200, 422}
    page = await paywall.client.get(f"/?{query}")
    assert page.status_code in {200, 404, 422}


HEADERS: dict[str, tuple[bytes, bytes]] = {
    "oversized cookie": (b"Cookie", b"pw_device=" + b"a" * 20_000),
    "many cookies": (b"Cookie", b"; ".join(b"c%d=%d" % (n, n) for n in range(2000))),
    "cookie of separators": (b"Cookie", b";;;===;;\x80\xff"),
    "quoted cookie": (b"Cookie", b'pw_session="\\000\\377\\"'),
    "session with NUL": (b"Cookie", b'pw_session="a\\000b"; pw_operator="a\\000b"'),
    "session beyond ASCII": (b"Cookie", b"pw_session=\xe9\xff; pw_operator=\xff"),
    "huge session": (b"Cookie", b"pw_session=" + b"s" * 20_000),
    "device beyond ASCII": (b"Paywall-Device", b"v1.\xe9\xff.\xff"),
    "huge device": (b"Paywall-Device", b"v" * 20_000),
    "bearer beyond ASCII": (b"Authorization", b"Bearer \xff\xfe"),
    "huge bearer": (b"Authorization", b"Bearer " + b"b" * 20_000),
    "API key with a letter beyond ASCII": (b"Authorization", b"Bearer pwk_0123456789_" + b"\xe9" * 43),
    "basic": (b"Authorization", b"Basic eDp5"),
    "referrer": (b"Referer", b"http://[::1"),
    "referrer beyond ASCII": (b"Referer", b"http://\xe9\xff/\x00"),
    "referrer of a long host": (b"Referer", b"http://" + b"h" * 5000),
    "If-None-Match": (b"If-None-Match", b'W/"\xff", , ,"' + b"x" * 5000),
    "If-Match": (b"If-Match", b"\xff"),
    "range": (b"Range", b"bytes=-1,9-3,x"),
    "encoding": (b"Accept-Encoding", b"gzip;q=x, \xff;q=0, *;q=0"),
    "content type": (b"Content-Type", b"\xff/\xfe; charset=\x00"),
    "purpose": (b"Sec-Purpose", b"\xff"),
    "forwarded": (b"X-Forwarded-For", b"\xff, 1.2.3.4.5, ::g"),
    "request id": (b"X-Request-Id", b"x\xff\r"),
    "host": (b"Host", b"elsewhere.example:99999"),
}  # fmt: skip
ROUTES = [
    ("GET", "/v1/articles"), ("GET", "/v1/articles/a"), ("GET", "/v1/articles/a/access"),
    ("POST", "/v1/articles/a/unlock"), ("GET", "/v1/articles/a/full"),
    ("GET", "/v1/admin/articles/a"), ("POST", "/v1/session/token"), ("GET", "/.well-known/jwks.json"),
    ("GET", "/"), ("GET", "/articles/a"), ("POST", "/articles/a"), ("GET", "/admin"),
    ("GET", "/account"), ("GET", "/account/sign-in"), ("GET", "/account/sign-in/code"),
    ("POST", "/account/sign-in/code"), ("POST", "/account/sign-out"), ("GET", "/account/erase"),
    ("GET", "/readyz"), ("POST", "/v1/webhooks/stripe"), ("GET", "/v1/me/export"), ("DELETE", "/v1/me"),
]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("header", HEADERS)
async def test_headers(paywall: Paywall, header: str) -> None:
    await _send(paywall, header)


@on_postgresql
@pytest.mark.parametrize(
    "header",
    [each for each, (name, _) in HEADERS.items() if name in {b"Authorization", b"Cookie", b"Paywall-Device"}],
)  # fmt: skip
async def test_headers_that_say_who_asks(paywall: Paywall, header: str) -> None:
    """These are looked up in the database."""
    await _send(paywall, header)


async def _send(paywall: Paywall, header: str) -> None:
    for method, path in ROUTES:
        async with paywall.new_client() as client:
            answer = await client.request(method, path, headers=[HEADERS[header]])
        assert answer.status_code < 500, (path, answer.text)
        assert "elsewhere.example" not in f"{answer.headers}{answer.text}"


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


BODIES: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "cut off": (b'{"title": "x"', JSON, 400, "malformed-request"),
    "no JSON": (b"title=x", JSON, 400, "malformed-request"),
    "invalid UTF-8": (b'{"title": "\xff"}', JSON, 400, "malformed-request"),
    "half a surrogate": (b'{"title": "\\ud800", "body": "x"}', JSON, 422, "invalid-request"),
    "half a surrogate as a field": (b'{"\\ud800": 1}', JSON, 422, "invalid-request"),
    "half a surrogate in bytes": (b'{"\xed\xa0\x80": 1}', JSON, 422, "invalid-request"),
    "NUL": (b'{"title": "a\\u0000", "body": "x"}', JSON, 422, "invalid-request"),
    "unknown field": (b'{"title": "x", "body": "x", "price": 1}', JSON, 422, "invalid-request"),
    "a long unknown field": (b'{"%s": 1}' % (b"f" * 50_000), JSON, 422, "invalid-request"),
    "many unknown fields": (
        b"{%s}" % b",".join(b'"f%d":1' % n for n in range(900)), JSON, 422, "invalid-request",
    ),
    "NaN": (b'{"title": NaN, "body": "x"}', JSON, 422, "invalid-request"),
    "huge number": (b'{"title": 1e999, "body": %s}' % (b"9" * 4000), JSON, 422, "invalid-request"),
    "number of too many digits": (b'{"title": %s}' % (b"9" * 9000), JSON, 400, "malformed-request"),
    "null": (b"null", JSON, 422, "invalid-request"),
    "a list": (b"[]", JSON, 422, "invalid-request"),
    "a string": (b'"x"', JSON, 422, "invalid-request"),
    "nothing": (b"", JSON, 422, "invalid-request"),
    "nested": (deep(15), JSON, 422, "invalid-request"),
    "nested deeply": (deep(500), JSON, 400, "malformed-request"),
    "many members": (b"{%s}" % b",".join(b'"m%d": 1' % n for n in range(1500)), JSON, 400, "malformed-request"),
    "nested too deeply": (deep(10_000), JSON, 400, "malformed-request"),
    "plain text": (b'{"title": "x"}', {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
    "a form": (
        b"title=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415,
        "unsupported-media-type",
    ),
    "no type": (b'{"title": "x"}', {}, 415, "unsupported-media-type"),
    "too large": (b'{"title": "%s"}' % (b"x" * 70_000), JSON, 413, "body-too-large"),
}  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("name", BODIES)
async def test_bodies(paywall: Paywall, name: str) -> None:
    content, headers, status, slug = BODIES[name]
    answer = await paywall.client.put(
        "/v1/admin/articles/x", content=content, headers={**paywall.staff, **headers}
    )
    assert_problem(answer, status, slug)
    assert (await paywall.client.get("/v1/articles/x")).status_code == 404


UNLOCK_BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "empty": (b"", JSON, 200),
    "null": (b"null", JSON, 200),
    "unknown field": (b'{"token": false, "limit": 9}', JSON, 422),
    "half a surrogate": (b'{"\\udfff": 1}', JSON, 422),
    "a string for a flag": (b'{"token": "maybe"}', JSON, 422),
    "a list": (b"[1]", JSON, 422),
    "text": (b"hello", {"Content-Type": "text/plain"}, 415),
    "cut off": (b"{", JSON, 400),
    "too large": (b" " * 70_000, JSON, 413),
    "too large without a type": (b" " * 70_000, {}, 413),
}


@pytest.mark.parametrize("name", UNLOCK_BODIES)
async def test_bodies_of_unlock(paywall: Paywall, name: str) -> None:
    content, headers, status = UNLOCK_BODIES[name]
    before = len(await paywall.ledger())
    answer = await paywall.client.post("/v1/articles/a/unlock", content=content, headers=headers)
    if status == 200:
        assert answer.status_code == 200
    else:
        assert_problem(answer, status)
        assert len(await paywall.ledger()) == before


ERASE_BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "unknown field": (b'{"cancel_subscription": true, "reader_id": "x"}', JSON, 422),
    "a string for a flag": (b'{"cancel_subscription": "true"}', JSON, 422),
    "a number for a flag": (b'{"cancel_subscription": 1}', JSON, 422),
    "null for a flag": (b'{"cancel_subscription": null}', JSON, 422),
    "a list": (b"[true]", JSON, 422),
    "text": (b"yes", {"Content-Type": "text/plain"}, 415),
    "cut off": (b"{", JSON, 400),
    "invalid UTF-8": (b"\xff", JSON, 400),
    "too large": (b" " * 70_000, JSON, 413),
}


@on_sqlite
@pytest.mark.parametrize("name", ERASE_BODIES)
async def test_bodies_of_erase(paywall: Paywall, name: str) -> None:
    reader_id = await paywall.sign_in()
    content, headers, status = ERASE_BODIES[name]
    answer = await paywall.client.request("DELETE", "/v1/me", content=content, headers=headers)
    assert_problem(answer, status)
    assert (await paywall.client.get("/v1/me")).json()["id"] == reader_id
    assert (await paywall.client.get("/v1/me/export")).json()["about"]["reader"] == reader_id


@pytest.mark.parametrize(
    "path",
    [
        "/articles/a",
        "/subscribe",
        "/admin/sign-in",
        "/account/sign-in",
        "/account/sign-in/request",
        "/account/sign-in/code",
        "/account/sign-out",
        "/account/sign-out/everywhere",
        "/account/erase",
    ],
)
async def test_forms_are_limited_and_odd_ones_no_failure(paywall: Paywall, path: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    parts = {"Content-Type": "multipart/form-data; boundary=x"}
    for content, headers in (
        (b"email=" + b"a" * 70_000, form),
        (b"%ff=%ff&offer=%00&email=%00", form),
        (b"&&&===", form),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n--x--", parts),
        (b"not a part", parts),
        (b"x", {"Content-Type": "multipart/form-data"}),
    ):
        answer = await paywall.client.post(path, content=content, headers=headers)
        assert answer.status_code < 500 or answer.status_code == 503, (content[:20], answer.text)


async def test_methods(paywall: Paywall) -> None:
    for method, path, allow in [
        ("POST", "/v1/articles", "GET"), ("DELETE", "/v1/articles/a", "GET"),
        ("PUT", "/v1/articles/a/unlock", "POST"), ("GET", "/v1/session/token", "POST"),
        ("PATCH", "/healthz", "GET"), ("TRACE", "/v1/offers", "GET"), ("BREW", "/v1/offers", "GET"),
        ("OPTIONS", "/v1/offers", "GET"),
    ]:  # fmt: skip
        answer = await paywall.client.request(method, path)
        assert_problem(answer, 405, "method-not-allowed")
        assert allow in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/v1", "/v2/articles", "/v1/articles/a/b/c", "/.env", "/v1//articles", "/%00"]
)
async def test_unknown_paths(paywall: Paywall, path: str) -> None:
    assert_problem(await paywall.client.get(path), 404, "not-found")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_staff_paths_tell_nothing_without_credentials(paywall: Paywall, method: str) -> None:
    paths = ("", "/", "/articles", "/articles/a", "/articles/x/y", "/nothing", "/%2e%2e/x", "//")
    for path in paths:
        answer = await paywall.client.request(method, f"/v1/admin{path}")
        assert answer.status_code == 401, (path, answer.text)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        if method != "HEAD":
            assert_problem(answer, 401, "unauthenticated")


async def test_staff_paths_for_the_staff(paywall: Paywall) -> None:
    client, staff = paywall.client, paywall.staff
    assert_problem(await client.get("/v1/admin/nothing", headers=staff), 404, "not-found")
    answer = await client.post("/v1/admin/articles/a", headers=staff)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "DELETE, GET, PATCH, PUT"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/v1/articles/a/", None),
        ("/v1/articles/a/full/", None),
        ("//elsewhere.example/account/", None),
        ("/articles/a/", "/articles/a"),
        ("/articles/%0d%0aSet-Cookie:x/", "/articles/Set-Cookie:x"),
        ("/account/", "/account"),
    ],
)
async def test_no_redirect_names_the_host_of_the_request(
    paywall: Paywall, path: str, location: str | None
) -> None:
    headers = {"Host": "elsewhere.example", "X-Forwarded-Host": "elsewhere.example"}
    answer = await paywall.client.get(f"{paywall.settings.public_url}{path}", headers=headers)
    assert answer.headers.get("Location") == location
    if location is None:
        assert_problem(answer, 404)
