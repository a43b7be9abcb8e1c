"""Sections and tags as articles have them, where they aren't as rules compare them: with characters that nobody sees.

They were stored before such characters were taken out. SQL can't take them out, so it looks for these names too.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.store import term_of
from service.db.tables import Article, ArticleTerm
from service.rules.rules import LevelRule, LevelRules
from service.texts import plain_name


async def odd_sections(session: AsyncSession) -> list[str]:
    """Stored sections that aren't plain, of all articles."""
    named = await session.scalars(select(Article.section).distinct())
    return sorted(each for each in named if each is not None and plain_name(each) != each)


async def odd_tags(session: AsyncSession) -> list[str]:
    """Stored tags that aren't plain, of all articles."""
    terms = await session.scalars(
        select(ArticleTerm.term).where(ArticleTerm.kind == "tag").distinct()
    )
    odd = [each for each in terms if plain_name(each) != each]
    if not odd:
        return []
    having = select(ArticleTerm.article_id).where(
        ArticleTerm.kind == "tag", ArticleTerm.term.in_(odd)
    )
    found = await session.scalars(select(Article.tags).where(Article.id.in_(having)))
    return sorted({tag for each in found for tag in each if term_of(tag) in odd})


def of_section(name: str, odd: Collection[str]) -> list[str]:
    """The names that are this section to rules."""
    plain = plain_name(name)
    return [plain, *(each for each in odd if plain_name(each) == plain)]


def in_rules(
    rules: LevelRules, odd_sections: Collection[str], odd_tags: Collection[str]
) -> LevelRules:
    """The rules, each also by the names that it holds for."""
    return replace(
        rules, sections=_also(rules.sections, odd_sections), tags=_also(rules.tags, odd_tags)
    )


def _also(rules: Mapping[str, LevelRule], odd: Collection[str]) -> dict[str, LevelRule]:
    """A rule's place is its own, so the names that it holds for come right behind it."""
    found: dict[str, LevelRule] = {}
    for name, rule in rules.items():
        found[name] = rule
        found |= {each: rule for each in odd if plain_name(each) == name}
    return found
