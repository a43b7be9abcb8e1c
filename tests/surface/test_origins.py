"""Who may act and who may see: every route of the application, with every kind of origin."""

from collections.abc import Iterator

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from structlog.testing import capture_logs

from service.identity.origins import PRIVATE_VARY
from tests.inside import Paywall
from tests.surface.conftest import FRIEND

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True, scope="module"),
]
SAFE = {"GET", "HEAD", "OPTIONS"}
FOREIGN = "https://elsewhere.example"
PUBLIC = {
    "/v1/articles", "/v1/articles/{slug}", "/v1/offers", "/.well-known/jwks.json",
    "/static/{name}", "/admin/static/admin.css", "/docs", "/robots.txt", "/feed.xml", "/sitemap.xml",
}  # fmt: skip


def every_route(paywall: Paywall) -> Iterator[tuple[str, str, str]]:
    """Method, path and an address of it, for every route there is."""
    for route in iter_route_contexts(paywall.app.routes):
        path = route.path or ""
        address = path.replace("{slug}", "a").replace("{name}", "newspaper.css")
        address = address.replace("{unknown:path}", "x").replace("{", "").replace("}", "")
        for method in sorted(route.methods or ()):
            yield method, path, address


async def test_the_walk_sees_the_routes_inside_the_routers(paywall: Paywall) -> None:
    seen = {(method, path) for method, path, _ in every_route(paywall)}
    assert ("POST", "/v1/articles/{slug}/unlock") in seen
    assert ("PUT", "/v1/admin/articles/{slug}") in seen
    assert ("POST", "/account/sign-out") in seen
    assert ("POST", "/account/sign-in/request") in seen
    assert ("POST", "/account/erase") in seen
    assert len(seen) > 50


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": FOREIGN}, id="foreign"),
        pytest.param({"Origin": "null"}, id="null"),
        pytest.param({"Origin": f"{FRIEND}.elsewhere.example"}, id="a listed one as a prefix"),
        pytest.param({"Origin": FRIEND.replace("https", "http")}, id="another scheme"),
        pytest.param({"Origin": f"{FRIEND}:444"}, id="another port"),
        pytest.param({"Origin": FRIEND.upper()}, id="another case"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site without Origin"),
        pytest.param({"Origin": ""}, id="empty"),
    ],
)
async def test_no_foreign_site_changes_anything(paywall: Paywall, headers: dict[str, str]) -> None:
    await paywall.sign_in("everything")
    before = len(await paywall.ledger())
    for method, _, address in every_route(paywall):
        if method in SAFE:
            continue
        answer = await paywall.client.request(method, address, headers={**paywall.staff, **headers})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/foreign-origin")
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Set-Cookie" not in answer.headers
    assert len(await paywall.ledger()) == before


@pytest.mark.parametrize(
    ("method", "path", "headers", "named"),
    [
        ("POST", "/v1/articles/a/unlock", {}, True),
        ("OPTIONS", "/v1/me", {"Access-Control-Request-Method": "GET"}, True),
        ("GET", "/v1/articles/a/access", {}, True),
        ("GET", "/v1/offers", {}, False),  # public: for every site
    ],
)
async def test_an_origin_that_isnt_listed_is_named_in_the_log(
    paywall: Paywall, method: str, path: str, headers: dict[str, str], named: bool
) -> None:
    origin = f"https://{method}{path.replace('/', '.')}.example".lower()
    with capture_logs() as lines:
        for _ in range(3):
            await paywall.client.request(method, path, headers={"Origin": origin, **headers})
            await paywall.client.request(method, path, headers={"Origin": FRIEND, **headers})
    told = [line["origin"] for line in lines if line["event"] == "origin.refused"]
    assert told == [origin] * named


@pytest.mark.parametrize("origin", [None, FRIEND, "http://127.0.0.1:8000"])
async def test_our_own_and_listed_sites_may(paywall: Paywall, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {"Sec-Fetch-Site": "none"}
    assert (await paywall.unlock("a", **headers)).status_code == 200


async def test_every_answer_is_public_or_private_and_there_is_no_third_kind(
    paywall: Paywall,
) -> None:
    public = set()
    for origin in (None, FOREIGN, FRIEND):
        for method, path, address in every_route(paywall):
            async with paywall.new_client() as client:
                headers = {"Origin": origin} if origin else {}
                answer = await client.request(method, address, headers=headers)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            if answer.headers["Cache-Control"].startswith("public, max-age="):
                public.add(path)
                assert_public(answer)
            else:
                assert_private(answer, origin)
    assert public == PUBLIC


def assert_public(answer: httpx2.Response) -> None:
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert "Set-Cookie" not in answer.headers


def assert_private(answer: httpx2.Response, origin: str | None) -> None:
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Vary"] == PRIVATE_VARY
    if origin == FRIEND:
        assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    else:
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_errors_of_public_routes_are_private(paywall: Paywall) -> None:
    for path in ("/v1/articles/none", "/v1/articles?limit=0", "/nothing"):
        answer = await paywall.client.get(path, headers={"Origin": FOREIGN})
        assert_private(answer, FOREIGN)


async def preflight(paywall: Paywall, origin: str, path: str) -> httpx2.Response:
    return await paywall.client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, paywall-device",
        },
    )


async def test_preflight(paywall: Paywall) -> None:
    path = "/v1/articles/a/unlock"
    allowed = await preflight(paywall, FRIEND, path)
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["Access-Control-Allow-Origin"] == FRIEND
    assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    for name in ("Authorization", "Content-Type", "Paywall-Device"):
        assert name in allowed.headers["Access-Control-Allow-Headers"]
    for origin in (FOREIGN, "null", f"{FRIEND}.elsewhere.example"):
        refused = await preflight(paywall, origin, path)
        assert not [name for name in refused.headers if name.startswith("access-control")]
