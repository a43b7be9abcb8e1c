"""Random reads and walls, and their figures in plain Python, written without the queries."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from service.db.tables import AccessEntry

BEGIN = datetime(2026, 3, 20, tzinfo=UTC)
DAYS = 24
LATER = BEGIN + timedelta(days=200)
DEVICES, READERS = ("d1", "d2", "d3", "d4"), ("rdr_1", "rdr_2")
LINKED = {"d1": "rdr_1", "d2": "rdr_1", "d3": "rdr_2"}
"""Devices, of which each belongs to a reader; d4 is nobody's."""
CAME_BY = {"reader:rdr_1": "letter", "device:d1": "search.example", "device:d3": "search.example"}
"""The first source of these holders."""
_ids = count()


@st.composite
def entries(draw: st.DrawFn) -> AccessEntry:
    at = BEGIN + timedelta(minutes=draw(st.integers(0, DAYS * 24 * 60)))
    wall = draw(st.sampled_from([None, None, "subscribe", "register"]))
    reason = {
        None: draw(st.sampled_from(["meter", "free", "subscription"])),
        "subscribe": "meter_exhausted", "register": "registered_only",
    }[wall]  # fmt: skip
    return AccessEntry(
        day=at.date(),  # the writer's zone is set by `in_zone`
        holder=draw(
            st.sampled_from([f"device:{each}" for each in DEVICES] + [f"reader:{each}" for each in READERS])
        ),
        id=f"{next(_ids):08}", at=at, article_id=draw(st.sampled_from(["art_1", "art_2"])),
        granted=wall is None, consumed=reason == "meter", reason=reason, wall=wall, once=False,
    )  # fmt: skip


ledgers = st.lists(entries(), min_size=20, max_size=120)


@dataclass(frozen=True)
class LedgerOracle:
    """The figures of exported rows in steps of `length` days. `paid` and `verified` by reader."""

    rows: list[AccessEntry]
    first: date
    last: date
    length: int
    zone: ZoneInfo
    paid: dict[str, datetime]
    verified: dict[str, datetime]
    clicked: dict[str, datetime] = field(default_factory=dict)
    """When each reader began a checkout, and each device of nobody."""
    now: datetime = LATER
    asks: Sequence[tuple[str, datetime]] = ()
    """Who asked for a sign-in mail, and when."""

    def step(self, row: AccessEntry) -> int | None:
        day = row.at.astimezone(self.zone).date()
        if not self.first <= day <= self.last:
            return None
        return (day - self.first).days // self.length

    def places(self) -> Iterator[tuple[int | None, list[AccessEntry]]]:
        """Each step's rows, then all rows of the period."""
        steps = -(-((self.last - self.first).days + 1) // self.length)
        inside = [row for row in self.rows if self.step(row) is not None]
        for number in range(steps):
            yield number, [row for row in inside if self.step(row) == number]
        yield None, inside

    def places_over(self, days: int) -> Iterator[list[AccessEntry] | None]:
        """The same for a figure that looks `days` ahead: None for a step with a day that isn't so long
        over, and of the period the rows of the days that are.
        """
        for number, rows in self.places():
            first = self.first + timedelta(days=(number or 0) * self.length)
            last = min(first + timedelta(days=self.length - 1), self.last)
            if number is not None:
                yield rows if self._is_over(last, days) else None
                continue
            had = [row for row in rows if self._is_over(row.day, days)]
            yield had if self._is_over(self.first, days) else None

    def _is_over(self, day: date, days: int) -> bool:
        midnight = datetime.combine(day + timedelta(days=1), time(), self.zone)
        return midnight.astimezone(UTC) <= self.now - timedelta(days=days)

    def stop_rate(self) -> Iterator[tuple[int, int, int, int]]:
        """Holders with any wall, one to subscribe, one to register; and all holders."""
        for _, rows in self.places():
            met: dict[str, set[str]] = {"subscribe": set(), "register": set()}
            everybody: set[str] = set()
            for row in rows:
                whose = joined(row.holder)
                everybody.add(whose)
                if row.wall:
                    met[row.wall].add(whose)
            subscribe, register = met["subscribe"], met["register"]
            yield len(subscribe | register), len(subscribe), len(register), len(everybody)

    def depth(self) -> Iterator[dict[int, int]]:
        for _, rows in self.places():
            used: defaultdict[str, int] = defaultdict(int)
            for row in rows:
                used[joined(row.holder)] += row.consumed
            found: defaultdict[int, int] = defaultdict(int)
            for number in used.values():
                found[number] += 1
            yield dict(found)

    def mix(self) -> Iterator[dict[str, int]]:
        for _, rows in self.places():
            found: defaultdict[str, int] = defaultdict(int)
            for row in rows:
                if row.granted:
                    found[row.reason] += 1
            yield dict(found)

    def after(
        self, wall: str, events: dict[str, datetime], days: int
    ) -> Iterator[tuple[int, int] | tuple[None, None]]:
        """Of the holders who met the wall: with the event within `days` of the first; and all."""
        return self.after_any(wall, [(f"reader:{each}", at) for each, at in events.items()], days)

    def after_any(
        self, wall: str, events: Sequence[tuple[str, datetime]], days: int
    ) -> Iterator[tuple[int, int] | tuple[None, None]]:
        """The same of events by holder, of which one may have several."""
        for rows in self.places_over(days):
            if rows is None:
                yield None, None
                continue
            first: dict[str, datetime] = {}
            for row in rows:
                if row.wall == wall:
                    whose = joined(row.holder)
                    first[whose] = min(first.get(whose, row.at), row.at)
            led = 0
            for whose, at in first.items():
                until = at + timedelta(days=days)
                led += any(joined(each) == whose and at <= then <= until for each, then in events)
            yield led, len(first)

    def left(self) -> Iterator[tuple[int, int, int] | tuple[None, None, None]]:
        """Of the holders who met a wall to subscribe and didn't pay within 30 days: who began a checkout
        after the first one in these days, and who didn't; and all.
        """
        month = timedelta(days=30)
        for rows in self.places_over(30):
            if rows is None:
                yield None, None, None
                continue
            first: dict[str, datetime] = {}
            for row in rows:
                if row.wall == "subscribe":
                    whose = joined(row.holder)
                    first[whose] = min(first.get(whose, row.at), row.at)
            at_wall = at_checkout = 0
            for whose, at in first.items():
                paid, clicked = (
                    any(
                        at <= of[name] <= at + month
                        for name in (whose.partition(":")[2],)
                        if name in of
                    )
                    for of in (self.paid, self.clicked)
                )
                at_wall += not paid and not clicked
                at_checkout += not paid and clicked
            yield at_checkout, at_wall, len(first)

    def met(self, wall: str) -> list[int]:
        return [
            len({joined(r.holder) for r in rows if r.wall == wall}) for _, rows in self.places()
        ]

    def on_the_way(
        self, days: int
    ) -> Iterator[tuple[list[timedelta], list[int]] | tuple[None, None]]:
        """Of those who registered within `days` of their first wall to register: how long it took, and
        their reads from that day to that of the registration.
        """
        for rows in self.places_over(days):
            if rows is None:
                yield None, None
                continue
            first: dict[str, datetime] = {}
            for row in rows:
                if row.wall == "register":
                    whose = joined(row.holder)
                    first[whose] = min(first.get(whose, row.at), row.at)
            waits, reads = [], []
            for whose, at in first.items():
                event = self.verified.get(whose.removeprefix("reader:"))
                if event is None or not at <= event <= at + timedelta(days=days):
                    continue
                begun, over = (each.astimezone(self.zone).date() for each in (at, event))
                waits.append(event - at)
                reads.append(
                    sum(
                        row.granted and joined(row.holder) == whose and begun <= row.day <= over
                        for row in self.rows
                    )
                )
            yield waits, reads

    def of_article(self, article: str) -> "LedgerOracle":
        """The same of its rows alone."""
        return replace(self, rows=[row for row in self.rows if row.article_id == article])

    def of_source(self, wanted: str) -> "LedgerOracle":
        """The same of those alone whom this source led here first."""
        return replace(self, rows=[row for row in self.rows if source_of(row.holder) == wanted])


def source_of(holder: str) -> str:
    """What led the reader here that a device belongs to, else the device."""
    return CAME_BY.get(joined(holder)) or CAME_BY.get(holder) or "direct or unknown"


def joined(holder: str) -> str:
    reader = LINKED.get(holder.removeprefix("device:")) if holder.startswith("device:") else None
    return f"reader:{reader}" if reader else holder


def in_zone(rows: list[AccessEntry], zone: ZoneInfo) -> list[AccessEntry]:
    """The rows with the days of a publication in the zone."""
    for row in rows:
        row.day = row.at.astimezone(zone).date()
    return rows
