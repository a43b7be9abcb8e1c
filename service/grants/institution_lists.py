"""Institutions with their networks and domains as CSV: added or replaced altogether, or not at all."""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.failures import past_deadlocks
from service.db.tables import AuditEntry
from service.grants.csv_file import (
    Differences,
    DryRun,
    ListRefused,
    check_columns,
    end_of_run,
    instant,
    lines_of,
    named,
    once,
)
from service.grants.institution_schemas import InstitutionIn
from service.grants.institutions import (
    InstitutionTerms,
    put_institution,
    take_institutions,
    terms_of,
)
from service.grants.shown_lists import check_shown, stamp_of_list
from service.grants.trust import until_known
from service.rules.known import plan_warnings
from service.texts import is_slug, storable
from service.wrong_values import said_of

COLUMNS = ("slug", "name", "plan", "domains", "networks", "ends_at")
MUST_HAVE = ("slug", "name", "plan")
ADVICE = (
    f"The first line names the columns: {', '.join(COLUMNS)}. {', '.join(MUST_HAVE)} must be there. "
    "Write a space between several domains or networks."
)


class ListedInstitution(NamedTuple):
    slug: str
    terms: InstitutionTerms


def read_institutions(data: bytes, zone: ZoneInfo) -> list[ListedInstitution]:
    """The rows of a file: UTF-8, comma or semicolon. `ends_at` is the last day, in the zone, or an instant.

    Raises ListRefused with every bad line.
    """
    names, lines = lines_of(data, ADVICE)
    check_columns(names, COLUMNS, MUST_HAVE, ADVICE)
    found, problems = [], []
    seen: dict[str, int] = {}
    for number, line in lines:
        if not any(each.strip() for each in line):
            continue
        try:
            row = _institution(named(names, line), zone)
            once("slug", row.slug, seen, number)
            found.append(row)
        except ValidationError as error:
            problems += [f"Line {number}: {each}" for each in _told(error)]
        except ValueError as error:
            problems.append(f"Line {number}: {str(error).removesuffix('.')}.")
    if problems:
        raise ListRefused(problems)
    return found


def _institution(values: dict[str, str], zone: ZoneInfo) -> ListedInstitution:
    if not is_slug(storable(values["slug"])):
        raise ValueError(f"slug {values['slug']!r} isn't a slug. Write it like city-library")
    body = InstitutionIn(
        name=values["name"], plan=values["plan"],
        domains=tuple(values.get("domains", "").split()),
        networks=tuple(values.get("networks", "").split()),
        ends_at=instant(values.get("ends_at", ""), zone, ends=True),
    )  # fmt: skip
    return ListedInstitution(values["slug"], body.terms())


def _told(error: ValidationError) -> Iterable[str]:
    for each in error.errors():
        said = said_of(each).removesuffix(".")
        yield f"{said}." if each["type"] == "value_error" else f"{each['loc'][0]}: {said}."


async def store_institutions(
    context: Context,
    rows: Iterable[ListedInstitution],
    *,
    actor: str,
    dry_run: bool,
    seen: str | None = None,
) -> Differences:
    """Add or replace the institutions of the list; others stay as they are.

    `dry_run`: says what would happen, and changes nothing. `seen`: the stamp of what a trial said; ListChanged where it
    would be something else by now.
    """

    async def attempt() -> Differences:
        differences = Differences()
        with suppress(DryRun):
            async with context.database.transaction() as session:
                await _store(session, context, listed, differences, actor=actor, seen=seen)
                end_of_run(dry_run=dry_run)
        return differences

    listed = list(rows)
    differences = await past_deadlocks(attempt)
    if not dry_run:
        await until_known()
    return differences


async def _store(
    session: AsyncSession,
    context: Context,
    rows: list[ListedInstitution],
    differences: Differences,
    *,
    actor: str,
    seen: str | None,
) -> None:
    differences.warnings += await plan_warnings(session, {row.terms.plan for row in rows})
    there = await take_institutions(session, {row.slug: row.terms for row in rows})
    before = {slug: terms_of(row) for slug, row in sorted(there.items())}
    differences.stamp = stamp_of_list((before, rows), context.clocks.business())
    entries = and_(
        AuditEntry.action == "institution.put", AuditEntry.target.in_([row.slug for row in rows])
    )
    await check_shown(session, differences.stamp, seen, entries)
    for row in rows:
        known = before.get(row.slug)
        if known == row.terms:
            differences.unchanged += 1
            continue
        changes = differences.created if known is None else differences.changed
        changes.append(row.slug)
        await put_institution(session, context, row.slug, row.terms, actor=actor)
