"""The reports' JSON over HTTP: permissions, shapes, refusals."""

import httpx2
import pytest

from service.db.session import Database
from service.reports.metrics import ACTIVE_SUBSCRIBERS, MRR
from tests.databases import on_sqlite
from tests.keys import create_api_key
from tests.reports import rows
from tests.reports.rows import NOW

LIST, SUMMARY = "/v1/admin/subscribers", "/v1/admin/reports/summary"
REPORTS, MRR_REPORT = "/v1/admin/reports", "/v1/admin/reports/mrr"
READER = "/v1/admin/subscribers/rdr_000000000000000000000000"


async def key(database: Database, *scopes: str) -> dict[str, str]:
    async with database.transaction() as session:
        text = await create_api_key(session, label="newsroom", scopes=scopes, now=NOW)
    return {"Authorization": f"Bearer {text}"}


@on_sqlite
@pytest.mark.parametrize(
    ("path", "scope", "other"),
    [
        (LIST, "subscribers:read", "reports:read"),
        (READER, "subscribers:read", "reports:read"),
        (SUMMARY, "reports:read", "subscribers:read"),
        (REPORTS, "reports:read", "subscribers:read"),
        (MRR_REPORT, "reports:read", "subscribers:read"),
    ],
)
async def test_each_route_needs_its_own_permission(
    client: httpx2.AsyncClient, database: Database, path: str, scope: str, other: str
) -> None:
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=await key(database, other))).status_code == 403
    allowed = await client.get(path, headers=await key(database, scope))
    assert allowed.status_code == (404 if path == READER else 200)


async def test_list_detail_and_summary_agree(
    client: httpx2.AsyncClient, database: Database
) -> None:
    offer, reader = rows.offer(), rows.reader(email="ana@example.org")
    bought = rows.subscription(reader, offer)
    async with database.transaction() as session:
        session.add_all([offer, reader])
        await session.flush()
        session.add_all([bought, rows.grant(reader, note="For the jury")])
    headers = await key(database, "subscribers:read", "reports:read")

    listed = (await client.get(LIST, headers=headers)).json()
    assert listed["next_cursor"] is None
    (item,) = listed["items"]
    assert (item["reader_id"], item["email"], item["email_verified"]) == (
        reader.id, "ana@example.org", False,
    )  # fmt: skip
    assert item["subscription"]["status_text"] == "Active"
    assert item["subscription"]["since"] == "2026-02-18T09:00:00Z"

    detail = (await client.get(f"{LIST}/{reader.id}", headers=headers)).json()
    assert detail["subscriptions"] == [{**item["subscription"], "wall": None}]
    assert [grant["note"] for grant in detail["grants"]] == ["For the jury"]
    assert detail["timeline"][0]["kind"] == "access_given"

    figures = (await client.get(SUMMARY, headers=headers)).json()
    assert figures["active_subscribers"] == {
        "value": 1,
        "definition": ACTIVE_SUBSCRIBERS.definition,
        "denominator": ACTIVE_SUBSCRIBERS.denominator,
    }
    assert figures["mrr"]["values"] == [{"amount": 900, "currency": "EUR"}]
    assert figures["mrr"]["definition"] == MRR.definition


@on_sqlite
@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "status=happy", "cursor=nonsense", "offset=3", "query=%00",
        "plan=%00", f"query={'x' * 201}",
    ],
)  # fmt: skip
async def test_bad_input_is_refused_with_the_field_named(
    client: httpx2.AsyncClient, database: Database, query: str
) -> None:
    answer = await client.get(f"{LIST}?{query}", headers=await key(database, "subscribers:read"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"query.{query.partition('=')[0]}"


async def test_a_reader_id_no_database_can_hold_is_refused(
    client: httpx2.AsyncClient, database: Database
) -> None:
    answer = await client.get(f"{LIST}/%00", headers=await key(database, "subscribers:read"))
    assert answer.status_code == 422
