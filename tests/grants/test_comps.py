"""Comps over HTTP: who may give them, what they open, and their end."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import AuditEntry, Grant
from service.grants.grants import live
from service.grants.store import live_grants_of, put_grant
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.identity.permissions import ROLES
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.keys import create_api_key
from tests.passwords import QUICK

ADDRESS = "/v1/admin/grants"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        await made.publish("premium", access={"level": "subscribers", "plans": ["print"]})
        yield made


async def give(paywall: Paywall, reader_id: str, **fields: Any) -> httpx2.Response:
    body = {"reader_id": reader_id, "note": "A prize", **fields}
    return await paywall.client.post(ADDRESS, json=body, headers=paywall.staff)


@on_sqlite
async def test_a_comp_opens_everything_until_its_end(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    reader_id = await paywall.sign_in()
    assert (await paywall.unlock("premium")).status_code == 402
    ends_at = clocks.business() + timedelta(days=7)
    given = await give(paywall, reader_id, ends_at=ends_at.isoformat(), note="Helped with maps")
    assert given.status_code == 201
    assert (given.json()["source"], given.json()["scope"]) == ("comp", "everything")
    assert (await paywall.unlock("premium")).json()["reason"] == "comp"
    clocks.travel(timedelta(days=7) - timedelta(seconds=1))
    assert (await paywall.unlock("premium")).status_code == 200
    clocks.travel(timedelta(seconds=1))
    assert (await paywall.unlock("premium")).status_code == 402


@on_sqlite
async def test_a_comp_is_revoked_once_and_its_trace_stays(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    reader_id = await paywall.sign_in()
    grant_id = (await give(paywall, reader_id)).json()["id"]
    assert (await paywall.unlock("premium")).status_code == 200
    clocks.travel(timedelta(days=1))
    first = await paywall.client.delete(f"{ADDRESS}/{grant_id}", headers=paywall.staff)
    assert first.status_code == 200
    assert (await paywall.unlock("premium")).status_code == 402
    clocks.travel(timedelta(days=1))
    again = await paywall.client.delete(f"{ADDRESS}/{grant_id}", headers=paywall.staff)
    assert again.json() == first.json()
    async with paywall.database.reading() as session:
        rows = await session.scalars(select(AuditEntry).where(AuditEntry.target == grant_id))
        assert sorted(row.action for row in rows) == ["comp.give", "comp.revoke"]
        assert len(list(await session.scalars(select(Grant)))) == 1


async def test_two_comps_end_each_by_itself(paywall: Paywall, clocks: MovingClocks) -> None:
    reader_id = await paywall.sign_in()
    first = (await give(paywall, reader_id)).json()["id"]
    await give(paywall, reader_id)
    await paywall.client.delete(f"{ADDRESS}/{first}", headers=paywall.staff)
    assert (await paywall.unlock("premium")).json()["reason"] == "comp"


@on_sqlite
async def test_a_subscriptions_grant_is_not_ours_to_end(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in("plan:print")
    async with paywall.database.reading() as session:
        grant_id = await session.scalar(select(Grant.id).where(Grant.reader_id == reader_id))
    refused = await paywall.client.delete(f"{ADDRESS}/{grant_id}", headers=paywall.staff)
    assert refused.status_code == 404
    assert (await paywall.unlock("premium")).json()["reason"] == "subscription"


REFUSED: list[dict[str, Any]] = [
    {"ends_at": "2020-01-01T00:00:00Z"},
    {"ends_at": "2026-03-10T09:00:00Z"},  # now: it would never live
    {"ends_at": "2030-01-01T00:00:00"},
    {"ends_at": "soon"},
    {"ends_at": "9999-12-31T23:59:59-23:00"},
    {"ends_at": "0001-01-01T00:00:00+23:00"},
    {"note": ""},
    {"note": " \n"},
    {"note": None},
    {"note": "x" * 501},
    {"note": "a\x00b"},
    {"scope": "plan:print"},
    {"source": "subscription"},
    {"reader_id": ""},
    {"reader_id": "rdr'; DROP TABLE grants"},
    {"reader_id": 7},
    {"reader_id": "x" * 101},
]


@on_sqlite
async def test_what_makes_no_sense_is_refused(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    for fields in REFUSED:
        refused = await give(paywall, **{"reader_id": reader_id, **fields})
        assert refused.status_code == 422, fields
        assert refused.headers["Content-Type"] == "application/problem+json"
    async with paywall.database.reading() as session:
        assert list(await session.scalars(select(Grant))) == []


@on_sqlite
async def test_nobody_and_nothing_unknown(paywall: Paywall) -> None:
    assert (await give(paywall, "rdr_unknown")).status_code == 404
    for unknown in ("grt_unknown", "a" * 100):
        answer = await paywall.client.delete(f"{ADDRESS}/{unknown}", headers=paywall.staff)
        assert answer.status_code == 404
    for odd in ("A", "x'y", "a" * 101):
        answer = await paywall.client.delete(f"{ADDRESS}/{odd}", headers=paywall.staff)
        assert answer.status_code == 422


ALLOWED = {role for role, granted in ROLES.items() if "subscribers:write" in granted}


@on_sqlite
async def test_role_by_route(paywall: Paywall, settings: Settings, clocks: MovingClocks) -> None:
    reader_id = await paywall.sign_in()
    for role in (None, *ROLES):
        async with paywall.new_client() as browser:
            if role is not None:
                secret = await _operator_session(paywall, role, settings, clocks)
                browser.cookies.set(cookie_name("operator", settings), secret)
            given = await browser.post(ADDRESS, json={"reader_id": reader_id, "note": "A prize"})
            revoked = await browser.delete(f"{ADDRESS}/grt_unknown")
        refused = (401, 401) if role is None else (403, 403)
        expected = (201, 404) if role in ALLOWED else refused
        assert (given.status_code, revoked.status_code) == expected, role


async def _operator_session(
    paywall: Paywall, role: str, settings: Settings, clocks: MovingClocks
) -> str:
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session,
            email=f"{role}@example.org",
            password="correct horse battery",
            role=role,
            now=clocks.wall(),
            passwords=QUICK,
        )
        return await open_operator_session(
            session, operator=operator, now=clocks.wall(), settings=settings
        )


@on_sqlite
async def test_scope_by_route(paywall: Paywall, clocks: MovingClocks) -> None:
    reader_id = await paywall.sign_in()
    for scopes, status in (
        (["subscribers:write"], 201),
        (["subscribers:read"], 403),
        (["articles:write", "reports:read"], 403),
    ):
        async with paywall.database.transaction() as session:
            key = await create_api_key(session, label="x", scopes=scopes, now=clocks.wall())
        headers = {"Authorization": f"Bearer {key}"}
        answer = await paywall.client.post(
            ADDRESS, json={"reader_id": reader_id, "note": "A prize"}, headers=headers
        )
        assert answer.status_code == status, scopes


@on_sqlite
async def test_a_reader_is_no_staff(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    token = await paywall.access_token()
    for headers in ({}, {"Authorization": f"Bearer {token}"}, {"Authorization": "Basic x"}):
        answer = await paywall.client.post(
            ADDRESS, json={"reader_id": reader_id, "note": "A prize"}, headers=headers
        )
        assert answer.status_code == 401


async def test_putting_a_grant_again_changes_the_one_row(
    database: Database, clocks: MovingClocks
) -> None:
    now = clocks.business()
    for days in (30, 60):
        async with database.transaction() as session:
            await put_grant(
                session, source="subscription", reference="sub_1", reader_id="rdr_1",
                scope="plan:digital", starts_at=now, ends_at=now + timedelta(days=days), now=now,
            )  # fmt: skip
    async with database.reading() as session:
        (only,) = await session.scalars(select(Grant))
    assert only.ends_at == now + timedelta(days=60)


async def test_the_database_picks_the_grants_that_are_live(
    database: Database, clocks: MovingClocks
) -> None:
    now, tick = clocks.business(), timedelta(microseconds=1)
    for reference, starts_at, ends_at in (
        ("over", now - timedelta(days=9), now),
        ("to come", now + tick, None),
        ("to its last moment", now - timedelta(days=9), now + tick),
        ("from its first", now, None),
    ):
        async with database.transaction() as session:
            await put_grant(
                session, source="comp", reference=reference, reader_id="rdr_1",
                scope="everything", starts_at=starts_at, ends_at=ends_at, now=now,
            )  # fmt: skip
    async with database.reading() as session:
        held = await live_grants_of(session, "rdr_1", now)
        assert [each.reference for each in held] == ["from its first", "to its last moment"]
        assert tuple(held) == live(held, now)
        assert await live_grants_of(session, "rdr_2", now) == []
