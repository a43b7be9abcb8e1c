"""The staff's list: what each filter finds, and the level in force as SQL."""

import random
from datetime import timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import select

from service.content.level import level_at
from service.content.level_sql import level_in_sql
from service.content.staff_list import StaffFilter, conditions, list_for_staff, sections_for_staff
from service.content.store import level_facts, list_articles
from service.db.session import Database
from service.db.tables import Article
from service.levels import Level
from service.rules.in_force import InForce
from service.rules.known import empty_sections
from service.rules.rules import LevelRule, LevelRules, Schedule
from service.settings import Settings
from tests.conftest import START
from tests.content.test_list import publish
from tests.reports import rows

RULES = LevelRules(
    LevelRule("metered", schedule=Schedule(subscribers_after_days=1)),
    sections={
        "News": LevelRule("registered", schedule=Schedule(free_hours=24, free_after_days=2)),
        "Sport \u2013 \u201chome\u201d": LevelRule("subscribers"),
    },
    tags={
        "Élection": LevelRule("free", schedule=Schedule(subscribers_after_days=2)),
        "tide's": LevelRule("subscribers", schedule=Schedule(free_hours=30)),
        "Tide's": LevelRule("registered"),
    },
)


async def found(
    database: Database, settings: Settings, limit: int = 100, **chosen: Any
) -> set[str]:
    slugs: set[str] = set()
    cursor: str | None = None
    async with database.reading() as session:
        while True:
            levels = InForce.by_default(settings).rules.levels
            filters = conditions(session, StaffFilter(**chosen), levels, START)
            page = await list_for_staff(session, filters, cursor=cursor, limit=limit)
            assert not slugs & {row.slug for row in page.items}
            slugs |= {row.slug for row in page.items}
            cursor = page.next_cursor
            if cursor is None:
                return slugs


async def test_every_status_is_there_in_pages(database: Database, settings: Settings) -> None:
    for status in ("draft", "withdrawn", "published"):
        await publish(database, settings, slug=status, status=status)
    everything = {"draft", "withdrawn", "published"}
    assert await found(database, settings, limit=2) == everything
    assert await found(database, settings, status="draft") == {"draft"}


async def test_each_filter_finds_its_own(database: Database, settings: Settings) -> None:
    ferry = {"title": "The ferry", "section": "News", "authors": [{"name": "Áine O'Dea"}]}
    await publish(database, settings, slug="a-1", access={"level": "free"}, **ferry)
    await publish(database, settings, slug="a-2", title="The crane", section="Sport")
    assert await sections_in(database) == ["News", "Sport"]
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"query": "FÉRRY the"}, {"a-1"}),
        ({"query": "a-2"}, {"a-2"}),
        ({"query": "100%"}, set()),
        ({"section": "Sport"}, {"a-2"}),
        ({"section": "sport"}, set()),
        ({"author": "áine"}, {"a-1"}),
        ({"author": "o'd"}, {"a-1"}),
        ({"author": "%"}, set()),
        ({"level": "free"}, {"a-1"}),
        ({"level": "metered"}, {"a-2"}),
        ({"level": "free", "section": "Sport"}, set()),
    ]
    for chosen, slugs in cases:
        assert await found(database, settings, **chosen) == slugs, chosen


async def sections_in(database: Database) -> list[str]:
    async with database.reading() as session:
        return await sections_for_staff(session)


def any_article(dice: random.Random, number: int) -> Article:
    article = rows.article(f"a-{number}", "A title")
    article.level = dice.choice([None, None, *get_args(Level)])
    article.section = dice.choice([None, *RULES.sections, "news"])
    article.tags = dice.sample([*RULES.tags, "Tide", '"', "\\"], dice.randrange(4))
    article.wall_level = dice.choice([None, None, "registered", "subscribers"])
    article.cut_is_whole = dice.random() < 0.05
    hours = timedelta(hours=dice.randrange(-30, 80), seconds=dice.choice([-1, 0, 0, 1]))
    article.published_at = dice.choice([None, *[START - hours] * 5])
    free, closed, freed = (dice.choice([None, 1, 2]) for _ in range(3))
    schedule = {
        "free_hours": free and dice.choice([1, 24, 30]),
        "subscribers_after_days": closed,
        "free_after_days": freed,
    }
    kept = {name: value for name, value in schedule.items() if value is not None}
    article.access_schedule = dice.choice([None, kept or None, kept or None])
    return article


@pytest.mark.parametrize("seed", range(3))
async def test_the_level_in_sql_is_the_level(database: Database, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 repeatable data, no secret
    articles = [any_article(dice, number) for number in range(300)]
    expected = {each.slug: level_at(level_facts(each), RULES, START).level for each in articles}
    assert set(expected.values()) == set(get_args(Level))
    assert any(level_facts(each).schedule != Schedule() for each in articles)
    async with database.transaction() as session:
        session.add_all(articles)
    async with database.reading() as session:
        level = level_in_sql(session, RULES, START)
        found = await session.execute(select(Article.slug, level))
        held = {row[0]: row[1] for row in found}
    assert held == expected


@pytest.mark.parametrize("asked", ["Sport", " Sport", "Spo\u200brt", "\ufeffSport\n"])
async def test_a_section_is_found_by_a_name_that_looks_the_same(
    database: Database, settings: Settings, asked: str
) -> None:
    await publish(database, settings, slug="derby", section="Spo\u200brt", tags=["Sport\ufeff"])
    assert await found(database, settings, section=asked) == {"derby"}
    assert await sections_in(database) == ["Sport"]
    async with database.reading() as session:
        assert await empty_sections(session, ["Sport", "Sports"]) == ["Sports"]
        for chosen in ({"section": asked}, {"tag": asked}):
            filters: dict[str, Any] = dict.fromkeys(("section", "tag", "author", "q", "cursor"))
            page = await list_articles(session, **{**filters, **chosen}, limit=9, now=START)
            assert [each.slug for each in page.items] == ["derby"], chosen


async def test_centuries_fit_into_the_level_in_sql(database: Database) -> None:
    articles = [rows.article(f"a-{number}", "A title") for number in range(6)]
    for each, year in zip(articles, (1000, 1890, 1890, 2026, 2100, 9000), strict=True):
        each.level, each.published_at = "subscribers", START.replace(year=year)
        each.access_schedule = {"free_after_days": 36_500}
    articles[2].access_schedule = {"free_hours": 876_000}
    expected = {each.slug: level_at(level_facts(each), RULES, START).level for each in articles}
    assert set(expected.values()) == {"free", "subscribers"}
    async with database.transaction() as session:
        session.add_all(articles)
    async with database.reading() as session:
        found = await session.execute(select(Article.slug, level_in_sql(session, RULES, START)))
        assert {row[0]: row[1] for row in found} == expected


async def test_a_thousand_rules_are_written_once_each(database: Database) -> None:
    rules = LevelRules(
        LevelRule("metered"),
        sections={
            f"s-{number}": LevelRule("free", schedule=Schedule(free_hours=number + 1))
            for number in range(500)
        },
        tags={f"t-{number}": LevelRule("registered") for number in range(500)},
    )
    of_section, of_tag, of_none = (rows.article(f"a-{number}", "A title") for number in range(3))
    of_section.section, of_tag.tags = "s-499", ["t-499"]
    async with database.transaction() as session:
        session.add_all([of_section, of_tag, of_none])
    async with database.reading() as session:
        query = select(Article.slug, level_in_sql(session, rules, START))
        values = query.compile(session.get_bind()).params.values()
        found = {row[0]: row[1] for row in await session.execute(query)}
    assert found == {"a-0": "free", "a-1": "registered", "a-2": "metered"}
    for name in ("s-0", "s-499", "t-0", "t-499"):
        assert sum(value in (name, [name]) for value in values) == 1
