"""Figures over HTTP: the registry, JSON, CSV, and what can't be asked."""

import csv
from datetime import timedelta
from io import StringIO

import httpx2
import pytest

from service.db.session import Database
from service.reports.csv_text import HEADER, MARK, csv_lines, neutral
from service.reports.registry import FIGURES
from service.reports.report_schemas import FILTERS, asked_format
from tests.databases import on_sqlite
from tests.keys import create_api_key
from tests.reports import rows
from tests.reports.figures_asked import store
from tests.reports.rows import NOW

REPORTS = "/v1/admin/reports"


@pytest.fixture
async def staff(client: httpx2.AsyncClient, database: Database) -> httpx2.AsyncClient:
    """The client with a key that may read reports."""
    async with database.transaction() as session:
        text = await create_api_key(session, label="desk", scopes=("reports:read",), now=NOW)
    client.headers["Authorization"] = f"Bearer {text}"
    return client


@on_sqlite
async def test_the_registry_is_listed_with_its_definitions(staff: httpx2.AsyncClient) -> None:
    items = (await staff.get(REPORTS)).json()["items"]
    assert [each["slug"] for each in items] == [each.slug for each in FIGURES]
    for each in items:
        assert each["definition"]
        assert each["denominator"]
        assert each["version"] >= 1
        assert each["series"]


@on_sqlite
@pytest.mark.parametrize("figure", FIGURES, ids=lambda each: each.slug)
async def test_every_figure_answers_where_there_is_nothing(
    staff: httpx2.AsyncClient, figure: object
) -> None:
    """Also compared, and by each of its splits."""
    found = next(each for each in FIGURES if each is figure)
    for query in ("compare=before", *(f"split={each}" for each in found.splits)):
        answer = await staff.get(f"{REPORTS}/{found.slug}?{query}")
        assert answer.status_code == 200, answer.text
        report = answer.json()
        assert report["figure"]["slug"] == found.slug
        assert len(report["period"]["steps"]) == 12
        before = report["before"]["lines"] if query == "compare=before" else []
        for line in (*report["lines"], *before):
            assert len(line["cells"]) == 12
            for cell in (*line["cells"], line["total"]):
                assert (cell["value"] is None) == bool(cell["reason"])


async def test_a_figure_beside_the_period_before(
    staff: httpx2.AsyncClient, database: Database
) -> None:
    day = timedelta(days=1)
    for number, at in enumerate((NOW - 40 * day, NOW - 3 * day)):
        bought = rows.subscription(rows.reader(), rows.offer())
        await store(database, rows.movement(bought, 1, at, customer=f"ctm_{number}"))
    query = "from=2026-03-01&to=2026-03-31&interval=month&compare=before"
    report = (await staff.get(f"{REPORTS}/mrr?{query}")).json()
    (line,), (before,) = report["lines"], report["before"]["lines"]
    assert (line["currency"], line["split"]) == ("EUR", None)
    assert (line["total"]["value"], before["total"]["value"]) == (1800, 900)
    (step,) = report["period"]["steps"]
    assert step == {"from": "2026-03-01", "to": "2026-03-31", "complete": False}
    (february,) = report["before"]["period"]["steps"]
    # The same part of it: March has had ten days.
    assert february == {"from": "2026-02-01", "to": "2026-02-10", "complete": False}
    assert report["figure"]["version"] == 1
    assert report["as_of"] == "2026-03-10T09:00:00Z"


@on_sqlite
async def test_csv_has_a_row_for_each_value_and_one_for_the_period(
    staff: httpx2.AsyncClient, database: Database
) -> None:
    bought = rows.subscription(rows.reader(), rows.offer(plan='=HYPERLINK("x")'))
    await store(database, rows.movement(bought, 1, NOW - timedelta(days=1)))
    address = f"{REPORTS}/mrr?from=2026-03-09&to=2026-03-11&split=plan"
    for asked in ({"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}):
        url = f"{address}&format=csv" if "params" in asked else address
        answer = await staff.get(url, headers=asked.get("headers", {}))
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "mrr_2026-03-09_2026-03-11.csv" in answer.headers["Content-Disposition"]
        header, *found = list(csv.reader(StringIO(answer.text)))
        assert tuple(header) == HEADER
        read = [dict(zip(header, each, strict=True)) for each in found]
        assert [(each["from"], each["to"], each["value"], each["complete"]) for each in read] == [
            ("2026-03-09", "2026-03-09", "900", "yes"), ("2026-03-10", "2026-03-10", "900", "no"),
            ("2026-03-11", "2026-03-11", "", "no"), ("2026-03-09", "2026-03-11", "900", "no"),
        ]  # fmt: skip
        assert read[0]["split"].startswith("'=")
        assert read[0]["split"].removeprefix(MARK) == '=HYPERLINK("x")'
        assert read[2]["reason"] == "This interval hasn't started."


@pytest.mark.parametrize(
    "text",
    ["=cmd", "+1", "-1", "@a", "\tx", "\rx", "'", "'=x", "", "a=b", "two\r\nlines", 'a "quote", b',
     "\u202eabc", "\u200b=x", "x" * 10_000],
)  # fmt: skip
def test_a_cell_is_no_formula_and_is_read_back(text: str) -> None:
    assert not str(neutral(text)).startswith(tuple("=+-@\t\r"))
    (line,) = csv_lines([[text, -900, 0.5, None, True, False]])
    (row,) = csv.reader(StringIO(line, newline=""))
    assert row[0].removeprefix(MARK) == text
    assert row[1:] == ["-900", "0.5", "", "yes", "no"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "json"), ("*/*", "json"), ("text/html, */*", "json"), ("text/csv", "csv"),
        ("TEXT/CSV; q=0.9, application/json", "csv"), ("application/json, text/csv", "json"),
    ],
)  # fmt: skip
def test_the_form_that_accept_names_first(accept: str, expected: str) -> None:
    assert asked_format(accept) == expected


BAD = [
    "from=2026-03-10&to=2026-03-01", "from=1000-01-01", "to=tomorrow", "interval=hour", "zone=Mars",
    "zone=%00", "compare=never", "split=shoe-size", "format=xml", "limit=3", "from=%FF",
    f"plan={'x' * 101}", "plan=%00", "interval=day&from=2020-01-01",
    "plan=nope", "currency=ZZZ", "currency=eur", "interval_charged=fortnight",
]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("query", BAD)
async def test_what_cannot_be_asked_is_refused_with_the_field(
    staff: httpx2.AsyncClient, query: str
) -> None:
    answer = await staff.get(f"{REPORTS}/mrr?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == f"query.{query.partition('=')[0]}"


@on_sqlite
@pytest.mark.parametrize(
    ("slug", "name", "value"),
    [
        ("stop-rate", "section", "nowhere"), ("stop-rate", "source", "nobody.example"),
        ("revenue", "offer", "Nothing"), ("revenue", "currency", "CHF"), ("reasons", "tenure", "day_9"),
        ("paid-after-a-wall", "wall", "brick"), ("paid-after-a-wall", "audience", "cats"),
        ("revenue", "country", "unknown"), ("dunning", "offer", "unknown"),
        ("promotions", "coupon", "spring"),
    ],
)  # fmt: skip
async def test_a_name_that_nothing_had_is_refused_and_anybodys_word_is_not(
    staff: httpx2.AsyncClient, slug: str, name: str, value: str
) -> None:
    answer = await staff.get(f"{REPORTS}/{slug}", params={name: value})
    if name in {"source", "country", "coupon"} or value in {"unknown", "CHF"}:
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == f"query.{name}"


def test_whatever_a_figure_can_be_filtered_by_can_be_asked() -> None:
    listed = {name for each in FIGURES if each.listing for name in each.listing.told_apart.values()}
    assert {name for figure in FIGURES for name in figure.all_filters} | listed == set(FILTERS)


@on_sqlite
async def test_a_plan_that_an_offer_had_once_is_known(
    staff: httpx2.AsyncClient, database: Database
) -> None:
    ended, reader = rows.offer(plan="weekend", archived_at=NOW), rows.reader()
    bought = rows.subscription(reader, ended, plan="evening")
    moved = rows.movement(
        bought, 1, NOW, from_plan="night", from_interval="month", from_interval_count=1,
        to_plan="morning",
    )  # fmt: skip
    await store(database, ended, reader, bought, moved)
    for plan in ("weekend", "evening", "morning", "night"):
        assert (await staff.get(f"{REPORTS}/mrr?plan={plan}")).status_code == 200


@on_sqlite
async def test_offers_of_one_name_are_told_apart(
    staff: httpx2.AsyncClient, database: Database
) -> None:
    year = NOW - timedelta(days=365)
    offers = [
        rows.offer(id="off_a", name="Digital", created_at=year),
        rows.offer(id="off_b", name="Digital", amount=1200),
        rows.offer(id="off_c", name="Digital", amount=1200, created_at=year),
        rows.offer(id="off_d", name="=Weekend"),
    ]
    charges = [
        rows.failed_charge(
            rows.invoice(rows.subscription(rows.reader(), each)),
            status="succeeded", failure="", amount=number, created_at=NOW - timedelta(hours=1),
        )
        for number, each in enumerate(offers, start=1)
    ]  # fmt: skip
    await store(database, *offers, *charges)
    address = f"{REPORTS}/refunds-and-disputes"
    lines = (await staff.get(f"{address}?split=offer")).json()["lines"]
    expected = {
        "off_d": "=Weekend",
        "off_b": "Digital, €12.00 a month, from 10 Mar 2026",
        "off_c": "Digital, €12.00 a month, from 10 Mar 2025",
        "off_a": "Digital, €9.00 a month",
    }
    charged = [each for each in lines if each["series"] == "charged"]
    assert {each["split"]: each["split_name"] for each in charged} == expected
    assert {each["split"]: each["total"]["value"] for each in charged} == {
        "off_a": 1, "off_b": 2, "off_c": 3, "off_d": 4,
    }  # fmt: skip
    file = await staff.get(f"{address}?split=offer&format=csv")
    read = {each["split"]: each["split_name"] for each in csv.DictReader(StringIO(file.text))}
    assert read == {**expected, "off_d": "'=Weekend"}

    async def amount(offer: str) -> int:
        answer = await staff.get(address, params={"offer": offer})
        (line,) = (each for each in answer.json()["lines"] if each["series"] == "charged")
        return int(line["total"]["value"])

    assert [await amount(each) for each in ("off_b", "off_d", "=Weekend")] == [2, 4, 4]
    several = await staff.get(address, params={"offer": "Digital"})
    assert several.status_code == 422
    assert several.json()["errors"][0]["field"] == "query.offer"
    assert "several are called 'Digital'" in several.json()["detail"]


@on_sqlite
@pytest.mark.parametrize("slug", ["mmr", "MRR", "%00", "x" * 101, "..%2Fsummary"])
async def test_an_unknown_figure(staff: httpx2.AsyncClient, slug: str) -> None:
    assert (await staff.get(f"{REPORTS}/{slug}")).status_code in {404, 422}
