"""A source's whole list as CSV: read, compared with what is there, and stored altogether or not at all."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Right
from service.grants.matching import plain
from service.grants.rights import Rights, SentRight, known_readers, match_key, take_source
from service.identity.audit import record
from service.identity.email import email_key
from service.texts import is_slug, storable

COLUMNS = (
    "reference", "plan", "starts_at", "ends_at", "email", "account_number", "name", "postcode"
)  # fmt: skip
MUST_HAVE = ("reference", "plan")
MOST_ENDED_PERCENT = 10
LONGEST = 200
"""Characters of one value."""
_ADVICE = f"The first line names the columns: {', '.join(COLUMNS)}. {' and '.join(MUST_HAVE)} must be there."


class ListRefused(Exception):
    """Nothing was changed. `problems` are sentences, each about a line where it has one."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass
class Differences:
    """References by what happened to them, or would; `unchanged` is their number."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    unchanged: int = 0


def read_list(data: bytes, zone: ZoneInfo) -> list[SentRight]:
    """The rows of a file: UTF-8, comma or semicolon. Days are those of the zone, the last one included.

    Raises ListRefused with every bad line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ListRefused([f"Line {line} isn't UTF-8. Save the file as CSV UTF-8."]) from error
    if "\0" in text:
        raise ListRefused(["The file isn't text. Save it as CSV UTF-8."])
    header = text.partition("\n")[0]
    reader = csv.reader(StringIO(text), delimiter=";" if ";" in header else ",", strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise ListRefused([f"Line {reader.line_num}: {error}."]) from error
    if not lines:
        raise ListRefused([f"The file is empty. {_ADVICE}"])
    return _rows([each.strip().lower() for each in lines[0][1]], lines[1:], zone)


def _rows(
    names: list[str], lines: Iterable[tuple[int, list[str]]], zone: ZoneInfo
) -> list[SentRight]:
    unknown = [each for each in names if each not in COLUMNS]
    missing = [each for each in MUST_HAVE if each not in names]
    if unknown or missing or len(set(names)) != len(names):
        told = f"unknown: {', '.join(unknown)}; " if unknown else ""
        told += f"missing: {', '.join(missing)}; " if missing else ""
        raise ListRefused(
            [
                f"The columns aren't those of a list ({told or 'one is there twice; '}see below). {_ADVICE}"
            ]
        )
    found, problems = [], []
    seen: dict[str, int] = {}
    accounts: dict[str, int] = {}
    for number, line in lines:
        if not any(each.strip() for each in line):
            continue
        try:
            right = _right(_named(names, line), zone)
            _once("reference", right.reference, seen, number)
            _once("account number", plain(right.account_number), accounts, number)
            found.append(right)
        except ValueError as error:
            problems.append(f"Line {number}: {error}.")
    if problems:
        raise ListRefused(problems)
    return found


def _named(names: list[str], line: list[str]) -> dict[str, str]:
    if len(line) != len(names):
        raise ValueError(f"has {len(line)} values instead of {len(names)}")
    return {name: value.strip() for name, value in zip(names, line, strict=True)}


def _once(what: str, value: str, seen: dict[str, int], number: int) -> None:
    if value and seen.setdefault(value, number) != number:
        raise ValueError(f"the {what} of line {seen[value]} once more")


def _right(values: Mapping[str, str], zone: ZoneInfo) -> SentRight:
    for name, value in values.items():
        if len(value) > LONGEST:
            raise ValueError(f"{name} is longer than {LONGEST} characters")
        storable(value)
    if not values["reference"]:
        raise ValueError("reference is empty")
    if not is_slug(values["plan"]):
        raise ValueError(f"plan {values['plan']!r} is no plan, such as digital")
    email = values.get("email", "")
    if email and email_key(email) is None:
        raise ValueError(f"{email} is no e-mail address")
    known_by = (email, values.get("account_number"), values.get("name"))
    if not any(known_by):
        raise ValueError(
            "nobody can be found by it: give email, or account_number or name with postcode"
        )
    if not email and not values.get("postcode"):
        raise ValueError("account_number and name need a postcode")
    starts_at = _instant(values.get("starts_at", ""), zone, ends=False)
    ends_at = _instant(values.get("ends_at", ""), zone, ends=True)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise ValueError("ends_at isn't after starts_at")
    return SentRight(
        values["reference"], values["plan"], starts_at, ends_at, email,
        values.get("account_number", ""), values.get("name", ""), values.get("postcode", ""),
    )  # fmt: skip


def _instant(text: str, zone: ZoneInfo, *, ends: bool) -> datetime | None:
    if not text:
        return None
    try:
        if len(text) == len("2026-12-31"):
            day = date.fromisoformat(text) + timedelta(days=1 if ends else 0)
            return datetime.combine(day, time.min, zone).astimezone(UTC)
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo is not None else read.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text} is no day or time, such as 2026-12-31") from error


class _DryRun(Exception):
    """Everything was done, to be rolled back."""


async def store_list(
    context: Context,
    source: str,
    rows: list[SentRight],
    *,
    actor: str,
    dry_run: bool,
    most_ended_percent: int = MOST_ENDED_PERCENT,
) -> Differences:
    """Make the source's rights those of the list: what it no longer has ends now.

    Raises ListRefused where more than `most_ended_percent` of the rights that run would end: a list that was
    cut off looks like that. `dry_run`: says what would happen, and changes nothing.
    """
    differences = Differences()
    with suppress(_DryRun):
        async with context.database.transaction() as session:
            await _store(session, context, source, rows, differences, most_ended_percent)
            await record(
                session, actor=actor, action="rights.import", target=source,
                after={
                    "created": len(differences.created), "changed": len(differences.changed),
                    "ended": len(differences.ended), "unchanged": differences.unchanged,
                },
                now=context.clocks.business(),
            )  # fmt: skip
            _end(dry_run=dry_run)
    return differences


def _end(*, dry_run: bool) -> None:
    if dry_run:
        raise _DryRun


async def _store(
    session: AsyncSession,
    context: Context,
    source: str,
    rows: list[SentRight],
    differences: Differences,
    most_ended_percent: int,
) -> None:
    await take_source(session, source)
    found = await session.scalars(select(Right).where(Right.source == source))
    known = {row.reference: row for row in found}
    sent = {row.reference for row in rows}
    running = [row for row in known.values() if row.ended_at is None]
    ending = [row for row in running if row.reference not in sent]
    if len(ending) * 100 > len(running) * most_ended_percent:
        told = (
            f"The list lacks {len(ending)} of {len(running)} rights that run, more than "
            f"{most_ended_percent} %. Is it whole? If it is, allow it with a higher percentage."
        )
        raise ListRefused([told])
    key = match_key(context.settings)
    readers = await known_readers(session, rows, key, context.clocks.business())
    rights = Rights(session, key, context.clocks, readers)
    for row in rows:
        outcome = await rights.put(source, row, known.get(row.reference))
        if outcome == "unchanged":
            differences.unchanged += 1
        else:
            (differences.created if outcome == "created" else differences.changed).append(
                row.reference
            )
    for each in ending:
        await rights.end(each)
        differences.ended.append(each.reference)
    await session.flush()


def told(differences: Differences, *, most: int) -> Iterator[str]:
    """A line for each difference, at most `most` of a kind."""
    for mark, references in (
        ("+", differences.created), ("~", differences.changed), ("-", differences.ended)
    ):  # fmt: skip
        yield from (f"{mark} {each}" for each in references[:most])
        if len(references) > most:
            yield f"{mark} … and {len(references) - most} more"
