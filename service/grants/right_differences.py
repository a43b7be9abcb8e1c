"""What a list of rights changes, or would: each right as it was and becomes, and whose it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from service.grants.csv_file import Differences

MOST_DETAILED = 100
"""Rights of each kind that are looked at one by one: a list may change all of a source's."""


@dataclass(frozen=True)
class RightState:
    """A right at one time. `reader_id` None: nobody's yet; `email` is the reader's."""

    plan: str
    starts_at: datetime
    ends_at: datetime | None
    reader_id: str | None
    email: str | None = None


@dataclass(frozen=True)
class RightChange:
    """`before` None: it begins; `after` None: it ends now."""

    reference: str
    outcome: Literal["created", "changed", "ended"]
    before: RightState | None
    after: RightState | None


@dataclass
class RightDifferences(Differences):
    """With the first MOST_DETAILED of each kind one by one."""

    details: list[RightChange] = field(default_factory=list)


def words_of(details: Iterable[RightChange], zone: ZoneInfo) -> Mapping[str, str]:
    """What each changes, by its reference; days are those of the zone."""
    return {each.reference: _words(each, zone) for each in details}


def _words(change: RightChange, zone: ZoneInfo) -> str:
    was, becomes = change.before, change.after
    if was is None or becomes is None:
        state = becomes or was
        if state is None:
            return ""
        return f"{state.plan}, {_end(state, zone)}, {_whose(state)}"
    said = (
        ("plan", was.plan, becomes.plan),
        ("start", _day(was.starts_at, zone), _day(becomes.starts_at, zone)),
        ("end", _end(was, zone), _end(becomes, zone)),
    )
    changes = [f"{name} {before} → {after}" for name, before, after in said if before != after]
    if was.reader_id != becomes.reader_id:
        changes.append(f"{_whose(was)} → {_whose(becomes)}")
        return ", ".join(changes)
    return ", ".join([*(changes or ["address, number, name or postcode"]), _whose(becomes)])


def _end(state: RightState, zone: ZoneInfo) -> str:
    """The last day, where it ends with one, as lists have it."""
    if state.ends_at is None:
        return "no end"
    local = state.ends_at.astimezone(zone)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"until {local.date() - timedelta(days=1)}"
    return f"until {local:%Y-%m-%d %H:%M}"


def _day(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _whose(state: RightState) -> str:
    return state.email or state.reader_id or "nobody’s yet"
