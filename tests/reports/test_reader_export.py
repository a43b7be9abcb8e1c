"""The export of readers: everybody once, safe in a table, lossless, in little memory."""

import csv
import json
import tracemalloc
from datetime import timedelta
from io import StringIO

import httpx2
import pytest

from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.db.tables import CheckoutTouches
from service.reports.csv_text import MARK
from service.reports.reader_export import HEADER, PAGE, export_readers
from service.reports.readers import ReaderFilter
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.keys import create_api_key
from tests.reports import rows
from tests.reports.rows import NOW

ODD = [
    "=cmd|' /C calc'!A0@x.example", "+1@x.example", "-1@x.example", "@x.example", "'quoted@x.example",
    "a,b@x.example", 'a"b@x.example', "a\r\nb@x.example", "\u202eevil@x.example", "zero\u200bwidth@x.example",
    "\tTab@x.example", "straße@x.example",
]  # fmt: skip


async def text_of(database: Database, settings: Settings, form: str, **chosen: object) -> str:
    context = Context(settings, MovingClocks(), database)
    made = export_readers(context, ReaderFilter(**chosen), form)  # type: ignore[arg-type]
    return "".join([part async for part in made])


async def store(database: Database, *added: Base) -> None:
    async with database.transaction() as session:
        await rows.put(session, *added)


async def test_both_forms_give_back_what_is_stored(database: Database, settings: Settings) -> None:
    offer = rows.offer(name="=Monthly")
    readers = [rows.reader(email=email) for email in [*ODD, None]]
    bought = rows.subscription(readers[0], offer, status="past_due")
    debt = rows.invoice(bought, amount_due=900)
    await store(database, offer, *readers, bought, debt, rows.failed_charge(debt))
    written = await text_of(database, settings, "csv")
    header, *found = list(csv.reader(StringIO(written, newline="")))
    assert tuple(header) == HEADER
    assert {row[1].removeprefix(MARK) for row in found} == {*ODD, ""}
    for row in found:
        assert not row[1].startswith(("=", "+", "-", "@", "\t", "\r"))
    read = {
        row[0]: dict(zip(HEADER, (cell.removeprefix(MARK) for cell in row), strict=True))
        for row in found
    }
    items = json.loads(await text_of(database, settings, "json"))["items"]
    for item in items:
        texts = {name: "" if value is None else str(value) for name, value in item.items()}
        assert read[item["reader_id"]] == texts
    owing = read[readers[0].id]
    assert (owing["status"], owing["open_amount"], owing["offer"]) == (
        "Payment overdue", "900", "=Monthly",
    )  # fmt: skip
    assert owing["kinds"] == "subscriber paying owing"


@on_sqlite
async def test_what_is_owed_in_another_currency_is_in_the_file(
    database: Database, settings: Settings
) -> None:
    euros, dollars, reader = rows.offer(), rows.offer(currency="USD"), rows.reader()
    former = rows.subscription(reader, dollars, status="canceled", currency="USD")
    now = rows.subscription(reader, euros, status="past_due")
    debts = [
        rows.invoice(former, amount_due=450, currency="USD"), rows.invoice(now, amount_due=900),
    ]  # fmt: skip
    failed = [rows.failed_charge(each) for each in debts]
    await store(database, euros, dollars, reader, former, now, *debts, *failed)
    (item,) = json.loads(await text_of(database, settings, "json", kind="owing"))["items"]
    assert (item["open_amount"], item["owed"]) == (900, "900 EUR, 450 USD")
    assert item["offer_id"] == now.offer_id


@on_sqlite
async def test_nobody_is_an_empty_file(database: Database, settings: Settings) -> None:
    assert await text_of(database, settings, "csv") == ",".join(HEADER) + "\r\n"
    assert json.loads(await text_of(database, settings, "json")) == {"items": []}


@on_sqlite
async def test_every_page_is_let_go(database: Database, settings: Settings) -> None:
    some = [
        rows.reader(email=f"r{number}@x.example", created_at=NOW - timedelta(minutes=number))
        for number in range(4 * PAGE + 1)
    ]
    await store(database, *some)
    context = Context(settings, MovingClocks(), database)
    lines = 0
    peaks: list[int] = []
    tracemalloc.start()
    async for part in export_readers(context, ReaderFilter(), "csv"):
        lines += part.count("\r\n")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
    tracemalloc.stop()
    assert lines == len(some) + 1
    assert len(peaks) == 6
    assert peaks[4] < 1.5 * peaks[2], "each page needs more than the one before"


@on_sqlite
async def test_over_http(
    client: httpx2.AsyncClient, database: Database, clocks: MovingClocks
) -> None:
    await store(database, rows.reader(email="ana@x.example"), rows.reader(email="ben@x.example"))
    async with database.transaction() as session:
        key = await create_api_key(
            session, label="x", scopes=["subscribers:read"], now=clocks.wall()
        )
    headers = {"Authorization": f"Bearer {key}"}
    path = "/v1/admin/readers/export"
    found = await client.get(f"{path}?query=ana", headers=headers)
    assert found.headers["content-type"] == "text/csv; charset=utf-8"
    assert found.headers["content-disposition"] == 'attachment; filename="readers_2026-03-10.csv"'
    assert ("ana@x.example" in found.text, "ben@x.example" in found.text) == (True, False)
    assert (await client.get(f"{path}?format=json", headers=headers)).json()["items"]
    for odd in ("format=xls", "from=2026-02-30", "from=2026-03-02&to=2026-03-01", "kind=odd"):
        assert (await client.get(f"{path}?{odd}", headers=headers)).status_code == 422


CASES: list[tuple[dict[str, object], list[str]]] = [
    ({"kind": "owing"}, ["owes"]),
    ({"kind": "trial_ending"}, ["trial"]),
    ({"kind": "sleeper"}, ["asleep"]),
    ({"plan": "digital"}, ["asleep", "awake", "owes", "trial"]),
    ({"plan": "digital", "standing": "past_due"}, ["owes"]),
    ({"plan": "other", "standing": "past_due"}, []),
    ({"standing": "active"}, ["asleep", "awake"]),
    ({"since": NOW - timedelta(days=2)}, ["young"]),
    ({"until": NOW - timedelta(days=2), "plan": "digital", "standing": "trial"}, ["trial"]),
    ({"source": "newsletter"}, ["awake"]),
    ({"source": "direct or unknown"}, ["asleep"]),
]


@pytest.fixture
async def everybody(database: Database) -> None:
    names = ("owes", "trial", "asleep", "awake", "young", "none")
    who = {name: rows.reader(email=f"{name}@x.example") for name in names}
    who["young"].created_at = NOW - timedelta(days=1)
    for name, reader in who.items():
        reader.pseudonym = f"ctm_{name}"
    offer, article = rows.offer(), rows.article("a", "A")
    paid = {name: rows.checkout(who[name], offer, NOW) for name in ("asleep", "awake")}
    bought = {name: rows.subscription(who[name], offer) for name in ("asleep", "awake")}
    overdue = rows.subscription(who["owes"], offer, status="past_due")
    debt = rows.invoice(overdue)
    await store(
        database, offer, article, *who.values(), *paid.values(),
        overdue, debt, rows.failed_charge(debt),
        rows.subscription(
            who["trial"], offer, status="trialing", trial_end=NOW + timedelta(days=2)
        ),
        *bought.values(),
        *(
            rows.movement(each, 1, NOW - timedelta(days=90), customer=f"ctm_{name}")
            for name, each in bought.items()
        ),
        rows.read(article, NOW - timedelta(days=29), holder=f"reader:{who['awake'].id}"),
        rows.read(article, NOW - timedelta(days=31), holder=f"reader:{who['asleep'].id}"),
    )  # fmt: skip
    await store(
        database,
        CheckoutTouches(
            checkout_id=paid["awake"].id, first_at=NOW, last_at=NOW, last_source="newsletter"
        ),
    )


@pytest.mark.usefixtures("everybody")
async def test_each_filter_finds_its_own(database: Database, settings: Settings) -> None:
    for chosen, names in CASES:
        made = json.loads(await text_of(database, settings, "json", **chosen))
        assert sorted(item["email"].split("@")[0] for item in made["items"]) == names, chosen
