"""Operators, API keys and the audit log over the API."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import ApiKey, AuditEntry, Operator, OperatorSession
from service.identity.cookies import cookie_name
from service.identity.key_uses import KeyUses
from service.identity.operators import (
    create_operator,
    open_operator_session,
    prune_operator_sessions,
)
from service.identity.permissions import SCOPES
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.keys import create_api_key
from tests.operators.conftest import PASSWORD
from tests.passwords import QUICK

OPERATORS, KEYS, AUDIT = "/v1/admin/operators", "/v1/admin/api-keys", "/v1/admin/audit"


async def call(
    paywall: Paywall, method: str, path: str, body: Any = None, **headers: str
) -> httpx2.Response:
    content = json.dumps(body).encode() if body is not None else None
    typed = {"Content-Type": "application/json"} if content else {}
    return await paywall.client.request(
        method, path, content=content, headers={**paywall.staff, **typed, **headers}
    )


async def add(paywall: Paywall, email: str, role: str) -> Operator:
    async with paywall.database.transaction() as session:
        return await create_operator(
            session,
            email=email,
            password=PASSWORD,
            role=role,
            now=paywall.clocks.wall(),
            passwords=QUICK,
        )


async def cookie_of(paywall: Paywall, operator: Operator) -> dict[str, str]:
    async with paywall.database.transaction() as session:
        secret = await open_operator_session(
            session, operator, now=paywall.clocks.wall(), settings=paywall.settings
        )
    return {"Cookie": f"{cookie_name('operator', paywall.settings)}={secret}"}


async def bearer(paywall: Paywall, *scopes: str) -> dict[str, str]:
    async with paywall.database.transaction() as session:
        text = await create_api_key(session, label="x", scopes=scopes, now=paywall.clocks.wall())
    return {"Authorization": f"Bearer {text}"}


@on_sqlite
async def test_an_operators_life(paywall: Paywall) -> None:
    await add(paywall, "first@example.org", "admin")
    body = {"email": "Ana@Example.org", "role": "editor", "password": PASSWORD}
    made = await call(paywall, "POST", OPERATORS, body)
    assert made.status_code == 201
    ana = made.json()
    assert ana["email"] == "ana@example.org"
    assert {key: ana[key] for key in ("role", "totp", "disabled")} == {
        "role": "editor", "totp": False, "disabled": False,
    }  # fmt: skip
    assert "password" not in made.text
    again = await call(paywall, "POST", OPERATORS, body)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/operator-exists")
    cookie = await cookie_of(paywall, await add(paywall, "b@example.org", "editor"))
    path = f"{OPERATORS}/{ana['id']}"
    changed = await call(paywall, "PATCH", path, {"role": "admin", "totp": False})
    assert changed.json()["role"] == "admin"
    assert (await call(paywall, "PATCH", path, {})).json() == changed.json()
    disabled = await call(paywall, "PATCH", path, {"disabled": True})
    assert disabled.json()["disabled"] is True
    listed = (await call(paywall, "GET", OPERATORS)).json()["items"]
    assert [item["email"] for item in listed] == [
        "ana@example.org", "b@example.org", "first@example.org",
    ]  # fmt: skip
    other = next(item for item in listed if item["email"] == "b@example.org")
    articles = "/v1/admin/articles"
    assert (await paywall.client.get(articles, headers=cookie)).status_code == 200
    await call(paywall, "PATCH", f"{OPERATORS}/{other['id']}", {"disabled": True})
    assert (await paywall.client.get(articles, headers=cookie)).status_code == 401


BAD: dict[str, tuple[str, str, Any, int]] = {
    "nothing": ("POST", OPERATORS, {}, 422),
    "a list": ("POST", OPERATORS, [], 422),
    "unknown field": ("POST", OPERATORS, {"email": "a@b.org", "role": "viewer", "password": PASSWORD, "id": "x"}, 422),
    "no address": ("POST", OPERATORS, {"email": "a", "role": "viewer", "password": PASSWORD}, 422),
    "address with a line break": ("POST", OPERATORS, {"email": "a@b.org\n", "role": "viewer", "password": PASSWORD}, 422),
    "address with NUL": ("POST", OPERATORS, {"email": "a\0@b.org", "role": "viewer", "password": PASSWORD}, 422),
    "a long address": ("POST", OPERATORS, {"email": "a" * 300 + "@b.org", "role": "viewer", "password": PASSWORD}, 422),
    "unknown role": ("POST", OPERATORS, {"email": "a@b.org", "role": "owner", "password": PASSWORD}, 422),
    "short password": ("POST", OPERATORS, {"email": "a@b.org", "role": "viewer", "password": "short"}, 422),
    "password as a number": ("POST", OPERATORS, {"email": "a@b.org", "role": "viewer", "password": 1}, 422),
    "half a surrogate": ("POST", OPERATORS, {"email": "a@b.org", "role": "viewer", "password": "\ud800" * 12}, 422),
    "mass assignment": ("PATCH", f"{OPERATORS}/opr_x", {"password_hash": "x"}, 422),
    "an unknown operator": ("PATCH", f"{OPERATORS}/opr_x", {"role": "viewer"}, 404),
    "an odd id": ("PATCH", f"{OPERATORS}/%00", {"role": "viewer"}, 422),
    "switching it on for others": ("PATCH", f"{OPERATORS}/opr_x", {"totp": True}, 422),
    "no scopes": ("POST", KEYS, {"label": "x", "scopes": []}, 422),
    "unknown scope": ("POST", KEYS, {"scopes": ["everything"]}, 422),
    "a scope as text": ("POST", KEYS, {"scopes": "articles:read"}, 422),
    "a long label": ("POST", KEYS, {"label": "x" * 101, "scopes": ["articles:read"]}, 422),
    "a label with NUL": ("POST", KEYS, {"label": "\0", "scopes": ["articles:read"]}, 422),
    "a label of two lines": ("POST", KEYS, {"label": "a\nb", "scopes": ["articles:read"]}, 422),
    "an unknown key": ("DELETE", f"{KEYS}/0000000000", None, 404),
    "an odd prefix": ("DELETE", f"{KEYS}/pwk_x", None, 422),
    "audit by NUL": ("GET", f"{AUDIT}?actor=%00", None, 422),
    "audit by an unknown field": ("GET", f"{AUDIT}?action=x", None, 422),
    "a limit too many": ("GET", f"{AUDIT}?limit=101", None, 422),
    "a cursor of letters": ("GET", f"{AUDIT}?cursor=YWJj", None, 422),
    "a cursor beyond numbers": ("GET", f"{AUDIT}?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5", None, 422),
    "a cursor of nobody": ("GET", f"{OPERATORS}?cursor=b3ByXzAwMA", None, 422),
    "a cursor of no key": ("GET", f"{KEYS}?cursor=MDAwMA", None, 422),
}  # fmt: skip


@on_sqlite
async def test_bad_input(paywall: Paywall) -> None:
    for name, (method, path, body, status) in BAD.items():
        answer = await call(paywall, method, path, body)
        assert answer.status_code == status, (name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", name
    async with paywall.database.reading() as session:
        assert not list(await session.scalars(select(AuditEntry)))


@on_sqlite
async def test_nobody_hands_out_what_they_dont_have(paywall: Paywall) -> None:
    admin = await add(paywall, "a@example.org", "admin")
    clerk = await add(paywall, "b@example.org", "editor")
    key = await bearer(paywall, "operators:write", "keys:write", "articles:write")
    body = {"email": "c@example.org", "role": "admin", "password": PASSWORD}
    for refused in [
        await call(paywall, "POST", OPERATORS, body, **key),
        await call(paywall, "PATCH", f"{OPERATORS}/{clerk.id}", {"role": "admin"}, **key),
        await call(paywall, "PATCH", f"{OPERATORS}/{admin.id}", {"disabled": True}, **key),
        await call(paywall, "PATCH", f"{OPERATORS}/{admin.id}", {"totp": False}, **key),
        await call(paywall, "POST", KEYS, {"scopes": ["audit:read"]}, **key),
        await call(paywall, "POST", KEYS, {"scopes": ["subscribers:write"]}, **key),
    ]:
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    made = await call(paywall, "POST", KEYS, {"scopes": ["articles:write"]}, **key)
    assert made.status_code == 201
    # Those who aren't administrators have none of it.
    cookie = await cookie_of(paywall, clerk)
    for method, path in [("GET", OPERATORS), ("GET", KEYS), ("GET", AUDIT), ("POST", KEYS)]:
        assert (await paywall.client.request(method, path, headers=cookie)).status_code == 403


@on_sqlite
async def test_nobody_changes_their_own_account(paywall: Paywall) -> None:
    me = await add(paywall, "a@example.org", "admin")
    await add(paywall, "b@example.org", "admin")
    cookie = await cookie_of(paywall, me)
    for change in ({"role": "viewer"}, {"disabled": True}, {"totp": False}, {"role": "admin"}):
        answer = await paywall.client.patch(f"{OPERATORS}/{me.id}", json=change, headers=cookie)
        assert answer.status_code == 403


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"disabled": True}])
async def test_one_administrator_stays_in_a_race(paywall: Paywall, change: dict[str, Any]) -> None:
    admins = [await add(paywall, f"a{n}@example.org", "admin") for n in range(6)]
    cookies = [await cookie_of(paywall, admin) for admin in admins]

    async def one(place: int) -> int:
        # Each acts on the next one, so that all of them could go at once.
        target = admins[(place + 1) % len(admins)]
        path = f"{OPERATORS}/{target.id}"
        answer = await paywall.client.patch(path, json=change, headers=cookies[place])
        return answer.status_code

    statuses = await asyncio.gather(*(one(place) for place in range(len(admins))))
    async with paywall.database.reading() as session:
        left = list(
            await session.scalars(
                select(Operator).where(Operator.role == "admin", Operator.disabled_at.is_(None))
            )
        )
    assert len(left) >= 1
    assert statuses.count(200) == len(admins) - len(left)
    # And one by one, by a key that may.
    answers = [await call(paywall, "PATCH", f"{OPERATORS}/{each.id}", change) for each in left]
    assert [answer.status_code for answer in answers] == [200] * (len(left) - 1) + [409]
    assert answers[-1].json()["type"] == "/problems/last-administrator"


async def test_of_parallel_accounts_with_one_address_one_is_made(paywall: Paywall) -> None:
    body = {"email": "ana@example.org", "role": "viewer", "password": PASSWORD}
    answers = await asyncio.gather(*(call(paywall, "POST", OPERATORS, body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


@on_sqlite
async def test_a_keys_life_and_its_last_use(paywall: Paywall, clocks: MovingClocks) -> None:
    made = await call(paywall, "POST", KEYS, {"label": "cms", "scopes": ["articles:read"] * 2})
    assert made.status_code == 201
    key = made.json()
    assert key["key"].startswith(f"pwk_{key['prefix']}_")
    assert (key["scopes"], key["used_at"], key["revoked_at"]) == (["articles:read"], None, None)
    theirs = {"Authorization": f"Bearer {key['key']}"}
    used_at = await use(paywall, theirs, key["prefix"])
    assert used_at == clocks.wall()
    clocks.travel(timedelta(seconds=59))
    assert await use(paywall, theirs, key["prefix"]) == used_at
    clocks.travel(timedelta(seconds=1))
    assert await use(paywall, theirs, key["prefix"]) == clocks.wall()
    listed = await call(paywall, "GET", KEYS)
    assert key["key"] not in listed.text
    assert "secret" not in listed.text
    revoked = await call(paywall, "DELETE", f"{KEYS}/{key['prefix']}")
    assert revoked.json()["revoked_at"] is not None
    clocks.travel(timedelta(days=1))
    assert (await call(paywall, "DELETE", f"{KEYS}/{key['prefix']}")).json() == revoked.json()
    assert (await paywall.client.get("/v1/admin/articles", headers=theirs)).status_code == 401


@on_sqlite
async def test_who_hands_out_less_takes_back_less(paywall: Paywall, clocks: MovingClocks) -> None:
    async with paywall.database.transaction() as session:
        text = await create_api_key(session, label="x", scopes=["keys:write"], now=clocks.wall())
    theirs = {"Authorization": f"Bearer {text}"}

    async def revoke(scopes: list[str]) -> int:
        made = await call(paywall, "POST", KEYS, {"label": "cms", "scopes": scopes})
        path = f"{KEYS}/{made.json()['prefix']}"
        return (await paywall.client.delete(path, headers=theirs)).status_code

    assert await revoke(sorted(SCOPES)) == 403
    assert await revoke(["keys:write", "articles:read"]) == 403
    assert await revoke(["keys:read"]) == 200


async def use(paywall: Paywall, headers: dict[str, str], prefix: str) -> Any:
    assert (await paywall.client.get("/v1/admin/articles", headers=headers)).status_code == 200
    await paywall.app.running.get(KeyUses).flush(paywall.database)
    async with paywall.database.reading() as session:
        return (await session.get_one(ApiKey, prefix)).used_at


async def test_a_use_that_cant_be_written_is_kept_for_the_next_time(
    database: Database, clocks: MovingClocks
) -> None:
    async with database.transaction() as session:
        text = await create_api_key(session, label="x", scopes=["articles:read"], now=clocks.wall())
        key = await session.get_one(ApiKey, text.split("_")[1])
    uses = KeyUses()
    uses.note(key, clocks.wall())
    broken = Database("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(Exception, match="database-unavailable"):
        await uses.flush(broken)
    await broken.dispose()
    await uses.flush(database)
    async with database.reading() as session:
        assert (await session.get_one(ApiKey, key.prefix)).used_at == clocks.wall()


@on_sqlite
async def test_the_audit_log_tells_who_did_what(paywall: Paywall) -> None:
    admin = await add(paywall, "a@example.org", "admin")
    cookie = await cookie_of(paywall, admin)
    for n in range(3):
        body = {"label": f"key {n}", "scopes": ["articles:read"]}
        made = await paywall.client.post(KEYS, json=body, headers=cookie)
        assert made.status_code == 201
    # Not the list's first one: as of the same second that may be the key that asks.
    prefix = made.json()["prefix"]
    await call(paywall, "DELETE", f"{KEYS}/{prefix}")
    by_key = f"api_key:{paywall.staff['Authorization'].split('_')[1]}"
    everything, cursor = [], ""
    while True:
        page = (await call(paywall, "GET", f"{AUDIT}?limit=2{cursor}")).json()
        everything += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [item["action"] for item in everything] == ["api-key.revoke"] + ["api-key.create"] * 3
    assert {item["actor"] for item in everything[1:]} == {f"operator:{admin.id}"}
    mine = (await call(paywall, "GET", f"{AUDIT}?actor={by_key}")).json()["items"]
    assert [item["action"] for item in mine] == ["api-key.revoke"]
    about = (await call(paywall, "GET", f"{AUDIT}?target={prefix}")).json()["items"]
    assert len(about) == 2
    assert about[1]["after"]["scopes"] == ["articles:read"]


async def test_lists_go_on_where_they_ended(paywall: Paywall) -> None:
    for n in range(5):
        await add(paywall, f"n{n}@example.org", "viewer")
        await call(paywall, "POST", KEYS, {"label": f"n{n}", "scopes": ["articles:read"]})
    for path, name in ((OPERATORS, "email"), (KEYS, "prefix")):
        whole = [item[name] for item in (await call(paywall, "GET", path)).json()["items"]]
        parts: list[str] = []
        cursor = ""
        while True:
            page = (await call(paywall, "GET", f"{path}?limit=2{cursor}")).json()
            parts += [item[name] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert parts == whole
        assert len(whole) >= 5


def test_only_administrators_have_the_staffs_permissions() -> None:
    from service.identity.permissions import ROLES

    staff = {name for name in SCOPES if name.startswith(("operators", "keys", "audit"))}
    assert len(staff) == 5
    for role, permissions in ROLES.items():
        assert bool(staff & permissions) == (role == "admin")


@on_sqlite
async def test_a_listed_frontend_acts_for_readers_and_never_for_the_staff(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    friend = "https://www.example.org"
    listing = settings.model_copy(update={"allowed_origins": (friend,)})
    async with inside(database, listing, clocks) as paywall:
        async with database.transaction() as session:
            operator = await create_operator(
                session,
                email="ana@example.org",
                password=PASSWORD,
                role="admin",
                now=clocks.wall(),
                passwords=QUICK,
            )
            secret = await open_operator_session(
                session, operator, now=clocks.wall(), settings=settings
            )
        paywall.client.cookies.set(cookie_name("operator", settings), secret)
        for origin, status in ((friend, 401), (settings.public_url, 200), (None, 200)):
            headers = {"Origin": origin} if origin is not None else {}
            answer = await paywall.client.get(OPERATORS, headers=headers)
            assert answer.status_code == status, origin
        by_key = {"Origin": friend, **paywall.staff}
        assert (await paywall.client.get(OPERATORS, headers=by_key)).status_code == 200


async def test_sessions_that_are_over_are_deleted(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    async with database.transaction() as session:
        operator = await create_operator(
            session,
            email="ana@example.org",
            password=PASSWORD,
            role="admin",
            now=clocks.wall(),
            passwords=QUICK,
        )
        await open_operator_session(session, operator, now=clocks.wall(), settings=settings)
    life = timedelta(hours=settings.operator_session_hours)
    for at, left in ((clocks.wall() + life - timedelta(seconds=1), 1), (clocks.wall() + life, 0)):
        await prune_operator_sessions(database, at)
        async with database.reading() as session:
            assert len(list(await session.scalars(select(OperatorSession)))) == left
