"""What figures are counted again with: periods in several zones, and databases emptied between histories."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import delete

from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    Checkout,
    CheckoutTouches,
    DomainEvent,
    HabitDay,
    HolderDay,
    HolderReturn,
    InvoiceRow,
    LedgerDay,
    MovementRow,
    Offer,
    Pass,
    PromotionUse,
    Reader,
    ReaderDevice,
    RolledDay,
    StepDepth,
    Subscription,
)
from service.reports.asked import Asked
from service.reports.cells import Line
from tests.reports.figures_asked import asked
from tests.reports.ledger_histories import (
    BEGIN,
    DAYS,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LATER = BEGIN + 200 * DAY
ZONES = ["Europe/Lisbon", "America/Santiago", "Pacific/Auckland"]
TABLES = (
    AccessEntry, HolderDay, LedgerDay, RolledDay, HolderReturn, StepDepth, HabitDay, PromotionUse, Pass,
    CheckoutTouches, Checkout, DomainEvent, InvoiceRow, MovementRow, Subscription, ReaderDevice, Article, Offer, Reader,
)  # fmt: skip
hours = st.integers(-20 * 24, (DAYS + 10) * 24)


@dataclass(frozen=True)
class Days:
    """A period of days in a zone, each of them a step."""

    first: date
    count: int
    zone: ZoneInfo

    def asked(self) -> Asked:
        last = self.first + (self.count - 1) * DAY
        return asked(str(self.first), str(last), "day", now=LATER, home=self.zone)

    def step(self, at: datetime) -> int | None:
        """None: it isn't in the period."""
        number = (at.astimezone(self.zone).date() - self.first).days
        return number if 0 <= number < self.count else None

    def tallied(self, moments: Iterable[datetime]) -> list[int]:
        """How many there are in each step, then in the period."""
        found = Counter(self.step(at) for at in moments)
        found.pop(None, None)
        return [*(found[number] for number in range(self.count)), found.total()]

    def distinct(self, things: Iterable[tuple[datetime, str]]) -> list[int]:
        """How many different ones there are in each step, then in the period."""
        inside = [(self.step(at), each) for at, each in things if self.step(at) is not None]
        by_step = [{each for step, each in inside if step == n} for n in range(self.count)]
        return [*map(len, by_step), len({each for _, each in inside})]


def periods_from(latest: int) -> st.SearchStrategy[Days]:
    """Of up to 20 days, which begin within `latest` days after the ledger does."""
    return st.builds(
        lambda start, count, zone: Days(BEGIN.date() + start * DAY, count, ZoneInfo(zone)),
        st.integers(0, latest), st.integers(1, 20), st.sampled_from(ZONES),
    )  # fmt: skip


periods = periods_from(10)


def by_series(lines: list[Line]) -> dict[tuple[str, str], list[Any]]:
    return {
        (line.series, line.split): [each.value for each in (*line.cells, line.total)]
        for line in lines
    }


async def emptied(url: str) -> Database:
    database = Database(url)
    async with database.transaction() as session:
        for table in TABLES:
            await session.execute(delete(table))
    return database


def played(compare: Callable[[Database], Any], url: str) -> None:
    async def run() -> None:
        database = await emptied(url)
        try:
            await compare(database)
        finally:
            await database.dispose()

    asyncio.run(run())


def copy_of(row: AccessEntry) -> AccessEntry:
    columns = {c.key: getattr(row, c.key) for c in AccessEntry.__table__.columns}
    kind, _, name = row.holder.partition(":")
    return AccessEntry(**{**columns, f"{kind}_id": name})
