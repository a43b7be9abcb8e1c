"""The week in a mail: what it says, to whom it goes, once, and after a morning that was slept through."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx2
import pytest
from sqlalchemy import select, text, update

from service.db.context import Context
from service.db.session import Database
from service.db.tables import Mail, Operator, UnboundSubscription
from service.identity.operators import create_operator
from service.jobs.nightly import next_week
from service.operators.week import SHOWN
from service.operators.weekly_mail import WeeklyMail
from service.reports.registry import BY_SLUG
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.db.test_slow_reading import COUNTS_FOR_EVER, hurried
from tests.operators.conftest import csrf_in
from tests.operators.test_account import SignedIn
from tests.passwords import QUICK
from tests.reports import rows
from tests.surface.everything import filled

LISBON = ZoneInfo("Europe/Lisbon")


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-03-09T06:59:59+00:00", "2026-03-09T07:00:00+00:00"),
        ("2026-03-09T07:00:00+00:00", "2026-03-16T07:00:00+00:00"),
        ("2026-03-11T12:00:00+00:00", "2026-03-16T07:00:00+00:00"),
        # Summer time begins on Sunday, 29 March: seven o'clock there is six in UTC.
        ("2026-03-27T12:00:00+00:00", "2026-03-30T06:00:00+00:00"),
    ],
)
def test_it_begins_on_monday_morning_in_the_publications_zone(now: str, begins: str) -> None:
    found = next_week(datetime.fromisoformat(now), LISBON, time(7))
    assert found == datetime.fromisoformat(begins)
    assert found.tzinfo is UTC


@pytest.fixture
def weekly(database: Database, settings: Settings, clocks: MovingClocks) -> WeeklyMail:
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example>"})
    return WeeklyMail(Context(mailing, clocks, database))


async def mails(database: Database) -> list[Mail]:
    async with database.reading() as session:
        return list(await session.scalars(select(Mail).order_by(Mail.recipient)))


async def add(database: Database, clocks: MovingClocks, email: str, role: str) -> None:
    async with database.transaction() as session:
        await create_operator(
            session, email=email, password="correct horse battery", role=role, now=clocks.wall(),
            passwords=QUICK,
        )  # fmt: skip


async def a_monday(weekly: WeeklyMail, clocks: MovingClocks) -> None:
    """Plan the next Monday, and let it come."""
    await weekly.round()
    clocks.travel(timedelta(days=7, minutes=1))


async def test_each_operator_gets_it_once_from_any_number_of_processes(
    weekly: WeeklyMail, database: Database, clocks: MovingClocks
) -> None:
    for email, role in (
        ("ana@gazette.example", "admin"), ("bo@gazette.example", "viewer"),
        ("off@gazette.example", "admin"), ("no@gazette.example", "admin"),
    ):  # fmt: skip
        await add(database, clocks, email, role)
    async with database.transaction() as session:
        await session.execute(
            update(Operator)
            .where(Operator.email == "off@gazette.example")
            .values(disabled_at=clocks.wall())
        )
        await session.execute(
            update(Operator).where(Operator.email == "no@gazette.example").values(weekly_mail=False)
        )
    await a_monday(weekly, clocks)
    await asyncio.gather(*(weekly.round() for _ in range(3)))
    await weekly.round()
    assert [each.recipient for each in await mails(database)] == [
        "ana@gazette.example", "bo@gazette.example",
    ]  # fmt: skip
    # Of several Mondays that nobody served, one mail is made up for.
    clocks.travel(timedelta(days=21))
    await weekly.round()
    await weekly.round()
    assert len(await mails(database)) == 4


async def test_it_has_the_figures_with_the_versions_of_their_definitions(
    weekly: WeeklyMail, database: Database, clocks: MovingClocks
) -> None:
    await add(database, clocks, "ana@gazette.example", "admin")
    await a_monday(weekly, clocks)
    await weekly.round()
    (mail,) = await mails(database)
    week = "from=2026-03-09&amp;to=2026-03-15&amp;interval=day&amp;compare=before"
    for slug, _ in SHOWN:
        assert f"/admin/reports/{slug}?{week}" in mail.html
        assert slug in BY_SLUG
    assert "Active subscribers: 0 (0)" in mail.text
    assert "Active subscribers&nbsp;1" in mail.html
    assert "Active subscribers 1" in mail.text
    assert "<style" not in mail.html
    assert "/admin/account" in mail.text


async def test_what_needs_somebody_says_the_same_in_both_forms(
    weekly: WeeklyMail, database: Database, clocks: MovingClocks
) -> None:
    await add(database, clocks, "ana@gazette.example", "admin")
    async with database.transaction() as session:
        session.add(offer := rows.offer())
        await session.flush()
        session.add(filled(UnboundSubscription, status="active", offer_id=offer.id))
    await a_monday(weekly, clocks)
    await weekly.round()
    (mail,) = await mails(database)
    said = "subscription without a reader, paid at Stripe, but no reader has access: http"
    assert f"1 {said}" in mail.text
    for each in ("subscription without a reader", "paid at Stripe, but no reader has access"):
        assert each in mail.html


async def test_no_mail_is_written_where_none_is_set_up(
    weekly: WeeklyMail, database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    silent = WeeklyMail(Context(settings.model_copy(update={"mail_from": ""}), clocks, database))
    await add(database, clocks, "ana@gazette.example", "admin")
    await a_monday(silent, clocks)
    await silent.round()
    assert await mails(database) == []


async def test_an_operator_switches_it_off_and_on(signed_in: SignedIn, database: Database) -> None:
    browser: httpx2.AsyncClient = await signed_in("viewer")
    for wanted, says in (("off", "The weekly mail is off."), ("on", "The weekly mail is on.")):
        csrf = csrf_in((await browser.get("/admin/account")).text)
        answer = await browser.post(
            "/admin/account/weekly", data={"csrf": csrf, "wanted": wanted}, follow_redirects=True
        )
        assert says in answer.text
        async with database.reading() as session:
            assert await session.scalar(select(Operator.weekly_mail)) == (wanted == "on")
    refused = await browser.post("/admin/account/weekly", data={"csrf": "x", "wanted": "off"})
    assert refused.status_code == 403


async def test_a_figure_that_takes_too_long_is_a_dash_and_the_others_go_out(
    weekly: WeeklyMail, database: Database, database_url: str, clocks: MovingClocks
) -> None:
    await add(database, clocks, "ana@gazette.example", "admin")
    await a_monday(weekly, clocks)
    async with database.transaction() as session:
        # A query of one of these never ends: the stop rate asks the first, the articles the second.
        for table in ("holder_returns", "ledger_days"):
            await session.execute(text(f"ALTER TABLE {table} RENAME TO {table}_kept"))
            slow = (
                f"SELECT kept.* FROM ({COUNTS_FOR_EVER}) AS n "  # noqa: S608 names of our own
                f"CROSS JOIN {table}_kept AS kept WHERE ({COUNTS_FOR_EVER}) > 0"
            )
            await session.execute(text(f"CREATE VIEW {table} AS {slow}"))
    impatient = hurried(database_url)
    try:
        context = Context(weekly.context.settings, clocks, impatient)
        await WeeklyMail(context).round()
    finally:
        await impatient.dispose()
    (mail,) = await mails(database)
    assert (
        "Share of devices and readers that hit the paywall: — (took too long to load)" in mail.text
    )
    assert "Top-selling articles: — (took too long to load)" in mail.text
    assert mail.html.count("(took too long to load)") == 2
    assert "Active subscribers: 0 (0)" in mail.text
    assert "Disputes: " in mail.text


def test_the_mail_is_tried_for_more_than_an_hour(weekly: WeeklyMail) -> None:
    (kind,) = weekly.kinds().values()
    assert sum(kind.pauses, timedelta()) > timedelta(hours=1)
