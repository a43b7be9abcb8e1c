"""Caller × route, for every route of the application, by what each declares."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest
from fastapi import APIRouter, Depends

from service import app as assembly
from service.db.tables import Reader
from service.html.csrf import csrf_token
from service.identity.callers import current_reader, requires
from service.identity.cookies import cookie_name
from service.identity.declarations import PUBLIC, declared_routes
from service.identity.operators import create_operator, open_operator_session
from service.identity.permissions import ROLES, SCOPES, MayCall, Permission, Public, SignedIn
from service.operators.frame.visits import csrf_key
from tests.inside import Paywall
from tests.keys import create_api_key
from tests.passwords import QUICK
from tests.surface.declared import DECLARED

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True, scope="module"),
]
Route = tuple[str, str, Permission]
Choice = Callable[[Iterable[Route]], list[Route]]
ANY_METHOD = "/v1/admin/{unknown:path}"
BY_CREDENTIALS_OF_THEIR_OWN = {
    ("GET", "/v1/articles/{slug}/full"),  # a token for the article
    ("HEAD", "/v1/articles/{slug}/full"),
    ("POST", "/v1/session/token"),  # a refresh token or the session's cookie
    ("POST", "/admin/sign-in"),  # an address and a password
    ("POST", "/admin/sign-in/code"),  # what the password came to, and a code
    ("POST", "/account/sign-in/code"),  # what was asked for before, and a code
}
PLACES = {
    "slug": "none", "grant_id": "grt_x", "reader_id": "x", "event_id": "evt_x", "job_id": "job_x",
    "endpoint_id": "whe_x", "delivery_id": "dlv_x", "operator_id": "opr_x", "offer_id": "off_x", "note_id": "nte_x", "view_id": "viw_x", "prefix": "0123456789",
    "session_id": "ses_x", "name": "newspaper.css", "unknown:path": "x",
}  # fmt: skip


def address(path: str) -> str:
    for name, value in PLACES.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def declared(paywall: Paywall) -> dict[tuple[str, str], MayCall]:
    return declared_routes(paywall.app.routes)


def staff_api(paywall: Paywall) -> Iterator[Route]:
    for (method, path), may_call in declared(paywall).items():
        if isinstance(may_call, Permission) and path.startswith("/v1/") and method != "HEAD":
            yield method, address(path), may_call


def staff_pages(paywall: Paywall) -> Iterator[Route]:
    for (method, path), may_call in declared(paywall).items():
        if isinstance(may_call, Permission) and path.startswith("/admin"):
            yield method, address(path), may_call


def one_a_permission(routes: Iterable[Route]) -> list[Route]:
    """The last of each and of its method, since such routes ask who calls in one way."""
    return [*{(needed, method): (method, path, needed) for method, path, needed in routes}.values()]


def asked_as(role: str) -> Choice:
    """Every route as one who may do everything and as one who may nothing; as others one a permission."""
    return list if role in {"admin", "unheard-of"} else one_a_permission


async def operator_session(paywall: Paywall, role: str) -> str:
    """The secret of a new operator's session, which the client holds from now on."""
    now = paywall.clocks.wall()
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session, email=f"{secrets.token_hex(4)}@example.org", password="correct horse battery",
            role="viewer", now=now, passwords=QUICK,
        )  # fmt: skip
        operator.role = role
        secret = await open_operator_session(session, operator, now=now, settings=paywall.settings)
    paywall.client.cookies.set(cookie_name("operator", paywall.settings), secret)
    return secret


async def test_every_route_declares_what_is_written_down(paywall: Paywall) -> None:
    found = {
        f"{method} {path}": may_call
        for (method, path), may_call in declared(paywall).items()
        if path not in {"/v1/admin", ANY_METHOD}
    }
    assert found == DECLARED
    unknown = {found for route, found in declared(paywall).items() if route[1] == ANY_METHOD}
    assert unknown == {Permission.STAFF}


async def test_public_routes_ask_nobody_to_sign_in(paywall: Paywall) -> None:
    refused = set()
    for (method, path), may_call in declared(paywall).items():
        if may_call == Public():
            paywall.client.cookies.clear()
            answer = await paywall.client.request(method, address(path))
            if answer.status_code in {401, 403}:
                refused.add((method, path))
    assert refused == BY_CREDENTIALS_OF_THEIR_OWN


async def test_signed_in_readers_alone_call_what_is_theirs(paywall: Paywall) -> None:
    routes = [route for route, may_call in declared(paywall).items() if may_call == SignedIn()]
    assert routes
    for method, path in routes:
        paywall.client.cookies.clear()
        assert (await paywall.client.request(method, address(path))).status_code == 401, path
        await operator_session(paywall, "admin")
        assert (await paywall.client.request(method, address(path))).status_code == 401, path
        await confirm(paywall, await paywall.sign_in())
        answer = await paywall.client.request(method, address(path))
        assert answer.status_code not in {401, 403}, (method, path)


async def confirm(paywall: Paywall, reader_id: str) -> None:
    """As though the reader had confirmed an address; some routes ask for that, too."""
    typed = f"{reader_id}@example.org"
    async with paywall.database.transaction() as session:
        reader = await session.get_one(Reader, reader_id)
        reader.email = reader.email_key = reader.verified_key = typed
        reader.email_verified_at = paywall.clocks.wall()


async def assert_allowed(
    paywall: Paywall, permissions: frozenset[Permission], asked: Choice = list, **headers: str
) -> None:
    for method, path, needed in asked(staff_api(paywall)):
        answer = await paywall.client.request(method, path, headers=headers)
        if needed in permissions:
            assert answer.status_code not in {401, 403}, (method, path)
        else:
            assert answer.status_code == 403, (method, path)
            assert answer.json()["type"] == "/problems/forbidden"
            assert needed in answer.json()["detail"]


@pytest.mark.parametrize("role", [*ROLES, "unheard-of"])
async def test_operators(paywall: Paywall, role: str) -> None:
    await operator_session(paywall, role)
    await assert_allowed(paywall, ROLES.get(role, frozenset()), asked_as(role))


@pytest.mark.parametrize("role", [*ROLES, "unheard-of"])
async def test_operators_on_pages(paywall: Paywall, role: str) -> None:
    secret = await operator_session(paywall, role)
    form = {"csrf": csrf_token(secret, csrf_key(paywall.settings))}
    for method, path, needed in asked_as(role)(staff_pages(paywall)):
        answer = await paywall.client.request(method, path, data=form if method == "POST" else None)
        refused = f"Your role doesn't include {needed}." in answer.text.replace("&#39;", "'")
        assert refused == (needed not in ROLES.get(role, frozenset())), (method, path)
        assert refused == (answer.status_code == 403), (method, path)


@pytest.mark.parametrize("scope", sorted(SCOPES))
async def test_api_keys(paywall: Paywall, scope: Permission) -> None:
    async with paywall.database.transaction() as session:
        key = await create_api_key(session, label="x", scopes=[scope], now=paywall.clocks.wall())
    granted = {Permission.STAFF, scope}
    if scope.endswith(":write") and (reads := scope.replace("write", "read")) in SCOPES:
        granted.add(Permission(reads))
    if Permission.SUBSCRIBERS_READ in granted:
        granted.add(Permission.DECISIONS_READ)
    bearer = f"Bearer {key}"
    await assert_allowed(paywall, frozenset(granted), one_a_permission, Authorization=bearer)


async def test_no_key_opens_a_page(paywall: Paywall) -> None:
    for method, path, _ in staff_pages(paywall):
        answer = await paywall.client.request(method, path, headers=paywall.staff)
        assert answer.status_code == 303, (method, path)
        assert answer.headers["Location"].startswith("/admin/sign-in")


async def test_staff_is_no_scope(paywall: Paywall) -> None:
    body = {"label": "x", "scopes": ["staff"]}
    answer = await paywall.client.post("/v1/admin/api-keys", json=body, headers=paywall.staff)
    assert answer.status_code == 422


NO_CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "nothing": {},
    "an unknown key": {"Authorization": f"Bearer pwk_0123456789_{'A' * 43}"},
    "another form": {"Authorization": "Bearer pwk_x_y"},
    "basic": {"Authorization": "Basic eDp5"},
    "an empty bearer": {"Authorization": "Bearer "},
    "a session nobody opened": {"Cookie": "pw_operator=forged"},
}


@pytest.mark.parametrize("name", NO_CREDENTIALS)
async def test_nobody(paywall: Paywall, name: str) -> None:
    # Every route without anything; what else is no credential is asked of one route a permission.
    asked = one_a_permission if NO_CREDENTIALS[name] else list
    for method, path, _ in asked(staff_api(paywall)):
        answer = await paywall.client.request(method, path, headers=NO_CREDENTIALS[name])
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for method, path, _ in asked(staff_pages(paywall)):
        answer = await paywall.client.request(method, path, headers=NO_CREDENTIALS[name])
        assert answer.status_code == 303, (method, path)
        assert not answer.text


async def test_a_readers_session_and_tokens_are_none(paywall: Paywall) -> None:
    await paywall.sign_in("everything")
    tokens = [await paywall.access_token(), (await paywall.unlock("a")).json()["token"]]
    for headers in ({}, *({"Authorization": f"Bearer {token}"} for token in tokens)):
        for method, path, _ in staff_api(paywall):
            answer = await paywall.client.request(method, path, headers=headers)
            assert answer.status_code == 401


async def test_a_wrong_key_isnt_saved_by_a_cookie(paywall: Paywall) -> None:
    await operator_session(paywall, "admin")
    wrong = {"Authorization": "Bearer wrong"}
    assert (await paywall.client.get("/v1/admin/articles", headers=wrong)).status_code == 401


async def nothing_said() -> None:
    """A dependency that declares nothing."""


@pytest.mark.parametrize(
    ("dependencies", "told"),
    [
        ([], "nothing"),
        ([nothing_said], "nothing"),
        ([current_reader, requires(Permission.KEYS_READ)], "Public"),
        ([requires(Permission.KEYS_READ), requires(Permission.KEYS_WRITE)], "KEYS_WRITE"),
    ],
    ids=["none", "another dependency", "two kinds", "two permissions"],
)
async def test_a_route_without_one_declaration_stops_the_start(
    paywall: Paywall, dependencies: list[object], told: str
) -> None:
    app = assembly.create_app(paywall.settings, gateway=None, clocks=paywall.clocks)
    inner, router = APIRouter(), APIRouter(prefix="/anywhere")

    @inner.get("/secrets", dependencies=[Depends(each) for each in dependencies])  # type: ignore[arg-type]
    async def read_secrets() -> None:
        """It doesn't say who may call it."""

    router.include_router(inner)
    app.include_router(router)
    with pytest.raises(RuntimeError, match=f"/anywhere/secrets .*{told}"):
        async with app.router.lifespan_context(app):
            pass


async def test_a_router_may_declare_for_its_routes(paywall: Paywall) -> None:
    app = assembly.create_app(paywall.settings, gateway=None, clocks=paywall.clocks)
    router = APIRouter(prefix="/anywhere", dependencies=[PUBLIC])

    @router.get("/news")
    async def read_news() -> None:
        """For everybody."""

    app.include_router(router)
    assert declared_routes(app.routes)["GET", "/anywhere/news"] == Public()
