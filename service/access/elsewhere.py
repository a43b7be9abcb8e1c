"""What opens an article beside what is the reader's own: to a browser of theirs, or in a network. Said in sentences."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import ArticleFacts
from service.access.words import long_day
from service.db.tables import Institution
from service.grants.gift_links import open_on_a_device_of
from service.grants.grants import covers, plan_scope
from service.rules.prompts import AUDIENCE_WORDS

_MOST_NAMED = 3
CONTRACTS_OF_TODAY = (
    "What contracts of institutions said then isn't kept: they are taken as they are today."
)


async def by_gift(
    session: AsyncSession, reader_id: str, article_id: str, at: datetime, zone: ZoneInfo
) -> tuple[str, ...]:
    """A gift link's grant is a browser's, not the reader's."""
    until = await open_on_a_device_of(session, reader_id, article_id, at)
    if until is None:
        return ()
    day = long_day(until, zone)
    return (
        f"Which browser they read in isn't known: in one of theirs a gift link opens this article until {day}.",
    )


async def by_network(session: AsyncSession, article: ArticleFacts, at: datetime) -> tuple[str, ...]:
    """Everybody in a network of an institution reads by its contract."""
    running = await _running(session, at)
    names = _names(
        running, lambda each: bool(each.networks) and covers(plan_scope(each.plan), article)
    )
    told = [f"From a network of {_any_of(names)} it opens without signing in."] if names else []
    if any(each.updated_at > at for each in running):
        told.append(CONTRACTS_OF_TODAY)
    return tuple(told)


async def to_prompts(session: AsyncSession, at: datetime) -> tuple[str, ...]:
    """Prompts speak to everybody in a network of an institution as to its readers, whatever its plan opens."""
    names = _names(await _running(session, at), lambda each: bool(each.networks))
    if not names:
        return ()
    return (
        f"In a network of {_any_of(names)} the audience may be: {AUDIENCE_WORDS['institution']}.",
    )


async def _running(session: AsyncSession, at: datetime) -> Sequence[Institution]:
    runs = or_(Institution.ends_at.is_(None), Institution.ends_at > at)
    ordered = (
        select(Institution)
        .where(Institution.starts_at <= at, runs)
        .order_by(Institution.name, Institution.slug)
    )
    return (await session.scalars(ordered)).all()


def _names(running: Sequence[Institution], fits: Callable[[Institution], bool]) -> list[str]:
    """Of those that fit; by their slugs too, where two have one name."""
    called = Counter(each.name for each in running)
    return [
        each.name if called[each.name] == 1 else f"{each.name} ({each.slug})"
        for each in running
        if fits(each)
    ]


def _any_of(names: list[str]) -> str:
    others = len(names) - _MOST_NAMED
    shown = names[:_MOST_NAMED] + ([f"{others} more"] if others > 0 else [])
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
