"""Two people who change one thing at once: the second is told what the first has changed.

What somebody has seen of a thing is a stamp: a short hash of each of its facts. A page's form carries it as a hidden
field, with the time at which it was seen; the API as the ETag that goes into `If-Match`.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import ApiKey, AuditEntry, Operator
from service.problems import Problem

Facts = Mapping[str, Any]
NOTHING = "none"
"""The stamp of what isn't stored."""
_DIGITS = 12
_SEEN_AT = re.compile(r"(?P<stamp>[^@]*)@(?P<milliseconds>\d{1,13})")

IfMatch = Annotated[
    str | None,
    Header(max_length=8000, description="The ETag last seen, or `*` for whatever is stored."),
]


def stamp_of(facts: Facts | None) -> str:
    """What is seen of a thing with these facts; None: it isn't stored."""
    if facts is None:
        return NOTHING
    return ".".join(f"{name}-{_digest(facts[name])}" for name in sorted(facts))


def stamp_at(facts: Facts | None, now: datetime) -> str:
    """As `stamp_of`, with the business time at which it was seen."""
    return seen_at(stamp_of(facts), now)


def seen_at(stamp: str, now: datetime) -> str:
    """A stamp with the business time at which it was seen."""
    return f"{stamp}@{int(now.timestamp() * 1000)}"


def etag_of(facts: Facts) -> str:
    """The stamp as a header has it."""
    return f'"{stamp_of(facts)}"'


async def check_unchanged(
    session: AsyncSession,
    facts: Facts | None,
    seen: str | None,
    *,
    actions: Collection[str],
    target: str,
    since: datetime | None = None,
) -> None:
    """Raise Problem `changed-meanwhile` where the thing isn't as it was `seen`: with what is otherwise, and by whom.

    `seen` may be of more things than this one, and several tags as `If-Match` has them; None: it doesn't matter.
    `actions` are those of the audit log that change these facts of the `target`; an entry before `since` doesn't say
    who made them what they are now. Call it while nobody else can change the thing.
    """
    if seen is None:
        return
    seen, at_sight = read_seen(seen)
    tags = [each.strip().removeprefix('"').removesuffix('"') for each in seen.split(",")]
    if any(_says(tag, facts) for tag in tags):
        return
    changed = _changed(tags[0], facts)
    is_new = tags[0] == NOTHING  # then it was stored by somebody, however long ago
    starts = [each for each in (since, None if is_new else at_sight) if each is not None]
    actor, at = await last_change(session, actions, target, since=max(starts, default=None))
    raise Problem(
        "changed-meanwhile",
        _detail(changed, facts, is_new=is_new),
        changed=changed,
        now={name: facts[name] for name in changed} if facts is not None else None,
        by=actor,
        at=at,
        taken_for_new=is_new,
    )


def read_seen(seen: str) -> tuple[str, datetime | None]:
    """The stamp without its time, and the time."""
    found = _SEEN_AT.fullmatch(seen)
    if found is None:
        return seen, None
    return found["stamp"], datetime.fromtimestamp(int(found["milliseconds"]) / 1000, UTC)


def _says(tag: str, facts: Facts | None) -> bool:
    if facts is None:
        return tag == NOTHING
    return tag == "*" or (tag != NOTHING and not _changed(tag, facts))


def _changed(tag: str, facts: Facts | None) -> list[str]:
    seen = dict(each.rpartition("-")[::2] for each in tag.split("."))
    return [name for name, fact in (facts or {}).items() if seen.get(name) != _digest(fact)]


def _digest(fact: object) -> str:
    text = json.dumps(fact, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:_DIGITS]


def _detail(changed: list[str], facts: Facts | None, *, is_new: bool) -> str:
    if facts is None:
        return "It is no longer stored. Read the list again."
    if is_new:
        return "It is stored already. Read it, and repeat with its ETag to replace it."
    return f"Otherwise now: {', '.join(changed)}. Read it again, and repeat with its new ETag."


async def last_change(
    session: AsyncSession, actions: Collection[str], target: str, *, since: datetime | None = None
) -> tuple[str | None, str | None]:
    """By whom, as people call them, and when, by the audit log; None where it doesn't say.

    Not each change is in it: readers change their own address, lists are recorded as a whole.
    """
    entries = select(AuditEntry).where(AuditEntry.target == target, AuditEntry.action.in_(actions))
    if since is not None:
        entries = entries.where(AuditEntry.at >= since)
    latest = await session.scalar(entries.order_by(AuditEntry.id.desc()).limit(1))
    if latest is None:
        return None, None
    return await _called(session, latest.actor), latest.at.isoformat()


@dataclass(frozen=True)
class Changed:
    """Who changed some things last and when, by the audit log, and all that were changed; None: it doesn't say."""

    by: str | None = None
    at: datetime | None = None
    targets: tuple[str, ...] = ()


async def changed_since(
    session: AsyncSession, entries: ColumnElement[bool], since: datetime | None
) -> Changed:
    """What these entries of the audit log say of the time from `since` on; None: nothing."""
    if since is None:
        return Changed()
    found = await session.scalars(
        select(AuditEntry).where(entries, AuditEntry.at >= since).order_by(AuditEntry.id)
    )
    rows = list(found)
    if not rows:
        return Changed()
    targets = tuple(dict.fromkeys(row.target for row in rows if row.target))
    return Changed(await _called(session, rows[-1].actor), rows[-1].at, targets)


async def _called(session: AsyncSession, actor: str) -> str:
    id_ = actor.partition(":")[2]
    name = await session.scalar(select(Operator.email).where(Operator.id == id_))
    name = name or await session.scalar(select(ApiKey.label).where(ApiKey.prefix == id_))
    return name or actor
