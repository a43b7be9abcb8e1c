"""The administrators' pages: operators, API keys, the audit log."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import ApiKey, AuditEntry, Operator
from service.identity.api_keys import find_api_key
from service.identity.cookies import cookie_name
from service.identity.operators import open_operator_session
from service.identity.totp import OneTimeCodes
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import PASSWORD, csrf_in, seen_in
from tests.reports import rows

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
OperatorOf = Callable[[str], Awaitable[Operator]]
SecondFactor = Callable[[Operator], Awaitable[tuple[OneTimeCodes, list[str]]]]
HOSTILE = '"><script>alert(1)</script>'


async def post(
    browser: httpx2.AsyncClient, path: str, **fields: str | list[str]
) -> httpx2.Response:
    csrf = csrf_in((await browser.get("/admin/account")).text)
    seen = seen_in((await browser.get("/admin/operators")).text, f"/admin/{path}")
    return await browser.post(f"/admin/{path}", data={"csrf": csrf, "seen": seen, **fields})


async def stored(database: Database, operator: Operator) -> Operator:
    async with database.reading() as session:
        return await session.get_one(Operator, operator.id)


@on_sqlite
async def test_an_account_is_made_changed_disabled_and_enabled(
    signed_in: SignedIn, browser_at: Callable[[str], httpx2.AsyncClient], database: Database
) -> None:
    browser = await signed_in("admin")
    made = await post(
        browser, "operators", email="Ana@example.org", role="viewer", password=PASSWORD
    )
    assert (made.status_code, made.headers["location"]) == (303, "/admin/operators")
    page = (await browser.get("/admin/operators")).text
    assert "ana@example.org" in page
    ana = browser_at("192.0.2.1")
    form = {"email": "ana@example.org", "password": PASSWORD}
    assert (await ana.post("/admin/sign-in", data=form)).status_code == 303
    async with database.reading() as session:
        them = await session.scalar(select(Operator).where(Operator.email == "ana@example.org"))
    assert them is not None
    address = f"operators/{them.id}"
    assert (await post(browser, address, change="role", role="billing")).status_code == 303
    assert (await stored(database, them)).role == "billing"
    assert (await post(browser, address, change="disable")).status_code == 303
    assert (await ana.get("/admin")).status_code == 303
    assert (await ana.post("/admin/sign-in", data=form)).status_code == 401
    assert "Disabled since" in (await browser.get("/admin/operators")).text
    assert (await post(browser, address, change="enable")).status_code == 303
    # The session that ended stays ended.
    assert (await ana.get("/admin")).status_code == 303
    assert (await ana.post("/admin/sign-in", data=form)).status_code == 303
    async with database.reading() as session:
        told = list(
            await session.scalars(
                select(AuditEntry).where(AuditEntry.target == them.id).order_by(AuditEntry.id)
            )
        )
    assert [entry.action for entry in told if entry.action != "operator.sign-in"] == [
        "operator.create", "operator.change-role", "operator.disable", "operator.enable",
    ]  # fmt: skip
    changed = next(entry for entry in told if entry.action == "operator.change-role")
    assert (changed.before, changed.after) == ({"role": "viewer"}, {"role": "billing"})
    assert PASSWORD not in " ".join(f"{entry.before}{entry.after}" for entry in told)


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"email": "admin@example.org", "role": "viewer", "password": PASSWORD}, 409, "already"),
        ({"email": "ADMIN@Example.org ", "role": "viewer", "password": PASSWORD}, 409, "already"),
        ({"email": "ana", "role": "viewer", "password": PASSWORD}, 422, "no e-mail address"),
        ({"email": HOSTILE, "role": "viewer", "password": PASSWORD}, 422, "no e-mail address"),
        ({"email": "a" * 300 + "@x.org", "role": "viewer", "password": PASSWORD}, 422, "no e-mail"),
        (
            {"email": "a@b.org", "role": "owner", "password": PASSWORD},
            422,
            "choose one of the roles viewer",
        ),
        ({"email": "a@b.org", "role": "viewer", "password": "short"}, 422, "at least 12"),
        ({"email": "a@b.org\0", "role": "viewer", "password": PASSWORD}, 422, "E-mail address: "),
        ({}, 422, "choose one of the roles viewer"),
    ],
)
async def test_what_makes_no_account(
    signed_in: SignedIn, database: Database, fields: dict[str, str], status: int, told: str
) -> None:
    browser = await signed_in("admin")
    refused = await post(browser, "operators", **fields)
    assert refused.status_code == status
    assert told in unescape(refused.text)
    assert "<script" not in refused.text
    assert PASSWORD not in refused.text
    async with database.reading() as session:
        assert len(list(await session.scalars(select(Operator)))) == 1


@on_sqlite
@pytest.mark.parametrize("change", [{"change": "role", "role": "viewer"}, {"change": "disable"}])
async def test_nobody_changes_themselves(
    signed_in: SignedIn, operator: OperatorOf, database: Database, change: dict[str, str]
) -> None:
    browser = await signed_in("admin")
    async with database.reading() as session:
        me = (await session.scalars(select(Operator))).one()
    refused = await post(browser, f"operators/{me.id}", **change)
    assert refused.status_code == 403
    assert "Ask another administrator" in refused.text
    unchanged = await stored(database, me)
    assert (unchanged.role, unchanged.disabled_at) == ("admin", None)


@on_sqlite
@pytest.mark.parametrize(
    "fields", [{}, {"change": "role", "role": "owner"}, {"change": "delete"}, {"change": "role"}]
)
async def test_odd_changes_change_nothing(
    signed_in: SignedIn, operator: OperatorOf, database: Database, fields: dict[str, str]
) -> None:
    browser = await signed_in("admin")
    someone = await operator("editor")
    assert (await post(browser, f"operators/{someone.id}", **fields)).status_code == 422
    assert (await stored(database, someone)).role == "editor"
    unknown = await post(browser, "operators/opr_unknown", change="disable")
    assert unknown.status_code == 404


@on_sqlite
async def test_a_lost_second_factor_is_taken_off(
    signed_in: SignedIn,
    operator: OperatorOf,
    second_factor: SecondFactor,
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
) -> None:
    browser = await signed_in("admin")
    someone = await operator("editor")
    await second_factor(someone)
    async with database.transaction() as session:
        secret = await open_operator_session(session, someone, now=clocks.wall(), settings=settings)
    assert "Turn off two-step verification" in (await browser.get("/admin/operators")).text
    assert (await post(browser, f"operators/{someone.id}", change="reset-totp")).status_code == 303
    assert (await stored(database, someone)).totp_sealed is None
    browser.cookies.clear()
    theirs = {"Cookie": f"{cookie_name('operator', settings)}={secret}"}
    assert (await browser.get("/admin", headers=theirs)).status_code == 303


@on_sqlite
async def test_a_key_is_shown_once_and_revoked(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    browser = await signed_in("admin")
    assert "No API keys yet" in (await browser.get("/admin/api-keys")).text
    made = await post(
        browser, "api-keys", label=f"cms {HOSTILE}", scopes=["articles:write", "reports:read"]
    )
    assert made.status_code == 200
    found = re.search(r"pwk_([0-9a-f]{10})_[A-Za-z0-9_-]{43}", made.text)
    assert found is not None
    assert "<script" not in made.text
    page = (await browser.get("/admin/api-keys")).text
    assert found[0] not in page
    assert found[1] in page
    assert "Publish, change and withdraw articles" in page
    assert "Never" in page
    async with database.reading() as session:
        assert await find_api_key(session, found[0]) is not None
    for _ in range(2):
        assert (await post(browser, f"api-keys/{found[1]}/revoke")).status_code == 303
    assert "Revoked" in (await browser.get("/admin/api-keys")).text
    async with database.reading() as session:
        assert await find_api_key(session, found[0]) is None
        told = list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [entry.action for entry in told] == ["api-key.create", "api-key.revoke"]
    assert found[0].split("_", 2)[2] not in f"{told[0].after}"
    assert (await post(browser, "api-keys/0000000000/revoke")).status_code == 404


@on_sqlite
@pytest.mark.parametrize(
    "fields",
    [
        {"label": "x"}, {"label": "x", "scopes": ["everything"]},
        {"label": "x" * 101, "scopes": ["articles:read"]},
        {"label": "a\nb", "scopes": ["articles:read"]},
        {"label": "a\0b", "scopes": ["articles:read"]},
    ],
)  # fmt: skip
async def test_what_makes_no_key(
    signed_in: SignedIn, database: Database, fields: dict[str, str | list[str]]
) -> None:
    assert (await post(await signed_in("admin"), "api-keys", **fields)).status_code == 422
    async with database.reading() as session:
        assert not list(await session.scalars(select(ApiKey)))


async def test_the_audit_log_pages_and_filters(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    browser = await signed_in("admin")
    async with database.transaction() as session:
        me = (await session.scalars(select(Operator))).one()
        # Written in another order than done, as a history that is invented later is.
        for place in sorted(range(120), key=lambda each: each % 7):
            actor = f"operator:{me.id}" if place % 2 else "command"
            session.add(
                AuditEntry(
                    at=clocks.wall() + timedelta(minutes=place), actor=actor, action="article.publish",
                    target=f"art_{place:03}", before=None, after={"title": HOSTILE, "tags": ["a", "b"]},
                )
            )  # fmt: skip
    seen: list[str] = []
    address: str | None = "/admin/audit"
    while address is not None:
        page = unescape((await browser.get(address)).text)
        seen += re.findall(r">(art_\d{3})</a>", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1] if following else None
    assert seen == [f"art_{place:03}" for place in reversed(range(120))]
    mine = (await browser.get(f"/admin/audit?actor=operator:{me.id}")).text
    assert "admin@example.org" in mine
    assert "art_119" in mine
    assert "art_118" not in mine
    assert "<script>alert" not in mine
    one = (await browser.get("/admin/audit?target=art_007")).text
    assert re.findall(r">(art_\d{3})</a>", one) == ["art_007"]
    assert "No entries found" in (await browser.get("/admin/audit?actor=x")).text


@on_sqlite
async def test_the_audit_log_names_people_and_things(
    signed_in: SignedIn, database: Database
) -> None:
    browser = await signed_in("admin")
    reader, offer = rows.reader(email="ana@example.org"), rows.offer(name="Monthly")
    async with database.transaction() as session:
        session.add_all([reader, offer])
        for target in (reader.id, offer.id, "some-slug"):
            session.add(
                AuditEntry(
                    at=rows.NOW, actor="command", action="x", target=target, before=None, after=None
                )
            )
    page = (await browser.get("/admin/audit")).text
    assert re.findall(r'target=[^"]+">([^<]+)</a>', page) == [
        "some-slug", "Monthly", "ana@example.org",
    ]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("page", ["operators", "api-keys", "audit"])
async def test_odd_cursors_are_told(signed_in: SignedIn, page: str) -> None:
    browser = await signed_in("admin")
    for cursor in ("x", "%00", "MQ==", "e30", "_w", "A" * 300, "b3ByXzAwMA"):
        answer = await browser.get(f"/admin/{page}?cursor={cursor}")
        assert answer.status_code == 422, cursor
        assert "The page is shown without it." in answer.text, cursor


@on_sqlite
async def test_a_page_names_only_the_places_that_the_role_may_see(signed_in: SignedIn) -> None:
    page = (await (await signed_in("viewer")).get("/admin")).text
    for path in ("/admin/operators", "/admin/api-keys", "/admin/audit"):
        assert path not in page
    assert 'href="/admin/account"' in page
