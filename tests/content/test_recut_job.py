"""Cutting all articles anew as a job: by the rules in force, one run at a time, with its progress."""

import asyncio
from datetime import timedelta

from service.billing.import_job import ask_import
from service.content.publish import prepare, store_prepared
from service.content.recut import recut
from service.content.recut_job import Recutter, ask_recut, by_latest, last_recut
from service.content.schemas import ArticleIn
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Job
from service.rules.document import RulesIn, of_settings
from service.rules.in_force import InForce, rules_in_force
from service.rules.open_document import PreviewsIn
from service.rules.store import add_version
from service.settings import Settings
from tests.conftest import START, MovingClocks
from tests.content.test_recut import STORY, previews, publish, untold
from tests.databases import on_sqlite


async def ask(context: Context) -> str | None:
    async with context.database.transaction() as session:
        return await ask_recut(session, started_by="opr_1", now=context.clocks.wall())


async def last(database: Database) -> Job:
    async with database.reading() as session:
        found = await last_recut(session)
    assert found is not None
    return found


async def save(database: Database, rules: RulesIn, after: int) -> None:
    async with database.transaction() as session:
        await add_version(session, rules.model_dump(mode="json"), after=after, actor="-", now=START)


@on_sqlite
async def test_what_was_made_ready_by_former_rules_is_cut_by_those_of_now(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """A process learns of rules within two seconds, and an import may run for hours: the run that cuts all articles
    may be over by the time that theirs are stored.
    """
    context, former = Context(settings, clocks, database), InForce.by_default(settings)
    body = ArticleIn.model_validate({"title": "story", "body": STORY})
    prepared = prepare("story", body, former)
    stricter = PreviewsIn(blocks=1, words=200, withheld_percent=10)
    await save(database, of_settings(settings).model_copy(update={"previews": stricter}), after=0)
    assert await ask(context) is not None
    assert await Recutter(context).round() == 1
    async with database.transaction() as session:
        await store_prepared(session, prepared, if_match=None, actor="test", now=START)
    assert await previews(database, settings) == [("story", 30, "automatic")]


@on_sqlite
async def test_all_articles_are_cut_by_the_rules_in_force(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    context = Context(settings, clocks, database)
    await publish(database, settings, story=STORY)
    before = await previews(database, settings)
    stricter = PreviewsIn(blocks=1, words=200, withheld_percent=10)
    await save(database, of_settings(settings).model_copy(update={"previews": stricter}), after=0)
    assert await previews(database, settings) == before, "only what is stored from now on"
    assert await ask(context) is not None
    assert await ask(context) is None, "one at a time"
    waiting = await last(database)
    assert (waiting.status, waiting.payload["total"]) == ("waiting", None)
    assert await Recutter(context).round() == 1
    done = await last(database)
    assert (done.status, done.result) == ("done", "1 changed")
    assert done.payload == {"started_by": "opr_1", "done": 1, "total": 1}
    assert await previews(database, settings) == [("story", 30, "automatic")]
    clocks.travel(timedelta(seconds=1))
    assert await ask(context) is not None
    assert await Recutter(context).round() == 1
    assert (await last(database)).result == "0 changed"


@on_sqlite
async def test_rules_that_are_saved_during_a_run_hold_at_its_end(
    database: Database, settings: Settings
) -> None:
    await publish(database, settings, story=STORY)
    stricter = PreviewsIn(blocks=1, words=200, withheld_percent=10)
    rules = of_settings(settings).model_copy(update={"previews": stricter})
    begun: list[int] = []

    async def latest() -> InForce:
        return await rules_in_force(settings, database)

    async def cut(in_force: InForce) -> int:
        begun.append(in_force.version)
        if len(begun) == 1:
            await save(database, rules, after=0)
        return await recut(database, in_force, actor="-", now=START, progress=untold)

    assert await by_latest(latest, cut) == 1
    assert begun == [0, 1]
    assert await previews(database, settings) == [("story", 30, "automatic")]


async def test_two_who_ask_at_the_same_moment_ask_for_one_run(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    context = Context(settings, clocks, database)
    for _ in range(2):
        asked = await asyncio.gather(ask(context), ask(context))
        assert sorted(each is None for each in asked) == [False, True]
        assert await Recutter(context).round() == 1
        clocks.travel(timedelta(seconds=1))


async def test_two_who_ask_for_an_import_at_the_same_moment_ask_for_one(
    database: Database, clocks: MovingClocks
) -> None:
    async def ask_it() -> str | None:
        async with database.transaction() as session:
            return await ask_import(
                session, started_by="opr_1", dry_run=True, prices={}, now=clocks.wall()
            )

    asked = await asyncio.gather(ask_it(), ask_it())
    assert sorted(each is None for each in asked) == [False, True]
