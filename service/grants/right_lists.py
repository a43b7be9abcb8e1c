"""A source's whole list as CSV: read, compared with what is there, and stored altogether or not at all."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Reader, Right
from service.grants.csv_file import (
    DryRun,
    ListRefused,
    check_columns,
    end_of_run,
    instant,
    lines_of,
    named,
    once,
)
from service.grants.matching import nobody_finds, plain
from service.grants.right_differences import (
    MOST_DETAILED,
    RightChange,
    RightDifferences,
    RightState,
)
from service.grants.right_turns import locked, take_source
from service.grants.rights import (
    Rights,
    SentRight,
    is_over,
    known_readers,
    match_key,
)
from service.identity.audit import record
from service.identity.email import email_key
from service.texts import is_slug, storable

COLUMNS = (
    "reference", "plan", "starts_at", "ends_at", "email", "account_number", "name", "postcode"
)  # fmt: skip
MUST_HAVE = ("reference", "plan")
MOST_ENDED_PERCENT = 10
MAY_ALWAYS_END = 5
"""A list may end this number of rights whatever their share: people leave small sources too."""
LONGEST = 200
"""Characters of one value."""
ADVICE = f"The first line names the columns: {', '.join(COLUMNS)}. {' and '.join(MUST_HAVE)} must be there."


def read_list(data: bytes, zone: ZoneInfo) -> list[SentRight]:
    """The rows of a file: UTF-8, comma or semicolon. Days are those of the zone, the last one included.

    Raises ListRefused with every bad line.
    """
    names, lines = lines_of(data, ADVICE)
    return _rows(names, lines, zone)


def _rows(
    names: list[str], lines: Iterable[tuple[int, list[str]]], zone: ZoneInfo
) -> list[SentRight]:
    check_columns(names, COLUMNS, MUST_HAVE, ADVICE)
    found, problems = [], []
    seen: dict[str, int] = {}
    accounts: dict[str, tuple[int, str]] = {}
    for number, line in lines:
        if not any(each.strip() for each in line):
            continue
        try:
            right = _right(named(names, line), zone)
            once("reference", right.reference, seen, number)
            _check_postcode(right, accounts, number)
            found.append(right)
        except ValueError as error:
            problems.append(f"Line {number}: {error}.")
    if problems:
        raise ListRefused(problems)
    return found


def _check_postcode(right: SentRight, seen: dict[str, tuple[int, str]], number: int) -> None:
    """A household may have several rights by one account number; with another postcode it is a mistake."""
    account, postcode = plain(right.account_number), plain(right.postcode)
    if not account or not postcode:
        return
    line, first = seen.setdefault(account, (number, postcode))
    if postcode != first:
        raise ValueError(f"the account number of line {line} with another postcode")


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
    known_by = {name: values.get(name, "") for name in ("account_number", "name", "postcode")}
    if lacking := nobody_finds(email=email, **known_by):
        raise ValueError(lacking)
    starts_at = instant(values.get("starts_at", ""), zone, ends=False)
    ends_at = instant(values.get("ends_at", ""), zone, ends=True)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise ValueError("ends_at isn't after starts_at")
    return SentRight(values["reference"], values["plan"], starts_at, ends_at, email, **known_by)


async def store_list(
    context: Context,
    source: str,
    rows: list[SentRight],
    *,
    actor: str,
    dry_run: bool,
    most_ended_percent: int = MOST_ENDED_PERCENT,
) -> RightDifferences:
    """Make the source's rights those of the list: what it no longer has ends now.

    Raises ListRefused where more than `most_ended_percent` of the rights that run would end, and more than
    MAY_ALWAYS_END of them: a list that was cut off looks like that. Rights whose end has passed don't run.
    `dry_run`: says what would happen, and changes nothing.
    """
    differences = RightDifferences()
    with suppress(DryRun):
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
            end_of_run(dry_run=dry_run)
    return differences


async def _store(
    session: AsyncSession,
    context: Context,
    source: str,
    rows: list[SentRight],
    differences: RightDifferences,
    most_ended_percent: int,
) -> None:
    await take_source(session, source)
    found = await session.scalars(select(Right).where(Right.source == source))
    known = {row.reference: row for row in found}
    sent = {row.reference for row in rows}
    now = context.clocks.business()
    running = {row.reference for row in known.values() if not is_over(row, now)}
    missing = [row for row in known.values() if row.reference not in sent]
    ending = [row.reference for row in missing if row.reference in running]
    most = max(MAY_ALWAYS_END, len(running) * most_ended_percent // 100)
    if len(ending) > most:
        told = (
            f"The list lacks {len(ending)} of {len(running)} rights that run, more than "
            f"{most_ended_percent} %. Is it whole? If it is, allow it with a higher percentage."
        )
        raise ListRefused([told])
    key = match_key(context.settings)
    readers = await known_readers(session, rows, key, now)
    rights = Rights(session, key, context.clocks, readers)
    both = [(row, known[row.reference]) for row in rows if row.reference in known]
    changing = [row.reference for row, there in both if rights.changes(there, row)]
    changing += [row.reference for row in missing if row.ended_at is None]
    await locked(session, source, changing)
    before = {reference: _state(row) for reference, row in known.items()}
    for row in rows:
        outcome = await rights.put(source, row, known.get(row.reference))
        if outcome == "unchanged":
            differences.unchanged += 1
        else:
            (differences.created if outcome == "created" else differences.changed).append(
                row.reference
            )
    for each in missing:
        await rights.end(each)
    differences.ended += ending
    await session.flush()
    differences.details += await _details(session, source, differences, before)


async def _details(
    session: AsyncSession,
    source: str,
    differences: RightDifferences,
    before: Mapping[str, RightState],
) -> list[RightChange]:
    begun, changed = (each[:MOST_DETAILED] for each in (differences.created, differences.changed))
    rows = await session.scalars(
        select(Right).where(Right.source == source, Right.reference.in_([*begun, *changed]))
    )
    after = {row.reference: _state(row) for row in rows}
    changes = [
        *(RightChange(each, "created", None, after[each]) for each in begun),
        *(RightChange(each, "changed", before[each], after[each]) for each in changed),
        *(
            RightChange(each, "ended", before[each], None)
            for each in differences.ended[:MOST_DETAILED]
        ),
    ]
    states = [state for each in changes for state in (each.before, each.after) if state]
    readers = {state.reader_id for state in states if state.reader_id is not None}
    found = await session.execute(select(Reader.id, Reader.email).where(Reader.id.in_(readers)))
    emails: dict[str | None, str | None] = {row.id: row.email for row in found}

    def named_reader(state: RightState | None) -> RightState | None:
        return replace(state, email=emails.get(state.reader_id)) if state is not None else None

    return [
        replace(each, before=named_reader(each.before), after=named_reader(each.after))
        for each in changes
    ]


def _state(row: Right) -> RightState:
    return RightState(row.plan, row.starts_at, row.ends_at, row.reader_id)
