"""A source's whole list as CSV: read, compared with what is there, and stored unless a line of it is bad."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import check_span
from service.db.context import Context
from service.db.tables import AuditEntry, Reader, Right
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
from service.grants.right_readers import SentRight, keys_of, known_readers, match_key
from service.grants.right_turns import locked, take_claims, take_source
from service.grants.rights import Rights, is_over, payload_of
from service.grants.shown_lists import check_shown, refuse_changed, stamp_of_list
from service.identity.audit import record
from service.identity.email import email_key
from service.rules.known import plan_warnings
from service.texts import identifier, is_slug

Progress = Callable[[int, int], None]
COLUMNS = (
    "reference", "plan", "starts_at", "ends_at", "email", "account_number", "name", "postcode"
)  # fmt: skip
MUST_HAVE = ("reference", "plan")
MOST_ENDED_PERCENT = 10
MAY_ALWAYS_END = 5
"""A list may end this number of rights whatever their share, but not all: people leave small sources too."""
_WHOLE = 100
_ENDS_ALL = "The list would end {which}. Is it whole? If it is, allow it with 100 %."
PORTION = 100
"""Rights that are stored in one transaction: a reader to whom one of them belongs waits for it."""
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
    if not identifier(values["reference"]):
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
    check_span(starts_at, ends_at)
    return SentRight(values["reference"], values["plan"], starts_at, ends_at, email, **known_by)


async def store_list(
    context: Context,
    source: str,
    rows: list[SentRight],
    *,
    actor: str,
    dry_run: bool,
    most_ended_percent: int = MOST_ENDED_PERCENT,
    seen: str | None = None,
    progress: Progress = lambda *_: None,
) -> RightDifferences:
    """Make the source's rights those of the list: what it no longer has ends now.

    Raises ListRefused where more than `most_ended_percent` of the rights that run would end, and more than
    MAY_ALWAYS_END of them, or all: a list that was cut off looks like that. It may put new rights in the place of a
    single one. Rights whose end has passed don't run.
    `dry_run`: says what would happen, and changes nothing. `seen`: the stamp of what a trial said; ListChanged where it
    would be something else by now, or a right is sent by itself before its portion is stored.

    Nothing is written before the whole list is found good. It is written in portions then, since readers whose rights
    change wait for the portion; where that is interrupted between two of them, the same list stores the rest.
    `progress` is told how many of how many rights are stored.
    """
    async with context.database.alone(f"list-of-rights:{source}"):
        plan = await _planned(context, source, rows, most_ended_percent)
        async with context.database.reading() as session:
            await check_shown(session, plan.differences.stamp, seen, _entries_about(source))
        if dry_run:
            with suppress(DryRun):
                await context.database.past_deadlocks(
                    partial(_try_out, context=context, source=source, plan=plan)
                )
            return plan.differences
        async with context.database.transaction() as session:
            await record(
                session, actor=actor, action="rights.import", target=source,
                after={
                    "created": len(plan.differences.created), "changed": len(plan.differences.changed),
                    "ended": len(plan.differences.ended), "unchanged": plan.differences.unchanged,
                },
                now=context.clocks.business(),
            )  # fmt: skip
        total = len(plan.sent) + len(plan.missing)
        put_some = partial(_put_some, context=context, source=source, stored=plan.stored, seen=seen)
        for start in range(0, len(plan.sent), PORTION):
            some = plan.sent[start : start + PORTION]
            await context.database.past_deadlocks(partial(put_some, sent=some, ended=()))
            progress(start + len(some), total)
        for start in range(0, len(plan.missing), PORTION):
            gone = plan.missing[start : start + PORTION]
            await context.database.past_deadlocks(partial(put_some, sent=(), ended=gone))
            progress(len(plan.sent) + start + len(gone), total)
        async with context.database.reading() as session:
            await _add_details(session, source, plan)
    return plan.differences


def _entries_of_single(source: str) -> ColumnElement[bool]:
    return and_(
        AuditEntry.action.in_(("right.put", "right.end")),
        AuditEntry.target.startswith(f"{source}/", autoescape=True),
    )


def _entries_about(source: str) -> ColumnElement[bool]:
    imports = and_(AuditEntry.action == "rights.import", AuditEntry.target == source)
    return or_(_entries_of_single(source), imports)


@dataclass(frozen=True)
class _Plan:
    """What a list changes: what is to be stored, and references that it lacks. `before`: what is stored until then;
    `stored`: the digest of all that it says, its hashes included.
    """

    differences: RightDifferences
    sent: list[SentRight]
    missing: list[str]
    before: Mapping[str, RightState]
    stored: Mapping[str, str]


async def _planned(
    context: Context, source: str, rows: list[SentRight], most_ended_percent: int
) -> _Plan:
    key, now = match_key(context.settings), context.clocks.business()
    async with context.database.reading() as session:
        found = await session.scalars(select(Right).where(Right.source == source))
        known = {row.reference: row for row in found}
        sent = {row.reference for row in rows}
        running = {row.reference for row in known.values() if not is_over(row, now)}
        missing = [row for row in known.values() if row.reference not in sent]
        ending = [row.reference for row in missing if row.reference in running]
        begins = len(sent - known.keys())
        _check_whole(len(ending), len(running), begins, most_ended_percent)
        readers = await known_readers(session, rows, key, now)
        rights = Rights(session, key, context.clocks, readers)
        warnings = await plan_warnings(session, {row.plan for row in rows})
    before = {reference: _state(row) for reference, row in known.items()}
    gone = [row.reference for row in missing if row.ended_at is None]
    stored = {reference: _digest(row) for reference, row in sorted(known.items())}
    plan = _Plan(RightDifferences(ended=ending, warnings=warnings), [], gone, before, stored)
    for row in rows:
        there = known.get(row.reference)
        if there is not None and not rights.changes(there, row):
            plan.differences.unchanged += 1
            if rights.lacks_number(there, row):
                plan.sent.append(row)
            continue
        plan.sent.append(row)
        changes = plan.differences.created if there is None else plan.differences.changed
        changes.append(row.reference)
    plan.differences.stamp = stamp_of_list((_does(plan), plan.stored, rows), now)
    return plan


def _does(plan: _Plan) -> object:
    """Readers who have confirmed or claimed since make it something else, though what is stored is the same."""
    found = plan.differences
    replaced = [(each, plan.before[each]) for each in (*found.changed, *found.ended)]
    return found.created, replaced, found.unchanged


def _digest(row: Right) -> str:
    hashes = (row.email_hash, row.account_hash, row.name_hash, row.number_hash)
    return sha256(repr((payload_of(row), hashes)).encode()).hexdigest()[:16]


def _check_whole(ending: int, running: int, begins: int, most_ended_percent: int) -> None:
    is_replaced = running == 1 and begins > 0
    if ending and ending == running and most_ended_percent < _WHOLE and not is_replaced:
        which = f"all {running} rights that run" if running > 1 else "the only right that runs"
        raise ListRefused([_ENDS_ALL.format(which=which)])
    if ending > max(MAY_ALWAYS_END, running * most_ended_percent // 100):
        told = (
            f"The list lacks {ending} of {running} rights that run, more than "
            f"{most_ended_percent} %. Is it whole? If it is, allow it with a higher percentage."
        )
        raise ListRefused([told])


async def _put_some(
    session: AsyncSession,
    context: Context,
    source: str,
    sent: Sequence[SentRight],
    ended: Collection[str],
    stored: Mapping[str, str],
    seen: str | None = None,
) -> None:
    """Store some rights of a source's list, and end those that it lacks. Not many: readers of all of them wait.

    Raises ListChanged where a list was `seen` and one of them is no longer as it was `stored`.
    """
    await take_source(session, source)
    key = match_key(context.settings)
    await take_claims(session, *keys_of(sent, key))
    references = [*(each.reference for each in sent), *ended]
    rows = {row.reference: row for row in await locked(session, source, references)}
    are = {reference: _digest(row) for reference, row in rows.items()}
    if any(are.get(each) != stored.get(each) for each in references):
        await refuse_changed(session, seen, _entries_of_single(source))
    readers = await known_readers(session, sent, key, context.clocks.business())
    rights = Rights(session, key, context.clocks, readers)
    for each in sent:
        rights.put(source, each, rows.get(each.reference))
    for reference in ended:
        rights.end(rows[reference])
    await rights.store()


async def _try_out(session: AsyncSession, context: Context, source: str, plan: _Plan) -> None:
    """Store those alone whose details are told: whose they would be, storing decides."""
    differences = plan.differences
    told = {*differences.created[:MOST_DETAILED], *differences.changed[:MOST_DETAILED]}
    some = [each for each in plan.sent if each.reference in told]
    await _put_some(session, context, source, some, ended=(), stored=plan.stored)
    await _add_details(session, source, plan)
    end_of_run(dry_run=True)


async def _add_details(session: AsyncSession, source: str, plan: _Plan) -> None:
    differences, before = plan.differences, plan.before
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

    differences.details += [
        replace(each, before=named_reader(each.before), after=named_reader(each.after))
        for each in changes
    ]


def _state(row: Right) -> RightState:
    return RightState(row.plan, row.starts_at, row.ends_at, row.reader_id)
