"""The export: complete, without secrets, also of what Stripe holds, and small in memory."""

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import insert

from service.account.export import PAGE, gather_export
from service.account.reader_data import HOLDINGS
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry, ReaderDevice
from service.identity.devices import pseudonym
from service.identity.readers import create_reader
from service.problems import Problem
from service.settings import Settings
from tests.account.known_reader import (
    ADDRESS,
    CAMPAIGN,
    NOTE,
    WORDING,
    Known,
    Site,
    known_reader,
    mailing_site,
)
from tests.conftest import MovingClocks, settings_of
from tests.databases import database_of, on_sqlite

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def known(request: pytest.FixtureRequest) -> Iterator[tuple[Site, Known]]:
    """One a database: they are only looked at."""
    with (
        database_of(request, request.param) as url,
        mailing_site(settings_of(url), MovingClocks()) as site,
    ):
        made = known_reader(site)
        with closing(made.other):
            yield site, made


def known_on(*databases: str) -> pytest.MarkDecorator:
    kinds = [
        pytest.param(kind, marks=pytest.mark.xdist_group(f"known-{kind}")) for kind in databases
    ]
    return pytest.mark.parametrize("known", kinds, indirect=True)


@known_on("sqlite", "postgresql")
def test_everything_held_on_the_reader(known: tuple[Site, Known]) -> None:
    site, reader = known
    answer = site.at.browser.get("/v1/me/export")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="reader-data.json"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    told = answer.json()
    assert set(told) == {"about", "stripe", *(holding.section for holding in HOLDINGS)}
    # All that was made lies in one section at least; counters of networks name no reader.
    assert [name for name, rows in told.items() if not rows] == [
        "few_habits", "promotion_uses", "gift_subscriptions", "seats", "refunds", "disputes", "gift_links", "gifts_opened",
        "revoked_tokens",
    ]  # fmt: skip
    assert told["about"]["reader"] == reader.reader_id
    assert told["accounts"][0]["email"] == ADDRESS
    assert {each["kind"] for each in told["sessions"]} == {"browser", "app"}
    assert {each["device_id"] for each in told["devices"]} >= {
        pseudonym(each) for each in reader.device_ids
    }
    assert {mail["kind"] for mail in told["mails"]} == {
        "address-change",
        "pass",
        "sign-in",
        "welcome",
    }
    (comp,) = (each for each in told["grants"] if each["source"] == "comp")
    assert comp["note"] == NOTE
    (note,) = told["notes"]
    assert (note["text"], "author" in note) == (NOTE, False)
    assert [each["actor"] for each in told["changes_by_staff"]] == ["api_key"] * 3
    limits = {each["key"].partition("/")[0] for each in told["rate_limits"]}
    assert limits == {"sign-in-mail", "sign-in-address", "right-claims"}
    assert {each["first_campaign"] for each in told["touches"]} == {CAMPAIGN, None}
    assert {each["first_source"] for each in told["checkout_touches"]} == {"letter"}
    assert [(each["given"], each["wording"], each["place"]) for each in told["consents"]] == [
        (True, WORDING, "checkout")
    ]
    reads = {(each["article"]["slug"], each["reader_id"]) for each in told["reads"]}
    # What the devices read before they were signed in is theirs too.
    assert reads >= {("a", reader.reader_id), ("b", None), ("c", None)}
    assert {slug for each in told["meter_windows"] for slug in each["counted"] + each["carried"]} == {
        "b", "c",
    }  # fmt: skip


@known_on("sqlite")
def test_what_stripe_holds(known: tuple[Site, Known]) -> None:
    site, _ = known
    (held,) = site.at.browser.get("/v1/me/export").json()["stripe"]
    assert held["customer"]["email"] == ADDRESS
    assert set(held["customer"]) >= {"name", "phone", "address", "shipping", "metadata"}
    ((card),) = held["payment_methods"]
    assert (card["brand"], card["last4"]) == ("visa", "4242")
    assert [each["status"] for each in held["subscriptions"]] == ["active"]
    (invoice,) = held["invoices"]
    assert (invoice["amount_paid"], invoice["currency"]) == (900, "eur")
    assert invoice["number"]
    assert {"hosted_url", "created_at"} <= set(invoice)


@known_on("sqlite")
def test_no_secret_leaves_with_it(known: tuple[Site, Known]) -> None:
    site, reader = known
    text = site.at.browser.get("/v1/me/export").text
    for secret in (reader.session_cookie, *reader.app.values(), "_hash", "sealed"):
        assert str(secret) not in text or secret in {"/account", "Bearer", 600}


@known_on("sqlite")
def test_nobody_else_gets_it(known: tuple[Site, Known]) -> None:
    site, reader = known
    with site.at.new_browser() as stranger:
        assert stranger.get("/v1/me/export").status_code == 401
        site.sign_in(stranger, "ben@example.org")
        assert reader.reader_id not in stranger.get("/v1/me/export").text
        assert ADDRESS not in stranger.get("/v1/me/export").text


async def test_reads_come_page_by_page(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """In parts that don't overlap: with and without the reader's id, many at one instant."""
    many, anonymous = 2 * PAGE + 1, PAGE + 1
    reader_id = await add_reads(database, clocks, many, anonymous)
    export = await gather_export(Context(settings, clocks, database), None, reader_id=reader_id)
    document = b"".join([chunk async for chunk in export.chunks()])
    reads = json.loads(document)["reads"]
    assert len(reads) == len({each["article_id"] for each in reads}) == many + anonymous


@on_sqlite
async def test_an_export_is_never_in_memory_as_a_whole(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    reader_id = await add_reads(database, clocks, 8 * PAGE, 0)
    export = await gather_export(Context(settings, clocks, database), None, reader_id=reader_id)
    tracemalloc.start()
    try:
        seen, whole = 0, 0
        async for chunk in export.chunks():
            seen, whole = max(seen, len(chunk)), whole + len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert whole > 3 * MEGABYTE
    assert seen < MEGABYTE
    assert peak < 8 * MEGABYTE


async def add_reads(database: Database, clocks: MovingClocks, many: int, anonymous: int) -> str:
    """A reader with this number of reads of their own and of their device; the reader's id."""
    async with database.transaction() as session:
        reader = await create_reader(session, email=ADDRESS, clocks=clocks)
        device = pseudonym("d")
        session.add(ReaderDevice(device_id=device, reader_id=reader.id, linked_at=clocks.wall()))
        shared = {"granted": True, "consumed": False, "reason": "meter", "device_id": device}
        for begin in range(0, many + anonymous, PAGE):
            numbers = range(begin, min(begin + PAGE, many + anonymous))
            entries = [
                {
                    **shared, "article_id": f"art_{number}", "id": f"{number:06}",
                    "day": clocks.business().date(), "holder": "device:d", "once": False,
                    "at": clocks.business() + timedelta(seconds=number // 3000),
                    "reader_id": reader.id if number < many else None,
                }
                for number in numbers
            ]  # fmt: skip
            await session.execute(insert(AccessEntry), entries)
    return reader.id


@on_sqlite
async def test_nobody_is_exported_that_isnt_there(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    with pytest.raises(Problem, match="not-found"):
        await gather_export(Context(settings, clocks, database), None, reader_id="rdr_none")
