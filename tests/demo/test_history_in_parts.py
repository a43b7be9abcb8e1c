"""The invented year is the same in any number of parts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import inspect

from service.db.base import Base
from service.demo.history import write
from service.demo.history.book import Book
from service.demo.history.year import DAYS, drawn
from tests.demo.invented import FEW, Demo

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Stored:
    """What a history in parts comes to: its rows by table and key, and all that is only ever added."""

    rows: dict[tuple[object, ...], dict[str, object]] = field(default_factory=dict)
    added: Counter[object] = field(default_factory=Counter)
    until: datetime | None = None

    def untouched(self) -> frozenset[str] | None:
        if self.until is None:
            return None
        return frozenset(
            str(key[1])
            for key, row in self.rows.items()
            if key[0] == "Subscription" and row["synced_at"] == self.until
        )

    def keep(self, book: Book) -> None:
        """As the database does: nothing is stored twice, or of a reader who isn't."""
        for row in book.rows:
            assert key_of(row) not in self.rows, f"twice: {key_of(row)}"
            self.rows[key_of(row)] = columns_of(row)
        for row in book.changed:
            assert key_of(row) in self.rows, f"never stored: {key_of(row)}"
            self.rows[key_of(row)] = columns_of(row)
        readers = {key[1] for key in self.rows if key[0] == "Reader"}
        assert {row.get("reader_id") for row in self.rows.values()} <= {*readers, None}
        assert {reader for reader, *_ in book.comps} <= readers
        self.added.update(
            (each.at, each.holder, each.article_id, each.reason) for each in book.entries
        )
        self.added.update((each["once"], each["occurred_at"]) for each in book.events)
        self.added.update([*book.touches, *book.sources, *book.comps])
        for each in book.takings.entered:
            key = (type(each.booked).__name__, each.booked.id)
            # An invoice that was open may have been paid since.
            assert key not in self.rows or key[0] == "BookedInvoice", f"twice: {key}"
            self.rows[key] = {"booked": each.booked, "ours": dict(each.ours)}
        self.added.update(("moved", each.booked.id) for each in book.takings.moves)
        self.until = book.until


def key_of(row: Base) -> tuple[object, ...]:
    columns = inspect(type(row)).primary_key
    return (type(row).__name__, *(getattr(row, str(column.key)) for column in columns))


def columns_of(row: Base) -> dict[str, object]:
    return {each.key: getattr(row, each.key) for each in inspect(type(row)).column_attrs}


async def stored(demo: Demo, cuts: Sequence[datetime]) -> Stored:
    """The history written up to each of these instants, one after the other."""
    found = Stored()
    for until in cuts:
        found.keep(await book(demo, found.until, until, found.untouched()))
    return found


async def book(
    demo: Demo, since: datetime | None, until: datetime, untouched: frozenset[str] | None
) -> Book:
    async with demo.context.database.reading() as session:
        written = await write.read_written(session, demo.context)
    assert written is not None
    scribe = await write.scribe_of(
        demo.context, demo.simulator, written.calendar, FEW, Book(since, until)
    )  # fmt: skip
    scribe = replace(scribe, untouched=untouched)
    write.fill(scribe, FEW)
    return scribe.book


async def test_a_history_in_parts_is_the_one_written_at_once(few: Demo) -> None:
    """Wherever it is cut: between two steps of one person, and anywhere else."""
    demo = few
    now = demo.clocks.business().replace(microsecond=0)
    begin = now - timedelta(days=DAYS)
    whole, rng = await stored(demo, [now]), drawn("cuts")
    between = rng.sample(sorted(each for each in within_steps(whole) if begin < each < now), 15)
    for some in range(3):
        anywhere = {begin + timedelta(seconds=rng.randrange(DAYS * 86_400)) for _ in range(2)}
        in_parts = await stored(demo, [*sorted(anywhere | {*between[some::3]}), now])
        assert in_parts.added == whole.added
        assert in_parts.rows == whole.rows


def within_steps(whole: Stored) -> set[datetime]:
    """When somebody has signed in and not bought yet, and when a pass isn't over."""
    found = set()
    for (table, *_), row in whole.rows.items():
        if table == "Customer":
            assert isinstance(row["bound_at"], datetime)
            found.add(row["bound_at"] - timedelta(minutes=1))
        elif table == "Pass":
            assert isinstance(row["starts_at"], datetime)
            found.add(row["starts_at"] + timedelta(hours=1))
    return found
