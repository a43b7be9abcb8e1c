"""Institutions from a CSV file: each bad line is named, and all of it is taken or nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import Institution
from service.grants.csv_file import ListRefused
from service.grants.institution_lists import read_institutions
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside

ADDRESS = "/v1/admin/institutions/import"
GOOD = """slug;name;plan;domains;networks;ends_at
city-library;City Library;digital;;192.0.2.0/24 2001:db8::/32;2026-12-31
university;University;digital;uni.example;198.51.100.0/24;
"""
LINE = "city-library,City Library,digital,,192.0.2.0/24,"
HEAD = "slug,name,plan,domains,networks,ends_at"


def test_a_list_is_read(plain_settings: Settings) -> None:
    library, university = read_institutions(GOOD.encode(), plain_settings.zone)
    assert library.terms.networks == ("192.0.2.0/24", "2001:db8::/32")
    assert library.terms.ends_at is not None
    last_day = library.terms.ends_at.astimezone(plain_settings.zone)
    assert (last_day.year, last_day.month, last_day.day) == (2027, 1, 1), "the last day is included"
    assert (university.terms.domains, university.terms.ends_at) == (("uni.example",), None)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((LINE.replace("192.0.2.0/24", "abc"),), "Line 2: abc is no network"),
        ((LINE.replace("192.0.2.0/24", "192.0.2.1/24"),), "Line 2: 192.0.2.1/24 is an address in a"),
        ((LINE.replace("/24", "/4"),), "Line 2: 192.0.2.0/4 is an address in a network"),
        ((LINE.replace("192.0.2.0/24", "16.0.0.0/8"),), "Line 2: 16.0.0.0/8 is too wide"),
        ((LINE, LINE), "Line 3: the slug of line 2 once more"),
        ((LINE.replace("City Library", ""),), "Line 2: name"),
        ((LINE.replace("digital", "No Plan"),), "Line 2: plan"),
        ((LINE.replace("city-library", "City Library"),), "Line 2: slug 'City Library' isn't a slug. Write it like"),
        ((LINE + "31.12.2026",), "Line 2: 31.12.2026 is no day or time"),
        ((LINE + ",more",), "Line 2: has 7 values instead of 6"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(plain_settings: Settings, lines: tuple[str, ...], told: str) -> None:
    with pytest.raises(ListRefused) as refused:
        read_institutions("\n".join((HEAD, *lines)).encode(), plain_settings.zone)
    assert refused.value.problems[0].startswith(told)


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        yield made


async def stored(paywall: Paywall) -> list[str]:
    async with paywall.database.reading() as session:
        return list(await session.scalars(select(Institution.slug).order_by(Institution.slug)))


async def test_a_list_is_tried_out_taken_and_repeated(paywall: Paywall) -> None:
    async def send(csv: str, *, dry_run: bool = False) -> tuple[int, dict[str, object]]:
        body = {"csv": csv, "dry_run": dry_run}
        answer = await paywall.client.post(ADDRESS, json=body, headers=paywall.staff)
        return answer.status_code, answer.json()

    both = ["city-library", "university"]
    would = await send(GOOD, dry_run=True)
    told = ["No offer sells the plan digital yet."]
    counts = {"created": both, "changed": [], "unchanged": 0}
    assert would == (200, {**counts, "warnings": told, "dry_run": True})
    assert await stored(paywall) == []
    status, refused = await send(GOOD + "firm;Firm;digital;gmail.com;;")
    assert (status, await stored(paywall)) == (422, [])
    assert "Line 4: Anybody can have an address at gmail.com." in str(refused["errors"])
    assert (await send(GOOD))[1]["created"] == both
    assert (await send(GOOD))[1]["unchanged"] == len(both)
    changed = await send(GOOD.replace("University;", "Old University;"))
    assert changed[1]["changed"] == ["university"]
    async with paywall.database.reading() as session:
        row = await session.get_one(Institution, "university")
    assert (row.name, row.version, row.updated_at) == (
        "Old University",
        2,
        datetime(2026, 3, 10, 9, tzinfo=UTC),
    )
