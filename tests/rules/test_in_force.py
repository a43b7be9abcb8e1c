"""Each change of the rules is a further version, in force in every process."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.db.context import Context
from service.db.session import Database
from service.db.tables import AuditEntry, ExperimentRow, RulesVersion
from service.identity.audit import change_by
from service.identity.callers import COMMAND
from service.levels import Level
from service.operators.rules.changes import RuleChanges
from service.problems import Problem
from service.rules.document import LevelIn, LevelsIn, MeterIn, NamedLevelIn, RulesIn, of_settings
from service.rules.experiment_changes import (
    changing_experiments,
    plan_experiment,
    start_experiment,
)
from service.rules.experiment_document import ExperimentIn
from service.rules.experiments import Experiment, Limits, Variant
from service.rules.in_force import (
    InForce,
    RuleBook,
    RulesUnreadable,
    experiment_at,
    in_force_at,
    rules_in_force,
)
from service.rules.save import save_rules
from service.rules.store import MOST_READ, latest_version, rules_documents
from service.settings import Settings
from tests.conftest import START, MovingClocks


def rules(default: Level, **sections: Level) -> RulesIn:
    named = tuple(NamedLevelIn(name=name, level=level) for name, level in sections.items())
    return RulesIn(levels=LevelsIn(default=LevelIn(level=default), sections=named))


def _with(section: str) -> RulesIn:
    free = NamedLevelIn(name=section, level="free")
    return RulesIn(levels=LevelsIn(default=LevelIn(level="metered"), sections=(free,)))


async def save(context: Context, wanted: RulesIn, after: int | None = None) -> int:
    async with change_by(context, "operator:opr_1") as change:
        saved = await save_rules(change, wanted, context.settings, after=after)
    return saved.version if saved is not None else 0


@pytest.fixture
def context(database: Database, settings: Settings, clocks: MovingClocks) -> Context:
    return Context(settings, clocks, database)


async def test_another_process_takes_a_change_over(context: Context) -> None:
    here, there = RuleBook(context.settings), RuleBook(context.settings)
    calls: list[int] = []
    there.when_changed(lambda: calls.append(there.in_force.version))
    for book in (here, there):
        await book.refresh(context.database)
    assert (there.in_force.version, calls) == (0, [])
    assert await save(context, rules("subscribers", News="free")) == 1
    await there.refresh(context.database)
    await there.refresh(context.database)
    assert calls == [1]
    assert there.in_force.rules.levels.default.level == "subscribers"
    assert there.in_force.rules.levels.sections["News"].level == "free"
    assert (await rules_in_force(context.settings, context.database)).version == 1
    assert here.in_force.rules.levels.default.level == context.settings.default_level


@pytest.mark.parametrize(("anonymous", "limit"), [(3, 1), (0, 1), (None, None)])
def test_a_meter_that_is_switched_off_stays_off_in_an_experiment(
    settings: Settings, anonymous: int | None, limit: int | None
) -> None:
    tried = Experiment(
        "spring", (Variant("one", 100, Limits(1, 2)),), None, START, START + timedelta(days=9)
    )
    rules = settings.model_copy(update={"meter_limit": anonymous})
    view = replace(InForce.by_default(rules), experiment=tried).view_of("dev_1", b"s" * 32, START)
    chosen = view.rules.meters.chosen(None, (), "anonymous", "direct")
    assert (chosen.limit, view.settings.meter_limit, view.variant) == (limit, limit, "spring/one")


async def test_repeating_a_change_writes_nothing(context: Context) -> None:
    assert await save(context, of_settings(context.settings)) == 0
    assert await save(context, rules("free")) == 1
    assert await save(context, rules("free"), after=1) == 1
    async with context.database.reading() as session:
        assert await latest_version(session) == 1


async def test_the_second_of_two_editors_is_told(context: Context) -> None:
    await save(context, rules("free"))
    for after in (0, 2):
        with pytest.raises(Problem, match="rules") as refused:
            await save(context, rules("registered"), after=after)
        assert refused.value.slug == "rules-changed"
    assert await save(context, rules("registered"), after=1) == 2


async def test_of_parallel_changes_upon_one_version_one_is_saved(context: Context) -> None:
    async def change(name: str) -> int | str:
        try:
            return await save(context, _with(name), after=0)
        except Problem as problem:
            return problem.slug

    found = await asyncio.gather(*(change(f"s{number}") for number in range(5)))
    assert sorted(map(str, found)) == ["1", *["rules-changed"] * 4]
    async with context.database.reading() as session:
        assert len((await session.scalars(select(RulesVersion))).all()) == 1


async def test_an_experiment_that_starts_meanwhile_is_seen(context: Context) -> None:
    """Who saves waits for who starts: else both would hold."""
    limits = (
        {"name": "a", "share": 50},
        {"name": "b", "share": 50, "limits": {"anonymous": 1, "registered": 2}},
    )
    plan = ExperimentIn.model_validate({
        "slug": "spring", "question": "Does it help?", "subject": "limit", "goal": "paid", "size": 1000,
        "variants": limits, "ends_at": START + timedelta(days=9),
    })  # fmt: skip
    changes = RuleChanges(context, RuleBook(context.settings))
    daily = MeterIn(window="day", anonymous=1, registered=1)
    wanted = of_settings(context.settings).model_copy(update={"meter": daily})
    async with changing_experiments(context, "operator:opr_1") as change:
        await plan_experiment(change, plan)
        saving = asyncio.create_task(changes.save(COMMAND, wanted, after=None))
        await start_experiment(change, "spring", context)
    with pytest.raises(Problem) as refused:
        await saving
    assert (refused.value.slug, refused.value.members) == (
        "experiment-relies-on-them", {"experiment": "spring"},
    )  # fmt: skip
    assert await save(context, rules("free")) == 1


async def test_versions_of_the_past_can_be_asked_for(
    context: Context, clocks: MovingClocks
) -> None:
    await save(context, rules("free"))
    clocks.travel(timedelta(days=1))
    await save(context, rules("subscribers"))
    async with context.database.reading() as session:
        times = (START - timedelta(seconds=1), START, START + timedelta(days=1))
        found = [await in_force_at(session, context.settings, at) for at in times]
    assert [each.version for each in found] == [0, 1, 2]


async def test_the_audit_log_names_what_is_different(context: Context) -> None:
    await save(context, rules("metered", News="free", Sport="metered"))
    await save(context, rules("metered", News="subscribers", Books="free"))
    async with context.database.reading() as session:
        last = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()[-1]
    assert (last.action, last.target) == ("rules.change", "rules 2")
    assert last.before == {"section News": "free", "section Sport": "metered"}
    assert last.after == {"section News": "subscribers", "section Books": "free"}


async def test_rules_that_only_a_later_release_can_read_change_nothing(context: Context) -> None:
    book = RuleBook(context.settings)
    await save(context, rules("free"))
    await book.refresh(context.database)
    async with context.database.transaction() as session:
        session.add(RulesVersion(version=2, at=START, actor="x", document={"later": True}))
    await book.refresh(context.database)
    assert (book.in_force.version, book.in_force.rules.levels.default.level) == (1, "free")
    # Nor does a process of this release that starts by then fall back to the settings.
    started = await rules_in_force(context.settings, context.database)
    assert (started.version, started.rules.levels.default.level) == (1, "free")
    async with context.database.reading() as session:
        assert (await in_force_at(session, context.settings, START)).version == 1


async def test_unreadable_rules_never_open_by_the_settings(context: Context) -> None:
    running = RuleBook(context.settings)
    await running.refresh(context.database)
    async with context.database.transaction() as session:
        session.add(RulesVersion(version=1, at=START, actor="x", document={"later": True}))
    await running.refresh(context.database)
    assert running.in_force == InForce.by_default(context.settings), "as before the first version"
    with pytest.raises(RulesUnreadable, match="version 1"):
        await rules_in_force(context.settings, context.database)
    async with context.database.reading() as session:
        with pytest.raises(RulesUnreadable):
            await in_force_at(session, context.settings, START)


async def test_what_a_later_release_added_is_left_out(context: Context) -> None:
    document = {**rules("subscribers").model_dump(mode="json"), "later": {"a": 1}}
    document["levels"]["default"]["later"] = True
    async with context.database.transaction() as session:
        session.add(RulesVersion(version=1, at=START, actor="x", document=document))
    found = await rules_in_force(context.settings, context.database)
    assert found.rules.levels.default.level == "subscribers"
    with pytest.raises(Problem, match="A later release saved version 1"):
        await save(context, rules("free"), after=1)


@pytest.mark.parametrize("added", [{}, {"later": 1}, {"subject": "price"}])
async def test_an_experiment_of_a_later_release_doesnt_run_in_part(
    context: Context, added: dict[str, Any]
) -> None:
    plan = {
        "slug": "spring", "question": "Does it?", "subject": "limit", "goal": "paid", "size": 1000,
        "ends_at": (START + timedelta(days=30)).isoformat(),
        "variants": [
            {"name": "usual", "share": 50},
            {"name": "one", "share": 50, "limits": {"anonymous": 1, "registered": 2}},
        ],
    }  # fmt: skip
    row = ExperimentRow(
        slug="spring", document={**plan, **added}, created_at=START, created_by="command",
        started_at=START, stopped_at=None, ends_at=START + timedelta(days=30),
    )  # fmt: skip
    async with context.database.transaction() as session:
        session.add(row)
    book = RuleBook(context.settings)
    await book.refresh(context.database)
    assert (book.in_force.experiment is None) == bool(added)
    async with context.database.reading() as session:
        assert (await experiment_at(session, START) is None) == bool(added)


async def test_of_many_versions_reports_read_the_newest(context: Context) -> None:
    async with context.database.transaction() as session:
        for number in range(1, MOST_READ + 2):
            document = {"prompts": [{"name": f"p{number}"}]}
            session.add(RulesVersion(version=number, at=START, actor="x", document=document))
    async with context.database.reading() as session:
        found = await rules_documents(session)
    assert len(found) == MOST_READ
    assert [each["prompts"][0]["name"] for each in (found[0], found[-1])] == [
        f"p{MOST_READ + 1}",
        "p2",
    ]
