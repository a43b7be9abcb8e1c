"""The level in force as SQL, for lists that are filtered by it.

What a level is says level.py; a test holds this equal to it, to the second.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, cast, extract, func, literal, or_, select
from sqlalchemy import type_coerce as coerced
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.tables import Article
from service.rules.rules import LevelRule, LevelRules

_HOUR, _DAY = 3600, 86_400
_TIMES = ("free_hours", "subscribers_after_days", "free_after_days")


def level_in_sql(session: AsyncSession, rules: LevelRules, now: datetime) -> ColumnElement[str]:
    """The effective level of each row of `Article` at `now`, business time."""
    dialect = session.get_bind().dialect.name
    age = _AGES[dialect](now)
    by_rule = _by_rule(rules, _HAS_TAG[dialect])
    text = func.coalesce(Article.level, by_rule(lambda rule: rule.level))

    def scheduled(name: str) -> ColumnElement[int]:
        inherited = by_rule(lambda rule: getattr(rule.schedule, name))
        has_its_own = or_(Article.level.is_not(None), *(_own(each).is_not(None) for each in _TIMES))
        return case((has_its_own, _own(name)), else_=cast(inherited, Integer))

    free_for = scheduled("free_hours") * _HOUR
    opened = _reached(free_for, age)
    closed = _reached(scheduled("subscribers_after_days") * _DAY, age)
    freed = _reached(scheduled("free_after_days") * _DAY, age)
    # The latest change that has come holds, as in level.py.
    return case(
        (Article.cut_is_whole, literal("free")),
        (and_(freed > 0, freed >= closed, freed >= opened), literal("free")),
        (and_(closed > 0, closed >= opened), literal("subscribers")),
        (opened > 0, text),
        (and_(free_for > 0, age >= 0), literal("free")),
        else_=text,
    )


def _by_rule(
    rules: LevelRules, has_tag: Callable[[str], ColumnElement[bool]]
) -> Callable[[Callable[[LevelRule], Any]], ColumnElement[Any]]:
    """What `pick` takes of the rule for articles that name no level."""
    named = [
        *((has_tag(tag), rule) for tag, rule in rules.tags.items()),
        *((Article.section == name, rule) for name, rule in rules.sections.items()),
    ]

    def picked(pick: Callable[[LevelRule], Any]) -> ColumnElement[Any]:
        default = literal(pick(rules.default))
        return (
            case(*((fits, literal(pick(rule))) for fits, rule in named), else_=default)
            if named
            else default
        )

    return picked


def _own(name: str) -> ColumnElement[int]:
    found: ColumnElement[int] = Article.access_schedule[name].as_integer()
    return found


def _reached(seconds: ColumnElement[int], age: ColumnElement[int]) -> ColumnElement[int]:
    """The seconds where the article is as old as that; else 0, also where the schedule has none."""
    return case((seconds <= age, seconds), else_=literal(0))


def _age_postgresql(now: datetime) -> ColumnElement[int]:
    return cast(func.floor(extract("epoch", literal(now, UtcDateTime()))), Integer) - cast(
        func.floor(extract("epoch", Article.published_at)), Integer
    )


def _age_sqlite(now: datetime) -> ColumnElement[int]:
    return cast(func.strftime("%s", literal(now, UtcDateTime())), Integer) - cast(
        func.strftime("%s", Article.published_at), Integer
    )


def _has_tag_postgresql(tag: str) -> ColumnElement[bool]:
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
