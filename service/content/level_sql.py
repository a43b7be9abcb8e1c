"""The level in force as SQL, for lists that are filtered by it.

What a level is says level.py; a test holds this equal to it, to the second.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    Subquery,
    and_,
    case,
    cast,
    extract,
    false,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy import type_coerce as coerced
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from service.db.base import UtcDateTime
from service.db.tables import Article
from service.levels import LEVELS, Level
from service.rules.rules import LevelRule, LevelRules, Schedule

_HOUR, _DAY = 3600, 86_400
"""Seconds. As 32 bits they go from 1901 to 2038, and no schedule of a hundred years fits."""
_TIMES = ("free_hours", "subscribers_after_days", "free_after_days")


def level_in_sql(session: AsyncSession, rules: LevelRules, now: datetime) -> ColumnElement[str]:
    """The effective level of each row of `Article` at `now`, business time.

    Each step is a query of its own, so that a rule is written once, and looked for once for a row:
    there may be a thousand.
    """
    dialect = session.get_bind().dialect.name
    named, outcomes = _by_rule(rules, _HAS_TAG[dialect])
    rule = _kept(named.label("number")).c.number

    def inherited(pick: Callable[[LevelRule], Any], kind: type[TypeEngine[Any]]) -> Any:
        return cast(case(*((rule == at, pick(each)) for at, each in enumerate(outcomes))), kind)

    is_scheduled = or_(*(_own(each).is_not(None) for each in _TIMES))
    has_its_own = or_(Article.level.is_not(None), is_scheduled)

    def scheduled(name: str) -> ColumnElement[int]:
        of_rule = inherited(lambda each: getattr(each.schedule, name), BigInteger)
        return case((has_its_own, _own(name)), else_=of_rule)

    age = _AGES[dialect](now)
    row = _kept(
        Article.cut_is_whole.label("is_whole"),
        case(
            (Article.level.is_not(None), Article.level),
            else_=_stricter(
                Article.wall_level.expression, inherited(lambda each: each.level, String)
            ),
        ).label("text"),
        case(
            (or_(Article.level.is_not(None), is_scheduled), null()), else_=Article.wall_level
        ).label("floor"),
        age.label("age"),
        (scheduled("free_hours") * _HOUR).label("free_for"),
        (scheduled("subscribers_after_days") * _DAY).label("closed_after"),
        (scheduled("free_after_days") * _DAY).label("freed_after"),
    ).c
    times = _kept(
        *(row[name] for name in ("is_whole", "text", "floor", "age", "free_for")),
        _reached(row.free_for, row.age).label("opened"),
        _reached(row.closed_after, row.age).label("closed"),
        _reached(row.freed_after, row.age).label("freed"),
    ).c
    opened, closed, freed = times.opened, times.closed, times.freed
    # The latest change that has come holds, as in level.py.
    level = case(
        (and_(freed > 0, freed >= closed, freed >= opened), literal("free")),
        (and_(closed > 0, closed >= opened), literal("subscribers")),
        (opened > 0, times.text),
        (and_(times.free_for > 0, times.age >= 0), literal("free")),
        else_=times.text,
    )
    level = case((times.is_whole, literal("free")), else_=_stricter(times.floor, level))
    return select(level).correlate(Article).scalar_subquery()


def _stricter(wall: ColumnElement[Any], level: ColumnElement[str]) -> ColumnElement[str]:
    """The wall's level where fewer readers may read at it than at the other; it may be null."""
    looser = ((wall == each, level.in_(LEVELS[:at])) for at, each in enumerate(LEVELS))
    return case((case(*looser, else_=false()), wall), else_=level)


def _kept(*columns: ColumnElement[Any]) -> Subquery:
    """`columns` of an article as a query, which both databases work out once: OFFSET keeps them from
    putting the terms in where their names are.
    """
    return select(*columns).correlate(Article).offset(0).subquery()


def _by_rule(
    rules: LevelRules, has_tag: Callable[[str], ColumnElement[bool]]
) -> tuple[ColumnElement[int], list[LevelRule]]:
    """The number of the rule for articles that name no level, and the different rules by number."""
    named = [
        *((has_tag(tag), rule) for tag, rule in rules.tags.items()),
        *((Article.section == name, rule) for name, rule in rules.sections.items()),
    ]
    numbers: dict[tuple[Level, Schedule], int] = {}
    outcomes: list[LevelRule] = []
    for rule in (rules.default, *(rule for _, rule in named)):
        if (rule.level, rule.schedule) not in numbers:
            numbers[rule.level, rule.schedule] = len(outcomes)
            outcomes.append(rule)
    picked = ((fits, literal(numbers[rule.level, rule.schedule])) for fits, rule in named)
    default = literal(0)
    return (case(*picked, else_=default) if named else default), outcomes


def _own(name: str) -> ColumnElement[int]:
    return cast(Article.access_schedule[name].as_integer(), BigInteger)


def _reached(seconds: ColumnElement[int], age: ColumnElement[int]) -> ColumnElement[int]:
    """The seconds where the article is as old as that; else 0, also where the schedule has none."""
    return case((seconds <= age, seconds), else_=literal(0))


def _age_postgresql(now: datetime) -> ColumnElement[int]:
    return cast(func.floor(extract("epoch", literal(now, UtcDateTime()))), BigInteger) - cast(
        func.floor(extract("epoch", Article.published_at)), BigInteger
    )


def _age_sqlite(now: datetime) -> ColumnElement[int]:
    return cast(func.strftime("%s", literal(now, UtcDateTime())), BigInteger) - cast(
        func.strftime("%s", Article.published_at), BigInteger
    )


def _has_tag_postgresql(tag: str) -> ColumnElement[bool]:
    from sqlalchemy.dialects.postgresql import JSONB  # noqa: PLC0415 a service on SQLite needs none of it

    found: ColumnElement[bool] = coerced(Article.tags, JSONB).contains([tag])
    return found


def _has_tag_sqlite(tag: str) -> ColumnElement[bool]:
    each = func.json_each(Article.tags).table_valued("value")
    return select(literal(1)).select_from(each).where(each.c.value == tag).exists()


_AGES: Mapping[str, Callable[[datetime], ColumnElement[Any]]] = {
    "postgresql": _age_postgresql, "sqlite": _age_sqlite,
}  # fmt: skip
_HAS_TAG: Mapping[str, Callable[[str], ColumnElement[bool]]] = {
    "postgresql": _has_tag_postgresql, "sqlite": _has_tag_sqlite,
}  # fmt: skip
