"""The local Stripe's database: JSON documents, an agenda and deliveries in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

JSON = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    created INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_customer ON objects (kind, json_extract(body, '$.customer'));
CREATE INDEX IF NOT EXISTS objects_by_invoice ON objects (kind, json_extract(body, '$.invoice'));
CREATE INDEX IF NOT EXISTS objects_by_intent
    ON objects (kind, json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS objects_by_payment
    ON objects (kind, json_extract(body, '$.payment.payment_intent'));
CREATE INDEX IF NOT EXISTS objects_by_subscription
    ON objects (kind, json_extract(body, '$.parent.subscription_details.subscription'));
CREATE INDEX IF NOT EXISTS objects_by_payout ON objects (kind, json_extract(body, '$._sim.payout'))
    WHERE kind = 'balance_transaction';
CREATE TABLE IF NOT EXISTS agenda (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, clock TEXT);
CREATE INDEX IF NOT EXISTS agenda_by_subject ON agenda (subject, action);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due REAL);
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (due);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, created INTEGER NOT NULL, request TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL, request_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_PUT = (
    "INSERT INTO objects (id, kind, created, body) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET body = excluded.body"
)


@dataclass(frozen=True)
class Condition:
    """A filter on a document: `field` is a dotted path, `operator` one of =, !=, <, <=, >, >=, in,
    contains (a part of a text, in small letters and capitals alike, or of a list's JSON).

    = and != None find fields that are null or absent, and those that are neither.
    """

    field: str
    operator: str
    value: Any

    def sql(self) -> tuple[str, list[Any]]:
        """The condition as SQL over `objects` with its values."""
        path = f"json_extract(body, '$.{self.field}')"
        if self.operator == "in":
            marks = ", ".join("?" for _ in self.value)
            return f"{path} IN ({marks})", list(self.value)
        if self.operator == "contains":
            return f"instr(lower({path}), lower(?)) > 0", [self.value]
        if self.operator == "!=":
            return f"{path} IS NOT ?", [self.value]
        if self.value is None:
            return f"{path} IS NULL", []
        return f"{path} {self.operator} ?", [self.value]


@dataclass(frozen=True)
class Due:
    """An entry of the agenda whose time has come."""

    at: int
    action: str
    subject: str


class Filter(Protocol):
    """A condition on documents: a Condition, or what a search asks for."""

    def sql(self) -> tuple[str, list[Any]]:
        """The filter as SQL over `objects` with its values."""
        ...


class Store:
    """Documents by id. Callers hold a transaction (see `World.transaction`) while they write."""

    def __init__(self, database: Path | None) -> None:
        """Open `database`, creating it and its folder; None keeps everything in memory."""
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(
            str(database) if database is not None else ":memory:",
            isolation_level=None,
            check_same_thread=False,
        )
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("PRAGMA busy_timeout = 5000")
        self.connection.executescript(_SCHEMA)
        columns = self.connection.execute("SELECT name FROM pragma_table_info('agenda')")
        if ("clock",) not in columns.fetchall():  # a file from before there were test clocks
            self.connection.execute("ALTER TABLE agenda ADD COLUMN clock TEXT")
        self.connection.execute(
            "CREATE INDEX IF NOT EXISTS agenda_by_clock ON agenda (clock, at, seq)"
        )

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def put(self, document: JSON) -> None:
        """Insert or replace a document; its `object` says its kind, its `id` who it is."""
        self.connection.execute(
            _PUT,
            (
                document["id"],
                document["object"],
                document.get("created", 0),
                json.dumps(document, separators=(",", ":")),
            ),
        )

    def put_all(self, written: Iterable[tuple[str, str, int, str]]) -> None:
        """Insert or replace many documents: each with its id, its kind, when it was created, and its JSON."""
        self.connection.executemany(_PUT, written)

    def get(self, identifier: str, kind: str | None = None) -> JSON | None:
        """The document with this id, if it exists (and is of this kind)."""
        row = self.connection.execute(
            "SELECT kind, body FROM objects WHERE id = ?", (identifier,)
        ).fetchone()
        if row is None or (kind is not None and row[0] != kind):
            return None
        document: JSON = json.loads(row[1])
        return document

    def drop(self, identifier: str) -> None:
        """Forget a document."""
        self.connection.execute("DELETE FROM objects WHERE id = ?", (identifier,))

    def position(self, identifier: str) -> int | None:
        """A document's place in the order of creation."""
        row = self.connection.execute(
            "SELECT seq FROM objects WHERE id = ?", (identifier,)
        ).fetchone()
        return None if row is None else int(row[0])

    def find(
        self,
        kind: str,
        conditions: Sequence[Filter] = (),
        *,
        limit: int = -1,
        before: int | None = None,
        after: int | None = None,
        oldest_first: bool = False,
    ) -> list[JSON]:
        """Documents of a kind, newest first; `before` and `after` are positions, exclusive."""
        clauses: list[str] = ["kind = ?"]
        values: list[Any] = [kind]
        for condition in conditions:
            clause, more = condition.sql()
            clauses.append(clause)
            values.extend(more)
        if before is not None:
            clauses.append("seq < ?")
            values.append(before)
        if after is not None:
            clauses.append("seq > ?")
            values.append(after)
        direction = "ASC" if oldest_first else "DESC"
        rows = self.connection.execute(
            f"SELECT body FROM objects WHERE {' AND '.join(clauses)} ORDER BY seq {direction} LIMIT ?",  # noqa: S608 - the clauses are literals of this package, the values are bound
            (*values, limit),
        )
        return [json.loads(row[0]) for row in rows]

    def setting(self, key: str) -> str | None:
        """A value of the simulator's own."""
        row = self.connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_setting(self, key: str, value: str) -> None:
        """Keep a value of the simulator's own."""
        self.connection.execute(
            "INSERT INTO settings (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def schedule(self, at: int, action: str, subject: str, clock: str | None = None) -> None:
        """Put something on the agenda, of a test clock or, with None, of the world."""
        self.connection.execute(
            "INSERT INTO agenda (at, action, subject, clock) VALUES (?, ?, ?, ?)",
            (at, action, subject, clock),
        )

    def unschedule(self, subject: str, action: str | None = None) -> None:
        """Take a subject's entries (or those of one action) off the agenda."""
        self.connection.execute(
            "DELETE FROM agenda WHERE subject = ? AND (action = ? OR ? IS NULL)",
            (subject, action, action),
        )

    def is_scheduled(self, at: int, action: str, subject: str) -> bool:
        """Whether the world's agenda has this entry."""
        found = self.connection.execute(
            "SELECT 1 FROM agenda WHERE subject = ? AND action = ? AND at = ? AND clock IS NULL",
            (subject, action, at),
        )
        return found.fetchone() is not None

    def agenda(self) -> list[Due]:
        """All that is on the world's agenda, the earliest first."""
        rows = self.connection.execute(
            "SELECT at, action, subject FROM agenda WHERE clock IS NULL ORDER BY at, seq"
        )
        return [Due(*row) for row in rows]

    def has_due(self, until: int) -> bool:
        """Whether anything on the world's agenda is due by `until`."""
        found = self.connection.execute(
            "SELECT 1 FROM agenda WHERE clock IS NULL AND at <= ? LIMIT 1", (until,)
        )
        return found.fetchone() is not None

    def due_clocks(self) -> list[tuple[str, int]]:
        """The test clocks whose agenda holds something that is due, with the time they show."""
        return self.connection.execute(
            "SELECT DISTINCT clock, json_extract(body, '$.frozen_time') FROM agenda"
            " JOIN objects ON id = clock"
            " WHERE clock IS NOT NULL AND at <= json_extract(body, '$.frozen_time')"
        ).fetchall()

    def take_due(self, until: int, clock: str | None = None) -> Due | None:
        """Take the earliest entry that is due by `until` off an agenda (see `schedule`)."""
        row = self.connection.execute(
            "SELECT seq, at, action, subject FROM agenda WHERE clock IS ? AND at <= ?"
            " ORDER BY at, seq LIMIT 1",
            (clock, until),
        ).fetchone()
        if row is None:
            return None
        self.connection.execute("DELETE FROM agenda WHERE seq = ?", (row[0],))
        return Due(at=row[1], action=row[2], subject=row[3])
