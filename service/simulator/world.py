"""The simulated world: its time, its documents, what is due, and the events it emits."""

import secrets
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args

from service.simulator.periods import DAY, HOUR
from service.simulator.protocol.errors import StripeError, missing_resource
from service.simulator.protocol.expand import public
from service.simulator.store import JSON, Condition, Store

API_VERSION = "2026-10-28.endive"
EVENT_RETENTION = 30 * DAY

_ALPHABET = (string.ascii_letters + string.digits).encode()
_LETTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
"""For each byte a letter or digit: as good as equally likely where nobody guesses."""
_OFFSET = "offset"
_DUNNING_END = "dunning_end"

_DEBIT_STARTS = "debit_starts"

DunningEnd = Literal["cancel", "mark_unpaid", "leave_past_due"]
DebitStart = Literal["incomplete", "active"]


@dataclass(frozen=True)
class Rules:
    """What a Stripe account's billing settings say. Times are seconds.

    The defaults are Stripe's own: eight charges within two weeks, then the subscription ends.
    `debit_starts` is a subscription's status while its first bank debit is under way.
    """

    finalise_after: int = HOUR
    dunning_interval: int = 2 * DAY
    dunning_attempts: int = 8
    dunning_end: DunningEnd = "cancel"
    debit_starts: DebitStart = "incomplete"
    trial_notice: int = 3 * DAY
    upcoming_notice: int = 7 * DAY
    incomplete_expires: int = 23 * HOUR


@dataclass(frozen=True)
class Cause:
    """The API request that an event comes from; both None where time alone caused it."""

    request_id: str | None = None
    idempotency_key: str | None = None


class World:
    """Everything that happens happens inside `transaction()`, in one instant of world time."""

    def __init__(
        self, store: Store, wall_now: Callable[[], datetime], rules: Rules, public_url: str
    ) -> None:
        """`wall_now` gives aware UTC times; hosted pages lie below `public_url`."""
        self.store = store
        self.rules = rules
        self.public_url = public_url.rstrip("/")
        self.handlers: dict[str, Callable[[World, str], None]] = {}
        self.on_commit: Callable[[], None] = lambda: None
        self.on_queued: Callable[[int], None] = lambda _: None
        self._wall_now = wall_now
        self._lock = threading.RLock()
        self._depth = 0
        self._instant: int | None = None
        self._clock: str | None = None
        self._frozen: int | None = None
        self._cause = Cause()
        # Whole seconds: a fraction could make world time a second early after a jump.
        self._offset = int(float(store.setting(_OFFSET) or 0))
        kept = store.setting(_DUNNING_END)
        for end in get_args(DunningEnd):
            if end == kept:
                self.rules = replace(rules, dunning_end=end)
        kept = store.setting(_DEBIT_STARTS)
        for start in get_args(DebitStart):
            if start == kept:
                self.rules = replace(self.rules, debit_starts=start)

    def set_dunning_end(self, end: DunningEnd) -> None:
        """Change what ends dunning, from now on and over restarts."""
        self.rules = replace(self.rules, dunning_end=end)
        self.store.set_setting(_DUNNING_END, end)

    def set_debit_start(self, status: DebitStart) -> None:
        """Change what a subscription is while its first debit is under way, over restarts too."""
        self.rules = replace(self.rules, debit_starts=status)
        self.store.set_setting(_DEBIT_STARTS, status)

    # Time

    def wall(self) -> float:
        """Wall time in Unix seconds: for signatures and deliveries only."""
        return self._wall_now().timestamp()

    @property
    def now(self) -> int:
        """Unix seconds: the test clock's time within `under_clock`, else `own_now`."""
        return self.own_now if self._frozen is None else self._frozen

    @property
    def own_now(self) -> int:
        """World time in Unix seconds, whatever test clocks show; it rests within a transaction."""
        if self._instant is not None:
            return self._instant
        return int(self.wall()) + self._offset

    @property
    def clock(self) -> str | None:
        """The id of the test clock that rules here; None where the world's time does."""
        return self._clock

    def clock_of(self, document: JSON) -> str | None:
        """The test clock that a document follows: its own, or its customer's."""
        customer = document.get("customer")
        holder = document
        if "test_clock" not in document and isinstance(customer, str):
            holder = self.store.get(customer) or {}
        found: str | None = holder.get("test_clock")
        if found is not None and self.fetch("test_helpers.test_clock", found).get("deleted"):
            return None
        return found

    @contextmanager
    def under_clock(self, identifier: str | None) -> Iterator[None]:
        """Within a transaction, have a test clock rule; with None the one that rules already does."""
        if identifier is None:
            yield
            return
        frozen = self.fetch("test_helpers.test_clock", identifier, param="test_clock")
        if frozen.get("deleted"):
            raise missing_resource("test clock", identifier, "test_clock")
        resting = self._clock, self._frozen
        self._clock, self._frozen = identifier, frozen["frozen_time"]
        try:
            yield
        finally:
            self._clock, self._frozen = resting

    def advance_to(self, to: datetime) -> int:
        """Move the world forwards to `to`, doing everything that is due on the way in its order.

        Returns:
            The new world time.

        Raises:
            StripeError: 400, `to` lies in the past of the world.
        """
        target = int(to.timestamp())
        with self._lock:
            with self.transaction():
                offset = self._move(target)
            self._offset = offset  # not before it is kept: else a failed jump would count
        return target

    def _move(self, target: int) -> int:
        if target < self.now:
            there = datetime.fromtimestamp(self.now, UTC).isoformat()
            raise StripeError(
                400, f"The clock only moves forwards, and it is already {there}.", param="to"
            )
        self._run_due(target)
        self._instant = target
        offset = target - int(self.wall())
        self.store.set_setting(_OFFSET, str(offset))
        return offset

    def catch_up(self) -> None:
        """Do what has become due because wall time passed; nothing at all where nothing is."""
        if self.store.has_due(self.now):
            with self.transaction():
                self._run_due(self.now)
        for clock, shown in self.store.due_clocks():
            with self.transaction():
                self.run_clock(clock, shown)

    def _run_due(self, until: int) -> None:
        resting, cause = self._instant, self._cause
        self._cause = Cause()
        while (due := self.store.take_due(until)) is not None:
            self._instant = due.at
            self.handlers[due.action](self, due.subject)
        self._instant, self._cause = resting, cause

    def run_clock(self, identifier: str, until: int) -> None:
        """Do what a test clock's customers have due by `until`; the world's time rests."""
        cause, self._cause = self._cause, Cause()
        with self.under_clock(identifier):
            while (due := self.store.take_due(until, identifier)) is not None:
                self._frozen = due.at
                self.handlers[due.action](self, due.subject)
        self._cause = cause

    @contextmanager
    def transaction(
        self, cause: Cause | None = None, *, about: JSON | None = None
    ) -> Iterator[None]:
        """One instant, committed at the end, rolled back on an exception. May be nested.

        It is the instant of the test clock that `about` follows, else the world's.
        """
        with self._transaction(cause), self.under_clock(self.clock_of(about) if about else None):
            yield

    @contextmanager
    def _transaction(self, cause: Cause | None) -> Iterator[None]:
        with self._lock:
            if self._depth:
                yield
                return
            self._instant = self.now
            self._depth, self._cause = 1, cause or Cause()
            connection = self.store.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has let SQLite roll back already
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._depth, self._instant, self._cause = 0, None, Cause()
                self._clock = self._frozen = None
        self.on_commit()

    # Documents

    def new_id(self, prefix: str, length: int = 24) -> str:
        """An id in Stripe's form: `prefix_` and random letters and digits."""
        return f"{prefix}_{secrets.token_bytes(length).translate(_LETTERS).decode()}"

    def fetch(self, kind: str, identifier: str, *, param: str = "id") -> JSON:
        """The document, a deleted one included.

        Raises:
            StripeError: resource_missing.
        """
        document = self.store.get(identifier, kind)
        if document is None:
            raise missing_resource(kind.rpartition(".")[2].replace("_", " "), identifier, param)
        return document

    def create(self, document: JSON, event: str | None = None) -> JSON:
        """Keep a new document and say so."""
        self.store.put(document)
        if event:
            self.emit(event, document)
        return document

    def update(self, document: JSON, changes: JSON, event: str | None = None) -> None:
        """Change a document in place, keep it, and emit `event` with the previous values."""
        previous = {
            key: public(self.store, document.get(key))
            for key, value in changes.items()
            if key != "_sim" and document.get(key) != value
        }
        document.update(changes)
        self.store.put(document)
        if event and previous:
            self.emit(event, document, previous)

    # The agenda

    def schedule(self, at: int, action: str, subject: str) -> None:
        """Have the handler of `action` called with `subject` at a time of the ruling clock."""
        self.store.schedule(max(at, self.now), action, subject, self._clock)

    # Events

    def emit(self, kind: str, document: JSON, previous: JSON | None = None) -> None:
        """Record an event and a delivery for each endpoint that wants it."""
        data: JSON = {"object": public(self.store, document)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": self.new_id("evt", 24),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.own_now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {
                "id": self._cause.request_id,
                "idempotency_key": self._cause.idempotency_key,
            },
            "type": kind,
        }
        self.store.put(event)
        for endpoint in self.store.find(
            "webhook_endpoint", [Condition("status", "=", "enabled")], oldest_first=True
        ):
            if not {"*", kind}.isdisjoint(endpoint["enabled_events"]):
                queued = self.store.connection.execute(
                    "INSERT INTO deliveries (event, endpoint, due) VALUES (?, ?, ?)",
                    (event["id"], endpoint["id"], self.wall()),
                )
                self.on_queued(queued.lastrowid or 0)
