"""Which level an article has, and what set it. Pure: the one place where a level is worked out."""

from dataclasses import dataclass
from typing import Literal, Protocol

from service.levels import Level

LevelSource = Literal["article", "publication", "cut"]
"""What set a level. `cut`: the preview is the whole article, so there is nothing to close."""


class Leveled(Protocol):
    """What an article's level depends on; articles of every shape have it."""

    @property
    def level(self) -> Level | None: ...
    @property
    def cut_is_whole(self) -> bool: ...


@dataclass(frozen=True)
class Rules:
    """What the publication sets for articles that name no level."""

    default: Level


@dataclass(frozen=True)
class LevelAt:
    """The level that holds, and what set it."""

    level: Level
    source: LevelSource


def level_at(article: Leveled, rules: Rules) -> LevelAt:
    """The effective level of the article: of the teaser, the page, the meter and the decision."""
    if article.cut_is_whole:
        return LevelAt("free", "cut")
    if article.level is not None:
        return LevelAt(article.level, "article")
    return LevelAt(rules.default, "publication")
