"""Rights from elsewhere over HTTP, and what they open."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from service.db.session import Database
from service.db.tables import AuditEntry, Reader, Right
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

ADDRESS = "/v1/admin/entitlements"
PRINT = {"plan": "print", "email": "ana@example.org"}


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        await made.publish("premium", access={"level": "subscribers", "plans": ["print"]})
        yield made


async def put(paywall: Paywall, reference: str = "KD-1", **fields: Any) -> httpx2.Response:
    return await paywall.client.put(
        f"{ADDRESS}/circulation/{reference}", json={**PRINT, **fields}, headers=paywall.staff
    )


async def end(paywall: Paywall, reference: str = "KD-1") -> httpx2.Response:
    return await paywall.client.delete(f"{ADDRESS}/circulation/{reference}", headers=paywall.staff)


async def ana(paywall: Paywall) -> str:
    """A signed-in reader with a confirmed address."""
    reader_id = await paywall.sign_in()
    async with paywall.database.transaction() as session:
        await session.execute(
            update(Reader).where(Reader.id == reader_id).values(
                email="ana@example.org", email_key="ana@example.org", verified_key="ana@example.org",
                email_verified_at=paywall.clocks.business(),
            )
        )  # fmt: skip
    return reader_id


async def test_a_right_opens_until_it_ends_and_shows_in_tokens(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    reader_id = await ana(paywall)
    assert (await paywall.unlock("premium")).status_code == 402
    first = (await put(paywall)).json()
    assert (first["reader_id"], first["bound_by"]) == (reader_id, "email")
    assert (await put(paywall)).json() == first, "repeating it changes nothing"
    unlocked = (await paywall.unlock("premium")).json()
    assert unlocked["reason"] == "external"
    assert (await paywall.full("premium", await paywall.access_token())).status_code == 200
    told = (await paywall.client.get("/v1/me")).json()["grants"]
    assert [each["source"] for each in told] == ["external"]
    clocks.travel(timedelta(minutes=1))
    ended = (await end(paywall)).json()
    assert ended["ended_at"] is not None
    assert (await end(paywall)).json() == ended
    assert (await paywall.unlock("premium")).status_code == 402
    async with paywall.database.reading() as session:
        actions = await session.scalars(
            select(AuditEntry.action).where(AuditEntry.target == "circulation/KD-1")
        )
        assert sorted(actions) == ["right.end", "right.put"]


@on_sqlite
async def test_a_reference_that_is_refused_today_can_be_read_and_ended(paywall: Paywall) -> None:
    assert (await put(paywall)).status_code == 200
    async with paywall.database.transaction() as session:
        await session.execute(update(Right).values(reference="KD\u200b-1\n"))
    address = "KD%E2%80%8B-1%0A"
    assert (await put(paywall, address)).status_code == 422
    read = await paywall.client.get(f"{ADDRESS}/circulation/{address}", headers=paywall.staff)
    ended = await end(paywall, address)
    assert (read.status_code, ended.status_code) == (200, 200)
    assert ended.json()["ended_at"] is not None


@on_sqlite
async def test_a_right_with_an_end_ends_by_itself(paywall: Paywall, clocks: MovingClocks) -> None:
    await ana(paywall)
    until = clocks.business() + timedelta(days=3)
    await put(paywall, ends_at=until.isoformat())
    clocks.travel(timedelta(days=3) - timedelta(seconds=1))
    assert (await paywall.unlock("premium")).status_code == 200
    clocks.travel(timedelta(seconds=1))
    assert (await paywall.unlock("premium")).status_code == 402


@on_sqlite
async def test_a_typed_address_proves_nothing(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    async with paywall.database.transaction() as session:
        await session.execute(
            update(Reader).where(Reader.id == reader_id).values(
                email="ana@example.org", email_key="ana@example.org"
            )
        )  # fmt: skip
    assert (await put(paywall)).json()["reader_id"] is None
    assert (await paywall.unlock("premium")).status_code == 402


@on_sqlite
async def test_the_list_finds_and_filters(paywall: Paywall, clocks: MovingClocks) -> None:
    for number in range(3):
        clocks.travel(timedelta(seconds=1))
        await put(paywall, f"KD-{number}", email=f"r{number}@example.org")
    await end(paywall, "KD-1")

    async def found(**asked: str) -> list[str]:
        answer = await paywall.client.get(ADDRESS, params=asked, headers=paywall.staff)
        assert answer.status_code == 200, answer.text
        return [each["reference"] for each in answer.json()["items"]]

    assert await found() == ["KD-2", "KD-1", "KD-0"]
    assert await found(state="over") == ["KD-1"]
    assert await found(state="live", source="circulation") == ["KD-2", "KD-0"]
    assert await found(source="other") == []
    assert await found(query="KD-0") == ["KD-0"]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("KD", {"plan": "No Plan"}), ("KD", {"email": "ana@"}), ("KD", {"ends_at": "2026-01-01"}),
    ("KD", {"starts_at": "2026-05-01T00:00:00Z", "ends_at": "2026-05-01T00:00:00Z"}),
    ("KD", {"ends_at": "9999-12-31T23:59:59-23:00"}), ("KD", {"name": "a\x00"}),
    ("KD", {"reader_id": "rdr_1"}), ("K" * 201, {}), ("KD%00", {}),
]  # fmt: skip


@on_sqlite
async def test_what_makes_no_sense_is_refused(paywall: Paywall) -> None:
    for reference, fields in REFUSED:
        assert (await put(paywall, reference, **fields)).status_code == 422, (reference, fields)
    odd = f"{ADDRESS}/Not%20a%20slug/KD"
    answer = await paywall.client.put(odd, json=PRINT, headers=paywall.staff)
    assert answer.status_code == 422
    assert (await end(paywall, "unknown")).status_code == 404
    answer = await paywall.client.get(f"{ADDRESS}/circulation/unknown", headers=paywall.staff)
    assert answer.status_code == 404
