"""docs/sql.md: each of its queries gives the report's figure, on both databases."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BindParameter, Date, bindparam, delete, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from service.db.base import Base, UtcDateTime
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    Checkout,
    CheckoutTouches,
    CohortMonth,
    DomainEvent,
    EdgeDay,
    HabitDay,
    HolderDay,
    HolderReturn,
    InvoiceRow,
    LedgerDay,
    MoneyDay,
    MovementRow,
    Offer,
    Pass,
    PromotionUse,
    Reader,
    ReaderDevice,
    RightDay,
    RolledDay,
    Rollup,
    SignInAsk,
    StepDepth,
    Subscription,
    Touches,
)
from service.reports.asked import Asked
from service.reports.cells import Cell
from service.reports.movement_rollup import MOVEMENTS
from service.reports.queries.habits import habits_on
from service.reports.registry import BY_SLUG
from service.reports.replay import LIMITS
from service.reports.rollups import roll_day
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.ledger_histories import BEGIN, CAME_BY, DAYS, LINKED, READERS, in_zone, ledgers
from tests.reports.movement_histories import histories
from tests.reports.rolled import context_in
from tests.reports.sampled import sampled

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")
QUERIES: Mapping[str, str] = dict(
    re.findall(
        r"^### `([\w-]+)`\n\n(?:[^`\n]+\n\n)?```sql\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL
    )
)
VIEWS = dict(re.findall(r"^\| `(report_\w+)` \| .* \| (.*) \|$", PAGE, re.MULTILINE))
NOT_IN_SQL = {
    "dunning": {"rate"},
    "refunds-and-disputes": {"refund_rate", "dispute_rate", "refunded_rate", "disputed_rate"},
    "trial-conversion": {"converted"}, "funnel": {"completed"},
    "registration-funnel": {"met", "days", "articles"},
    "wall-funnel": {"started_rate", "paid_rate", "completed"}, "prompt-funnel": {"started_rate", "paid_rate", "completed"},
    "article-conversion": {"rate", "bought"},
    "usage-rights": {"all", "single"}, "what-if-meter": {f"limit {each}" for each in LIMITS},
}  # fmt: skip
"""Series, or values of a split, that are quotients of others, or that a query leaves to the report."""
HOME = ZoneInfo("America/Santiago")
FIRST, LAST = date(2026, 3, 22), date(2026, 4, 8)
LATER = BEGIN + timedelta(days=200)
WHOLE_MONTHS = asked("2026-03-01", "2026-04-30", "month", now=LATER, home=HOME)
OF_MONTHS = {
    "cohort-retention": WHOLE_MONTHS,
    "lifetime-value": asked("2026-03-01", "2026-03-31", "month", now=LATER, home=HOME),
}
ANSWERS = ("", "unused", "of_next_year")
DURING = datetime(2026, 4, 5, 12, tzinfo=UTC)
SOME = sampled(2)
_TABLES: tuple[type[Base], ...] = (
    AccessEntry, HolderDay, LedgerDay, RolledDay, HolderReturn, StepDepth, HabitDay, CohortMonth, MoneyDay, RightDay,
    EdgeDay, Rollup, PromotionUse, MovementRow, InvoiceRow, Pass, CheckoutTouches, Checkout,
    Subscription, DomainEvent, ReaderDevice, SignInAsk, Touches, Reader, Offer, Article,
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """What happened: rows, and instants in hours since the ledger begins."""

    movements: list[MovementRow]
    ledger: list[AccessEntry]
    clicks: list[tuple[int, str, str]]
    """When, what led there, and what became of it."""
    trials: list[tuple[int, str]]
    events: list[tuple[int, str, str]]
    paid: int
    verified: int
    rolled: set[int]


hours = st.integers(0, DAYS * 24)
drawn = st.builds(
    Drawn, histories(), ledgers,
    st.lists(
        st.tuples(hours, st.sampled_from(["letter", ""]), st.sampled_from(["completed", "expired"])),
        max_size=6,
    ),
    st.lists(st.tuples(hours, st.sampled_from(["active", "canceled", "past_due"])), max_size=5),
    st.lists(
        st.tuples(
            hours,
            st.sampled_from(
                [
                    "subscription.payment_failed", "subscription.recovered", "subscription.renewed",
                    "subscription.trial_paid",
                ]
            ),
            st.sampled_from(["1", "2"]),
        ),
        max_size=8,
    ),
    hours, hours, st.sets(st.integers(0, DAYS)),
)  # fmt: skip


def test_each_query_gives_the_reports_figure(database_url: str) -> None:
    @SOME
    @given(drawn)
    def play(what: Drawn) -> None:
        asyncio.run(_compare(database_url, what))

    play()


async def _compare(url: str, drawn: Drawn) -> None:
    database = Database(url)
    try:
        async with database.transaction() as session:
            for table in _TABLES:
                await session.execute(delete(table))
        await _fill(database, drawn)
        for number in drawn.rolled:
            await roll_day(database, BEGIN.date() + number * timedelta(days=1), now=LATER)
        # One step: the figures that add up over steps are those of each.
        later = asked(str(FIRST), str(LAST), "year", now=LATER, home=HOME)
        await _add_up(database)
        for slug, query in QUERIES.items():
            now = DURING if slug == "committed-mrr" else LATER
            what = OF_MONTHS.get(slug) or replace(later, now=now)
            await agree(database, slug, query, what)
    finally:
        await database.dispose()


async def _add_up(database: Database) -> None:
    """What two views read: cohorts, and the habits of the last day."""
    context = context_in(database, HOME)
    await MOVEMENTS.roll_up(context)
    async with database.transaction() as session:
        habits = await habits_on(session, asked(str(LAST), str(LAST), now=LATER, home=HOME), LAST)
        session.add(HabitDay(day=LAST, **vars(habits)))


async def _fill(database: Database, what: Drawn) -> None:
    def at(hour: int) -> datetime:
        return BEGIN + timedelta(hours=hour, seconds=1)

    present = rows.offer(kind="gift")
    offer, articles = rows.offer(), [rows.article(each, each) for each in ("art_1", "art_2")]
    for article in articles:
        article.id = article.slug
    readers = [rows.reader(id=each) for each in READERS]
    readers[0].email_verified_at = at(what.verified)
    subscriptions = {
        row.subscription_id: rows.subscription(
            readers[len(row.subscription_id) % 2], offer, id=row.subscription_id,
            interval="week", recurring_amount=700 + row.to_recurring,
            cancel_at=LATER if row.number % 2 else None,
        )
        for row in what.movements
    }  # fmt: skip
    trials = [
        rows.subscription(
            readers[n % 2], offer, status=status, started_at=at(hour) - timedelta(days=8),
            trial_end=at(hour), ended_at=at(hour - 30) if status == "canceled" else None,
        )
        for n, (hour, status) in enumerate(what.trials)
    ]  # fmt: skip
    cancelled = [
        rows.subscription(
            readers[0], offer, status="canceled", cancelled_at=at(hour), cancelled_after_days=n,
            cancel_reason="cancellation_requested", cancel_feedback=ANSWERS[n % 3],
            access_stop=("", "refund", "duplicate")[n // 2 % 3],
            access_stopped_at=at(hour) + timedelta(hours=1 - n % 4),
        )
        for n, (hour, _) in enumerate(what.trials)
    ]  # fmt: skip
    paid_trials = [
        rows.invoice(each, created_at=each.trial_end, paid_at=each.trial_end)
        for each in trials[::2]
    ]
    given_time = [
        rows.movement(each, 1, at(0), customer="ctm_trial", cause=cause)
        for each, cause in zip(trials[1:], ("trial_ended", "started"), strict=False)
    ]
    coupons = [
        PromotionUse(
            discount_id=f"di_{n}", subscription_id=each.id, at=at(24 * n), coupon="SPRING",
            code=("RADIO", "MAIL", None)[n % 3], plan=each.plan, currency=each.currency,
        )
        for n, each in enumerate((*subscriptions.values(), *trials))
    ]  # fmt: skip
    clicks = [
        rows.checkout(
            readers[n % 2], present if n % 5 == 4 else offer, at(hour), status=status,
            device_id="d4" if n % 3 == 0 else None,
            reader_id=None if n % 3 == 0 and status == "expired" else readers[n % 2].id,
            stripe_subscription_id=f"bought_{n}" if n % 4 and n % 5 != 4 else None,
        )
        for n, (hour, _, status) in enumerate(what.clicks)
    ]  # fmt: skip
    given_back = rows.subscription(
        readers[1], offer, id="bought_1", status="canceled", access_stop="duplicate"
    )
    paid = rows.checkout(readers[1], offer, at(what.paid))
    events = [
        rows.told(
            readers[0], type_, at(hour), once=f"{type_}:{n}:{attempt}", subject_id=f"sub_{n % 3}"
        )
        for n, (hour, type_, attempt) in enumerate(what.events)
    ]
    for number, row in enumerate(in_zone(what.ledger, HOME)):
        row.prompt = "Two left" if number % 3 == 0 else None
        kind, _, name = row.holder.partition(":")
        row.reader_id, row.device_id = (name, None) if kind == "reader" else (None, name)
    given = rows.bought_pass(readers[0], present, paid, paid_at=BEGIN)
    await store(database, offer, present, *readers, *articles)
    await store(database, *subscriptions.values(), given_back, *trials, *clicks, paid, *events)
    await store(database, *paid_trials, *given_time, *cancelled, *coupons)
    await store(
        database,
        rows.bought_pass(readers[1], offer, paid, paid_at=at(what.paid)),
        *(
            SignInAsk(holder=f"device:d{1 + n % 4}", at=at(hour) + timedelta(seconds=n))
            for n, (hour, _, _) in enumerate(what.events)
        ),
        given,
        *(
            PromotionUse(
                discount_id=f"di_{each}", pass_id=given.id, sold=each, at=BEGIN + timedelta(days=1),
                coupon="SPRING", plan="digital", currency="EUR",
            )
            for each in ("pass", "gift")
        ),
        *(ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()),
        *(
            Touches(holder=each, first_at=BEGIN, last_at=BEGIN, first_source=by)
            for each, by in CAME_BY.items()
        ),
        *(
            CheckoutTouches(
                checkout_id=each.id, first_at=BEGIN, last_at=BEGIN, first_source=by or None,
                last_referrer_host="search.example",
            )
            for each, (_, by, _) in zip(clicks, what.clicks, strict=True)
        ),
        *(_copy(row) for row in (*what.movements, *what.ledger)),
    )  # fmt: skip


def _copy(row: Base) -> Base:
    return type(row)(**{c.key: getattr(row, c.key) for c in row.__table__.columns})


Key = tuple[str, str, str]


async def agree(database: Database, slug: str, query: str, what: Asked) -> None:
    async with database.reading() as session:
        found = await _run(session, query, what)
    lines = await lines_of(database, slug, what)
    cells = {(each.series, each.split, each.currency): each.total for each in lines}
    for key, numbers in found.items():
        if BY_SLUG[slug].is_ranked and key not in cells:
            continue  # the report has the first thirty
        cell = cells.get(key, Cell(0))
        if len(numbers) > 1 and cell.whole:
            assert cell.part is not None
            expected = (float(cell.part), float(cell.whole))
            assert numbers == pytest.approx(expected, abs=1e-6), (slug, key)
        elif cell.value is not None:
            assert numbers[0] == pytest.approx(float(cell.value), abs=1e-6), (slug, key)
    left_out = NOT_IN_SQL.get(slug, set())
    missing = {
        key
        for key, cell in cells.items()
        if key not in found and left_out.isdisjoint(key) and (cell.part or cell.value)
    }
    assert not missing, slug


async def _run(session: AsyncSession, query: str, what: Asked) -> dict[Key, tuple[float, ...]]:
    """The query's rows by series, split and currency: a value, or part and whole."""
    values: dict[str, tuple[object, TypeEngine[Any]]] = {
        "since": (what.since, UtcDateTime()), "until": (what.until, UtcDateTime()),
        "first": (what.period.first, Date()), "last": (what.period.last, Date()),
    }  # fmt: skip
    asked_for: list[BindParameter[Any]] = [
        bindparam(name, value, type_)
        for name, (value, type_) in values.items()
        if f":{name}" in query
    ]
    found: dict[Key, tuple[float, ...]] = {}
    for row in (await session.execute(text(query).bindparams(*asked_for))).mappings():
        key = (row["series"], row.get("split") or "", row.get("currency") or "")
        numbers = [row["part"], row["whole"]] if "part" in row else [row["value"]]
        found[key] = tuple(float(each or 0) for each in numbers)
    return found


async def test_lifetime_value_is_that_of_each_currency(database: Database) -> None:
    """Of 40 readers who pay €9 and 25 who pay $12 4 and 5 leave in March; one switches from euros to dollars.

    €9 ÷ (4 ÷ 40) = €90; $12 ÷ (5 ÷ 25) = $60: who switches isn't lost.
    """
    began, left = datetime(2026, 2, 3, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)
    added: list[Base] = [reader := rows.reader()]
    for currency, amount, number, lost in (("EUR", 900, 40, 4), ("USD", 1200, 25, 5)):
        offer = rows.offer(amount=amount, currency=currency)
        added.append(offer)
        for n in range(number):
            bought = rows.subscription(reader, offer)
            who = f"ctm_{currency}_{n}"
            added += [bought, rows.movement(bought, 1, began, customer=who)]
            if n < lost:
                added.append(rows.ending(bought, 2, left, customer=who))
    euros, dollars = (
        next(each for each in added if isinstance(each, Offer) and each.currency == currency)
        for currency in ("EUR", "USD")
    )
    switched = [rows.subscription(reader, each) for each in (euros, dollars)]
    one, other = "ctm_EUR_39", {"kind": "contraction", "cause": "switched"}
    added += [
        switched[1], rows.movement(switched[1], 1, left, customer=one, kind="expansion"),
    ]  # fmt: skip
    (last,) = (
        each for each in added if isinstance(each, MovementRow) and each.customer == one
        and each.currency == "EUR"
    )  # fmt: skip
    bought = next(
        each for each in added if isinstance(each, Subscription) and each.id == last.subscription_id
    )
    added.append(rows.ending(bought, 2, left, customer=one, **other))
    await store(database, *added)
    what = OF_MONTHS["lifetime-value"]
    async with database.reading() as session:
        found = await _run(session, QUERIES["lifetime-value"], what)
    lines = await lines_of(database, "lifetime-value", what)
    cells = {(each.series, each.split, each.currency): each.total.value for each in lines}
    assert found == {("all", "", "EUR"): (9000.0,), ("all", "", "USD"): (6000.0,)}
    assert cells == {key: value for key, (value,) in found.items()}


def test_each_figure_has_a_query() -> None:
    assert QUERIES.keys() == BY_SLUG.keys()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_pages_role_reads_the_views_alone(database: Database) -> None:
    (block,) = re.findall(r"```text\n(CREATE ROLE.*?)```", PAGE, re.DOTALL)
    role = f"newsroom_{secrets.token_hex(4)}"
    async with database.transaction() as session:
        name = await session.scalar(text("SELECT current_database()"))
        statements = block.replace("newsroom", role).replace(
            "DATABASE paywall", f'DATABASE "{name}"'
        )
        for statement in statements.strip().removesuffix(";").split(";\n"):
            await session.execute(text(statement))
        await session.execute(text(f"SET LOCAL ROLE {role}"))
        for view in VIEWS:
            await session.execute(text(f"SELECT * FROM {view} LIMIT 1"))  # noqa: S608 of the page
        for statement in ("SELECT email FROM readers", "DELETE FROM report_passes"):
            with pytest.raises(DBAPIError, match="permission denied"):
                async with session.begin_nested():
                    await session.execute(text(statement))
        await session.execute(text("RESET ROLE"))
        await session.execute(text(f"DROP OWNED BY {role}"))
        await session.execute(text(f"DROP ROLE {role}"))


async def test_the_page_has_every_view_and_column(database: Database) -> None:
    async with database.reading() as session:
        connection = await session.connection()

        def columns(sync: object) -> dict[str, list[str]]:
            found = inspect(sync)
            return {
                name: [each["name"] for each in found.get_columns(name)]
                for name in found.get_view_names()
            }

        views = await connection.run_sync(columns)
    assert {name: re.findall(r"`(\w+)`", listed) for name, listed in VIEWS.items()} == views
    assert set(re.findall(r"report_\w+", PAGE)) == set(views)
