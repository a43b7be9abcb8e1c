"""Random histories of movements, and their figures in plain Python, written without the queries."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from service.db.tables import MovementRow

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 100
"""From a midnight of UTC, over two changes of clocks."""
PER_MONTH = {
    "day": Fraction(365, 12), "week": Fraction(52, 12), "month": Fraction(1), "year": Fraction(1, 12),
}  # fmt: skip
_IN, _OUT = (
    ("new", "reactivation", "resume", "expansion"),
    ("churn_voluntary", "churn_involuntary", "pause", "contraction"),
)
State = dict[str, Any] | None
NOTHING: dict[str, Any] = {
    "plan": None, "interval": None, "interval_count": None, "listed": 0, "recurring": 0, "net": 0,
}  # fmt: skip

states = st.fixed_dictionaries(
    {
        "plan": st.sampled_from(["digital", "weekend"]),
        "interval": st.sampled_from(sorted(PER_MONTH)),
        "interval_count": st.sampled_from([1, 3]),
        "listed": st.integers(500, 2000),
        "recurring": st.integers(1, 2000),
        "net": st.integers(0, 2000),
    }
)


@st.composite
def chains(draw: st.DrawFn, number: int) -> list[MovementRow]:
    """The movements of one subscription: a chain, its moments often those of others."""
    customer = f"ctm_{draw(st.integers(1, 3))}"
    currency = draw(st.sampled_from(["EUR", "CHF"]))
    days = st.sampled_from([20, 40, 60, 61, 80, 86, 87, 88])
    moments = sorted(
        draw(
            st.lists(
                days.map(lambda day: day * 24) | st.integers(0, DAYS * 24), min_size=1, max_size=6
            )
        )
    )
    was: State = None
    found: list[MovementRow] = []
    for place, moment in enumerate(moments, start=1):
        now: State = draw(states) if was is None else draw(st.none() | states)
        if was is None:
            kind = draw(st.sampled_from(_IN))
        else:
            kind = draw(st.sampled_from(_OUT if now is None else ("expansion", "contraction")))
        sides = {f"from_{name}": value for name, value in (was or NOTHING).items()}
        sides |= {f"to_{name}": value for name, value in (now or NOTHING).items()}
        found.append(
            MovementRow(
                subscription_id=f"sub_{number}", number=place, customer=customer,
                at=BEGIN + timedelta(hours=moment), kind=kind,
                cause=draw(st.sampled_from(["voluntary", "payment_failed", "refund"])),
                currency=currency, discounts=[], **sides,
            )
        )  # fmt: skip
        was = now
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[MovementRow]:
    count = draw(st.integers(3, 9))
    return [row for number in range(count) for row in draw(chains(number))]


@dataclass
class Ledger:
    """What happened in each step, and before; by series, split and currency."""

    opening: dict[tuple[str, str, str], Fraction] = field(default_factory=dict)
    steps: list[dict[tuple[str, str, str], Fraction]] = field(default_factory=list)

    def add(self, step: int, key: tuple[str, str, str], amount: Fraction | int) -> None:
        into = self.opening if step < 0 else self.steps[step]
        into[key] = into.get(key, Fraction(0)) + amount


def first_of_step(day: date, interval: str) -> date:
    """Independent of the service's: the step that a day belongs to, by its first day."""
    if interval == "week":
        return day - timedelta(days=day.isoweekday() - 1)
    return {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[interval]


@dataclass(frozen=True)
class Oracle:
    """The figures of exported rows, in a period of local days."""

    rows: list[MovementRow]
    first: date
    last: date
    interval: str
    zone: ZoneInfo

    @property
    def starts(self) -> list[date]:
        days = [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]
        return sorted({max(first_of_step(day, self.interval), self.first) for day in days})

    def step(self, at: datetime) -> int | None:
        """None: after the period."""
        day = at.astimezone(self.zone).date()
        if day > self.last:
            return None
        return max((n for n, start in enumerate(self.starts) if start <= day), default=-1)

    def money(self, split: str, amount: str) -> Ledger:
        found = Ledger(steps=[{} for _ in self.starts])
        for row in self.rows:
            step = self.step(row.at)
            if step is None:
                continue
            for sign, side in ((-1, "from"), (1, "to")):
                monthly = _monthly(row, side, amount)
                if monthly is not None:
                    found.add(
                        step, (row.kind, _split(row, side, split), row.currency), sign * monthly
                    )
        return found

    def readers(self, split: str) -> Ledger:
        """Plays all instants in their order, and looks who became active or ceased to be it."""
        found = Ledger(steps=[{} for _ in self.starts])
        live: dict[tuple[str, str], set[str]] = {}
        for at in sorted({row.at for row in self.rows}):
            step = self.step(at)
            if step is None:
                break
            theirs = sorted((r for r in self.rows if r.at == at), key=lambda r: r.number)
            before = {key for key, subscriptions in live.items() if subscriptions}
            touched: dict[tuple[str, str], set[str]] = {}
            for row in theirs:
                for side in ("from", "to"):
                    if getattr(row, f"{side}_plan") is None:
                        continue
                    key = (row.customer, _split(row, side, split))
                    touched.setdefault(key, set()).add(row.kind)
                    holding = live.setdefault(key, set())
                    (holding.discard if side == "from" else holding.add)(row.subscription_id)
            after = {key for key, subscriptions in live.items() if subscriptions}
            for key in after - before:
                found.add(step, (_way(touched[key], joined=True), key[1], ""), 1)
            for key in before - after:
                found.add(step, (_way(touched[key], joined=False), key[1], ""), -1)
        return found


@dataclass(frozen=True)
class Stayed:
    """A time of a reader's as an active subscriber; `way` and `cause` are of its end."""

    customer: str
    since: datetime
    until: datetime | None
    way: str = ""
    cause: str = ""


def stays(rows: list[MovementRow]) -> list[Stayed]:
    """Of all readers, whatever they paid for."""
    found: list[Stayed] = []
    for customer in sorted({row.customer for row in rows}):
        theirs = [row for row in rows if row.customer == customer]
        live: set[str] = set()
        since: datetime | None = None
        for at in sorted({row.at for row in theirs}):
            now = sorted((row for row in theirs if row.at == at), key=lambda row: row.number)
            for row in now:
                (live.discard if row.to_plan is None else live.add)(row.subscription_id)
            if live and since is None:
                since = at
            elif not live and since is not None:
                kinds = {row.kind for row in now if row.from_plan or row.to_plan}
                cause = min(row.cause for row in now if row.from_plan)
                found.append(Stayed(customer, since, at, _way(kinds, joined=False), cause))
                since = None
        if since is not None:
            found.append(Stayed(customer, since, None))
    return found


def _monthly(row: MovementRow, side: str, amount: str) -> Fraction | None:
    interval = getattr(row, f"{side}_interval")
    if interval is None:
        return None
    return (
        Fraction(getattr(row, f"{side}_{amount}"), getattr(row, f"{side}_interval_count"))
        * PER_MONTH[interval]
    )


def _split(row: MovementRow, side: str, split: str) -> str:
    if split == "currency":
        return row.currency
    names = {"plan": "plan", "interval_charged": "interval"}
    return str(getattr(row, f"{side}_{names[split]}")) if split else ""


def _way(kinds: set[str], *, joined: bool) -> str:
    ways = (
        [("new", "new"), ("reactivation", "reactivated"), ("resume", "resumed")]
        if joined
        else [
            ("churn_involuntary", "involuntary"),
            ("churn_voluntary", "voluntary"),
            ("pause", "paused"),
        ]
    )
    otherwise = "changed_in" if joined else "changed_out"
    return next((way for kind, way in ways if kind in kinds), otherwise)
