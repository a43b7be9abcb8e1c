"""Which grants are live, and what they cover: pure, time is a parameter.

A grant is (holder, source, scope, starts_at, ends_at, reference). Access is any live grant; grants
don't overwrite one another, so each ends by itself (access.md).

Scopes: `everything`, `plan:<plan>`, `section:<section>`, `article:<id>`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from service.levels import Level

Source = Literal[
    "subscription", "external", "comp", "seat", "institution", "gift", "pass", "crawler"
]

EVERYTHING = "everything"


class GrantFacts(NamedTuple):
    """One grant. Live from `starts_at` up to, but not at, `ends_at`; None: until revoked.

    A tuple, which costs little to compare: what was worked out of a reader's grants is found by them.
    """

    id: str
    source: Source
    reference: str
    scope: str
    starts_at: datetime
    ends_at: datetime | None
    in_grace: bool = False

    def is_live(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True)
class GrantableArticle:
    """What decides whether a grant covers an article. `plans` counts at level subscribers only."""

    id: str
    level: Level
    plans: Collection[str]
    section: str | None


def provisional_reference(reader_id: str) -> str:
    """The reference of the external grant of a reader whose claim no list has had yet: it shows nothing but that
    somebody typed a number, so it opens articles and nothing more.
    """
    return f"provisional/{reader_id}"


def plan_scope(plan: str) -> str:
    return f"plan:{plan}"


def article_scope(article_id: str) -> str:
    return f"article:{article_id}"


def is_broad(scope: str) -> bool:
    """Whether it opens everything or a plan, rather than a section or one article."""
    return scope == EVERYTHING or scope.startswith(plan_scope(""))


def live(grants: Iterable[GrantFacts], at: datetime) -> tuple[GrantFacts, ...]:
    return tuple(grant for grant in grants if grant.is_live(at))


def covers(scope: str, article: GrantableArticle) -> bool:
    """Whether a grant of this scope opens the article; an unknown scope opens nothing."""
    kind, _, name = scope.partition(":")
    match kind:
        case "everything":
            return not name
        case "plan":
            limited = article.level == "subscribers" and bool(article.plans)
            return name in article.plans if limited else bool(name)
        case "section":
            return bool(name) and name == article.section
        case "article":
            return bool(name) and name == article.id
        case _:
            return False
