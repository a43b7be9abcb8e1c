"""Many times as many subscribers: copied inside PostgreSQL, from ones that are invented and added up already.

A copy differs from its original by its names alone, and no holder is in two of them. So each sum of a day is as many
times what it was, and is multiplied; everything else is a row more for each copy. To invent and to add up a million
subscribers takes longer than all else, and shows nothing that a part of them doesn't.
"""

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from time import perf_counter

from sqlalchemy import Integer, func, select, text

from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    Article,
    ArticleSaleDay,
    BalanceRow,
    BookedDay,
    ChargeRow,
    Checkout,
    CheckoutTouches,
    CohortMonth,
    DisputeRow,
    DomainEvent,
    DunningEpisode,
    EdgeDay,
    FewHabit,
    HabitDay,
    HolderDay,
    HolderReturn,
    InvoicePaymentRow,
    InvoiceRow,
    LedgerDay,
    MoneyBackDay,
    MoneyDay,
    MovementRow,
    Offer,
    PayoutRow,
    PriceRenewalDay,
    PromotionUse,
    Reader,
    ReaderDevice,
    RefundRow,
    RenewalDay,
    RevenueDay,
    RightDay,
    RolledDay,
    Rollup,
    ScheduledChange,
    SourceCohortMonth,
    SourceDay,
    SourceEdgeDay,
    SourceMoneyDay,
    StepDepth,
    Subscription,
    Touches,
)
from service.demo.multitude import ARTICLES, READING_DAYS
from service.identity.devices import SAMPLED
from service.metering.store import DEVICE, READER
from service.reports.queries import kept_rows
from tests.bench.said import Say

_SHARED: tuple[type[Base], ...] = (Article, BookedDay, Offer, Rollup)
_SUMS: tuple[type[Base], ...] = (
    ArticleSaleDay, CohortMonth, EdgeDay, HabitDay, HolderReturn, LedgerDay, MoneyBackDay, MoneyDay,
    PayoutRow, PriceRenewalDay, RenewalDay, RevenueDay, RightDay, SourceCohortMonth, SourceDay,
    SourceEdgeDay, SourceMoneyDay, StepDepth,
)  # fmt: skip
"""Tables whose whole numbers, but for those in the key, are sums."""
_NAMES: dict[type[Base], tuple[str, ...]] = {
    BalanceRow: ("id", "source_id", "charge_id"),
    InvoiceRow: ("id", "subscription_id"),
    ChargeRow: ("id", "payment_id", "invoice_id", "subscription_id"),
    HolderDay: ("holder",),
    DomainEvent: ("id", "reader_id", "subject_id", "once"),
    InvoicePaymentRow: ("payment_id", "invoice_id"),
    Checkout: ("id", "reader_id", "device_id", "claim_hash", "stripe_subscription_id"),
    MovementRow: ("subscription_id", "customer", "rolled_as", "sourced_as"),
    Subscription: ("id", "reader_id", "customer_id"),
    Touches: ("holder",),
    Reader: ("id", "email", "email_key", "verified_key", "pseudonym"),
    CheckoutTouches: ("checkout_id",),
    ReaderDevice: ("device_id", "reader_id"),
    DunningEpisode: ("invoice_id",),
    PromotionUse: ("discount_id", "subscription_id"),
    RefundRow: ("id", "charge_id"),
    DisputeRow: ("id", "charge_id"),
    ScheduledChange: ("subscription_id",),
}  # fmt: skip
"""Tables of rows that a copy has, too, with its names in these columns. The largest first."""
_LEDGER = """
    INSERT INTO access_ledger (
        day, holder, id, at, article_id, granted, consumed, reason, wall, window_start, audience, prompt, once
    )
    SELECT day, holder, 'acc_' || number || '_' || right(holder, 12),
        coalesce(met, day + interval '12 hours' + number * interval '1 minute'),
        'art_' || lpad(to_hex((ascii(right(holder, 1)) * 7 + number) % {articles}), 24, '0'),
        met IS NULL, met IS NULL AND number <= counted,
        CASE WHEN met IS NOT NULL THEN 'meter_exhausted' WHEN number <= counted THEN 'meter'
            ELSE 'subscription' END,
        CASE WHEN met IS NOT NULL THEN CASE number WHEN 1 THEN 'subscribe' ELSE 'register' END END,
        CASE WHEN met IS NOT NULL OR number <= counted THEN date_trunc('month', day, 'UTC') END,
        'anonymous', '(usual words)', false
    FROM holder_days, generate_series(1, reads + 1) AS number, LATERAL (SELECT CASE number
        WHEN 1 THEN subscribe_wall_at WHEN 2 THEN register_wall_at END) AS wall(met)
    WHERE {sample}
"""
"""Rows that the days of some holders may have come from."""
_AT_ONCE = 2
_COPIED = """
    CREATE FUNCTION copied(name varchar, number integer) RETURNS varchar LANGUAGE sql IMMUTABLE AS $$
        SELECT left(name, strpos(name, '_'))
            || left(md5(substr(name, strpos(name, '_') + 1) || '/' || number), 24)
            || CASE WHEN name LIKE '%@%' THEN substr(name, strpos(name, '@')) ELSE '' END
    $$
"""
"""What names something keeps what it begins with: a copy's names lie anywhere among the others."""


async def multiply(database: Database, times: int, say: Say) -> None:
    """`times` as many of everything, in a database without indexes."""
    await _know_all(database)
    await _run(database, _COPIED)
    for statement in _sums(times):
        await _run(database, statement)
    left = [*_NAMES.items()]

    async def some() -> None:
        while left:
            table, names = left.pop(0)
            began = perf_counter()
            await _run(database, *_copies(table, names, times))
            say(f"         {table.__tablename__}: {times} times, {perf_counter() - began:.0f} s")

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    await _run(database, "DROP FUNCTION copied")


async def keep_ledger(database: Database, today: date) -> None:
    """The ledger's own rows of the holders at whom reports by single rows look, on readers' devices too, whatever
    these are called. Of others none asks for them.
    """
    first = today - timedelta(days=READING_DAYS)
    async with database.reading() as session:
        digits = await kept_rows.sample(session, first, today, kept_rows.MOST_ROWS)
    device, reader = (f"{kind}_{SAMPLED * digits}" for kind in ("dev", "rdr"))
    of_readers = f"reader_id BETWEEN '{reader}' AND '{reader}g'"
    linked = f"SELECT '{DEVICE}' || device_id FROM reader_devices WHERE {of_readers}"  # noqa: S608 our own names
    named = (
        f"holder BETWEEN '{each}' AND '{each}g'"
        for each in (f"{DEVICE}{device}", f"{READER}{reader}")
    )
    sample = " OR ".join((*named, f"holder IN ({linked})"))
    await _run(database, _LEDGER.format(articles=ARTICLES, sample=sample))


async def _know_all(database: Database) -> None:
    """Refuse rows of which it isn't known how they are copied."""
    known = {*_SHARED, *_SUMS, *_NAMES, RolledDay, FewHabit}
    async with database.reading() as session:
        for mapper in Base.registry.mappers:
            if mapper.class_ not in known:
                rows = select(func.count()).select_from(mapper.class_)
                assert await session.scalar(rows) == 0, mapper.class_


def _sums(times: int) -> Iterator[str]:
    for table in _SUMS:
        summed = [
            each.key
            for each in table.__table__.columns
            if isinstance(each.type, Integer) and not each.primary_key
        ]
        changes = ", ".join(f'"{each}" = "{each}" * {times}' for each in summed)
        yield f"UPDATE {table.__tablename__} SET {changes}"  # noqa: S608 our own names
    yield f"UPDATE rolled_days SET rows = rows * {times}"  # noqa: S608 a number
    own = "category = 'payout'"
    yield f"UPDATE balance_entries SET amount = amount * {times}, net = net * {times} WHERE {own}"  # noqa: S608 numbers


def _copies(table: type[Base], names: tuple[str, ...], times: int) -> Iterator[str]:
    """Of a table that is emptied in the same transaction PostgreSQL writes no log."""
    name = table.__tablename__
    columns = [each.key for each in table.__table__.columns]
    values = [
        f"CASE copy WHEN 0 THEN {each} ELSE copied({each}, copy) END"
        if each in names
        else f'"{each}"'
        for each in columns
    ]
    single = " WHERE copy = 0 OR category <> 'payout'" if table is BalanceRow else ""
    listed, rows = ", ".join(f'"{each}"' for each in columns), ", ".join(values)
    copies = f"original, generate_series(0, {times - 1}) AS copy{single}"
    yield f"CREATE TEMPORARY TABLE original ON COMMIT DROP AS TABLE {name}"
    yield f"TRUNCATE {name}"
    yield f"INSERT INTO {name} ({listed}) SELECT {rows} FROM {copies}"  # noqa: S608 our own names


async def _run(database: Database, *statements: str) -> None:
    async with database.transaction() as session:
        for each in statements:
            await session.execute(text(each.replace(":", r"\:")))
