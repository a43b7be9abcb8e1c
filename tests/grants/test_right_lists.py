"""A source's list: every bad line is named, all of it is stored or nothing, and what it lacks ends."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, null, select, update

from service.db.context import Context
from service.db.session import Database
from service.db.tables import AuditEntry, DomainEvent, Reader, Right
from service.grants.csv_file import ListRefused
from service.grants.matching import MatchKey, plain
from service.grants.right_differences import RightDifferences
from service.grants.right_lists import PORTION, read_list, store_list
from service.grants.right_readers import SentRight
from service.grants.store import live_grants_of
from service.identity.readers import create_reader
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.reports import rows
from tests.statements import statements

LISBON = ZoneInfo("Europe/Lisbon")
HEAD = "reference,plan,ends_at,email,account_number,postcode\n"


def read(text: str) -> list[SentRight]:
    return read_list(text.encode(), LISBON)


def problems_of(data: bytes | str) -> list[str]:
    with pytest.raises(ListRefused) as refused:
        read_list(data if isinstance(data, bytes) else data.encode(), LISBON)
    return refused.value.problems


def test_a_list_is_read_as_spreadsheets_write_it() -> None:
    text = "\ufeffReference;Plan;Ends_at;Email\r\n A-1 ;digital;2026-07-31;ana@example.org\r\n\r\n"
    assert read(text) == [
        SentRight("A-1", "digital", None, datetime(2026, 7, 31, 23, tzinfo=UTC), "ana@example.org")
    ]


BAD_FILES = [
    (b"", "The file is empty."),
    (b"reference,plan\nA,b\xff\n", "Line 2 isn't UTF-8."),
    ("reference,plan".encode("utf-16"), "isn't UTF-8."),
    (b"reference,plan\n\x00", "The file isn't text."),
    (b"number,plan\nA,digital\n", "unknown: number; missing: reference"),
    (b"reference,plan,plan\n", "one is there twice"),
    (b'reference,plan\n"A,digital\n', "Line "),
]


@pytest.mark.parametrize(("data", "told"), BAD_FILES)
def test_a_file_that_is_no_list(data: bytes, told: str) -> None:
    (problem,) = problems_of(data)
    assert told in problem


BAD_LINES = [
    (",digital,,ana@example.org,,", "reference is empty"),
    ("A,Digital Plus,,ana@example.org,,", "is no plan"),
    ("A,digital,,ana@,,", "is no e-mail address"),
    ("A,digital,,,,", "nobody can be found by it"),
    ("A,digital,,,4711,", "need a postcode"),
    ("A,digital,31.12.2026,ana@example.org,,", "is no day or time"),
    ("A,digital,2026-13-01,ana@example.org,,", "is no day or time"),
    ("A,digital,9999-12-31,ana@example.org,,", "leave it empty if there is no end"),
    ("A,digital", "has 2 values instead of 6"),
    ("A,digital,,ana@example.org,,,", "has 7 values instead of 6"),
    (f"{'A' * 201},digital,,ana@example.org,,", "longer than 200"),
]


@pytest.mark.parametrize(("line", "told"), BAD_LINES)
def test_a_bad_line_is_named(line: str, told: str) -> None:
    (problem,) = problems_of(f"{HEAD}G,digital,,bo@example.org,,\n{line}\n")
    assert problem.startswith("Line 3: ")
    assert told in problem


def test_a_quarter_of_bad_lines_is_named_whole() -> None:
    lines = [f"R{n},{'digital' if n % 4 else '?'},,r{n}@example.org,," for n in range(400)]
    assert len(problems_of(HEAD + "\n".join(lines))) == 100


def test_what_is_there_twice_is_named() -> None:
    lines = ["A,digital,,,4711,1000-001", "A,digital,,,4712,1000-001", "B,digital,,,47 11,1000-002"]
    assert problems_of(HEAD + "\n".join(lines)) == [
        "Line 3: the reference of line 2 once more.",
        "Line 4: the account number of line 2 with another postcode.",
    ]


async def test_a_household_has_two_rights_by_one_account_number(context: Context) -> None:
    lines = [
        "A,digital,,,4711,1000-001",
        "B,weekend,,,47-11,1000001",
        "C,puzzles,,c@example.org,4711,",
    ]
    assert (await store(context, lines)).created == ["A", "B", "C"]
    told = [f"No offer sells the plan {each} yet." for each in ("puzzles", "weekend")]
    assert await store(context, lines) == RightDifferences(unchanged=3, warnings=told)


ALIKE = [
    ("KD-004 711", "kd004711"),
    ("Müller", "MULLER"),
    ("1000-001", "1000 001"),
    ("Straße", "STRASSE"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_numbers_and_names_are_compared_as_people_type_them(one: str, other: str) -> None:
    assert plain(one) == plain(other) != ""


def test_a_hash_needs_both_parts_and_the_key() -> None:
    key = MatchKey(b"k" * 32)
    assert key.account("4711", " - ") is None
    assert key.account("", "1000") is None
    hashes = {
        key.account("47", "111000"), key.account("4711", "1000"), key.name("4711", "1000"),
        MatchKey(b"x" * 32).account("4711", "1000"), key.email("4711\n1000"),
    }  # fmt: skip
    assert len(hashes) == 5
    assert all("4711" not in str(each) for each in hashes)


@pytest.fixture
async def context(settings: Settings, clocks: MovingClocks, database: Database) -> Context:
    """With an offer of the plan digital."""
    async with database.transaction() as session:
        session.add(rows.offer(plan="digital"))
    return Context(settings, clocks, database)


async def confirmed(context: Context, address: str) -> str:
    async with context.database.transaction() as session:
        reader = await create_reader(session, email=address, clocks=context.clocks)
        reader.verified_key, reader.email_verified_at = address, context.clocks.business()
        return reader.id


async def store(
    context: Context, lines: list[str], *, dry_run: bool = False, most: int = 10
) -> RightDifferences:
    rows = read(HEAD + "\n".join(lines))
    return await store_list(
        context, "print", rows, actor="command", dry_run=dry_run, most_ended_percent=most
    )


def many(count: int) -> list[str]:
    return [f"R{n},digital,2026-12-31,r{n}@example.org,," for n in range(count)]


async def test_a_list_begins_changes_and_ends_rights(
    context: Context, clocks: MovingClocks
) -> None:
    reader = await confirmed(context, "r0@example.org")
    first = await store(context, many(20))
    assert (len(first.created), first.unchanged) == (20, 0)
    clocks.travel(timedelta(days=1))
    assert await store(context, many(20)) == RightDifferences(unchanged=20)
    async with context.database.reading() as session:
        (grant,) = await live_grants_of(session, reader, clocks.business())
        assert (grant.source, grant.scope) == ("external", "plan:digital")
        assert grant.ends_at == datetime(2027, 1, 1, tzinfo=UTC)
    changed = ["R0,digital,2027-12-31,r0@example.org,,", *many(20)[1:]]
    assert (await store(context, changed)).changed == ["R0"]
    clocks.travel(timedelta(days=1))
    assert (await store(context, changed[1:])).ended == ["R0"]
    async with context.database.reading() as session:
        assert await live_grants_of(session, reader, clocks.business()) == []
        events = await session.scalars(select(DomainEvent).where(DomainEvent.reader_id == reader))
        types = [each.type for each in sorted(events, key=lambda each: each.recorded_at)]
        nulls = await session.scalar(select(func.count()).where(DomainEvent.before.is_(null())))
    assert nulls == 0, "what wasn't before is JSON's null, however it is stored"
    assert types == ["reader.created", "right.started", "right.changed", "right.ended"]
    assert (await store(context, changed)).changed == ["R0"], "it begins again"


@on_sqlite
async def test_a_list_that_ends_too_many_is_refused(context: Context) -> None:
    await store(context, many(40))
    with pytest.raises(ListRefused, match="lacks 6 of 40"):
        await store(context, many(34))
    assert len((await store(context, many(34), most=15)).ended) == 6
    with pytest.raises(ListRefused, match="end all 34 rights"):
        await store(context, [])


@on_sqlite
async def test_a_few_may_leave_a_small_source(context: Context) -> None:
    await store(context, many(9))
    assert len((await store(context, many(4))).ended) == 5


@on_sqlite
@pytest.mark.parametrize("left", [[], many(8)[4:]], ids=["a-header-alone", "others"])
async def test_a_list_that_ends_all_of_a_small_source_is_refused(
    context: Context, left: list[str]
) -> None:
    await store(context, many(4))
    for dry_run in (True, False):
        with pytest.raises(ListRefused, match="end all 4 rights"):
            await store(context, left, most=99, dry_run=dry_run)
    assert len((await store(context, left, most=100)).ended) == 4


@on_sqlite
@pytest.mark.parametrize(
    ("running", "left", "told"),
    [
        (1, [], "would end the only right that runs. Is"),
        (1, many(2)[1:], None),
        (2, [], "would end all 2 rights that run. Is"),
        (2, many(3)[2:], "would end all 2 rights that run. Is"),
    ],
)
async def test_a_single_right_may_be_replaced(
    context: Context, running: int, left: list[str], told: str | None
) -> None:
    await store(context, many(running))
    if told is None:
        assert (await store(context, left)).ended == ["R0"]
        return
    with pytest.raises(ListRefused, match=told):
        await store(context, left)


async def test_rights_whose_end_has_passed_are_closed_and_emit_nothing(
    context: Context, clocks: MovingClocks
) -> None:
    await confirmed(context, "r0@example.org")
    await store(context, many(20))
    clocks.travel(datetime(2027, 1, 1, 3, tzinfo=UTC) - clocks.business())
    renewed = [f"N{n},digital,2027-12-31,n{n}@example.org,," for n in range(20)]
    assert (await store(context, renewed)).ended == []
    with pytest.raises(ListRefused, match="lacks 6 of 20 rights that run"):
        await store(context, renewed[6:])
    async with context.database.reading() as session:
        ended = await session.scalars(select(Right.ended_at).where(Right.reference.startswith("R")))
        assert set(ended) == {clocks.business()}
        events = set(await session.scalars(select(DomainEvent.type)))
    assert events == {"reader.created", "right.started"}


async def test_a_dry_run_says_what_a_run_does_and_changes_nothing(context: Context) -> None:
    await confirmed(context, "r1@example.org")
    await store(context, many(20))

    async def everything() -> list[tuple[object, ...]]:
        async with context.database.reading() as session:
            rights = list(await session.scalars(select(Right).order_by(Right.reference)))
            audits = len(list(await session.scalars(select(AuditEntry))))
        return [(each.reference, each.ends_at, each.ended_at) for each in rights] + [(audits,)]

    before = await everything()
    lines = ["R0,digital,2028-01-01,r0@example.org,,", *many(20)[1:19], "N,digital,,,4711,1000"]
    told = await store(context, lines, dry_run=True)
    assert (told.created, told.changed, told.ended, told.unchanged) == (["N"], ["R0"], ["R19"], 18)
    assert await everything() == before
    assert await store(context, lines) == told


async def test_a_right_that_was_stored_before_numbers_were_is_given_its_own_unchanged(
    context: Context,
) -> None:
    line = ["A,digital,,,4711,1000-001"]
    await store(context, line)
    async with context.database.transaction() as session:
        number = (await session.scalars(select(Right))).one().number_hash
        await session.execute(update(Right).values(number_hash=None))
    assert await store(context, line, dry_run=True) == RightDifferences(unchanged=1)
    assert await store(context, line) == RightDifferences(unchanged=1)
    async with context.database.reading() as session:
        assert (await session.scalars(select(Right.number_hash))).one() == number is not None


async def test_another_person_on_the_list_takes_the_right_along(
    context: Context, clocks: MovingClocks
) -> None:
    ana, bo = (
        await confirmed(context, "ana@example.org"),
        await confirmed(context, "bo@example.org"),
    )
    await store(context, ["A,digital,,ana@example.org,,"])
    clocks.travel(timedelta(hours=1))
    await store(context, ["A,digital,,bo@example.org,,"])
    async with context.database.reading() as session:
        assert await live_grants_of(session, ana, clocks.business()) == []
        assert len(await live_grants_of(session, bo, clocks.business())) == 1


async def test_an_address_confirmed_after_the_first_list_has_its_right_by_the_next(
    context: Context, clocks: MovingClocks
) -> None:
    await store(context, many(1))
    reader = await confirmed(context, "r0@example.org")
    assert (await store(context, many(1))).changed == ["R0"]
    async with context.database.reading() as session:
        assert len(await live_grants_of(session, reader, clocks.business())) == 1


async def test_nothing_readable_is_stored(context: Context) -> None:
    await store(context, ["A,digital,,ana@example.org,KD4711,1000-001"])
    async with context.database.reading() as session:
        (row,) = await session.scalars(select(Right))
        assert (await session.scalars(select(Reader))).first() is None
    stored = " ".join(str(value) for value in vars(row).values()).lower()
    assert not any(each in stored for each in ("ana", "4711", "1000-001"))


class Stopped(Exception):
    pass


async def test_a_list_that_is_interrupted_goes_on_where_it_was(context: Context) -> None:
    rows = read(HEAD + "\n".join(many(2 * PORTION + 1)))
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        raise Stopped

    with pytest.raises(Stopped):
        await store_list(context, "print", rows, actor="command", dry_run=False, progress=stop)
    again = await store_list(
        context, "print", rows, actor="command", dry_run=False, progress=lambda *at: told.append(at)
    )
    assert (len(again.created), again.unchanged) == (PORTION + 1, PORTION)
    assert told == [(PORTION, 2 * PORTION + 1), (PORTION, PORTION + 1), (PORTION + 1, PORTION + 1)]


async def test_a_portion_of_rights_takes_as_many_statements_as_one(context: Context) -> None:
    """With the readers, their grants and events."""
    readers = [await confirmed(context, f"r{n}@example.org") for n in range(20)]
    counts = []
    for some in (many(20)[:1], many(20)):
        with statements() as seen:
            assert len((await store(context, some)).details) > 0
        counts.append(len(seen))
    async with context.database.reading() as session:
        now = context.clocks.business()
        held = [await live_grants_of(session, each, now) for each in readers]
        emitted = await session.scalars(
            select(DomainEvent.reader_id).where(DomainEvent.type == "right.started")
        )
    assert {len(each) for each in held} == {1}
    assert sorted(filter(None, emitted)) == sorted(readers), "each once"
    assert counts[1] <= counts[0], counts
