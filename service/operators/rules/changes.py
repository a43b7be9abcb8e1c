"""Looking rules up, and putting others in force: for the pages and the API."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context, context_in
from service.db.keyset import Keyset, Page
from service.db.tables import RulesVersion
from service.html.list_query import ListQuery
from service.identity.callers import Actor
from service.operators.rules.schemas import RulesMade, RulesOut
from service.problems import Problem
from service.rules.document import RulesIn
from service.rules.experiment_changes import changing_experiments
from service.rules.in_force import RuleBook
from service.rules.known import warnings_of
from service.rules.save import save_rules, unread_of, written_rules
from service.rules.store import latest
from service.running import running_of
from service.settings import Settings

_HISTORY = Keyset(RulesVersion.version)


@dataclass(frozen=True)
class RuleChanges:
    """Changes, each in a transaction of its own and in force in this process once it is committed."""

    context: Context
    rule_book: RuleBook

    async def save(
        self, actor: Actor, rules: RulesIn, *, after: int | None, shown_version: int = 0
    ) -> RulesOut:
        """Raises the problems `rules-changed`, `rules-unreadable` and `experiment-relies-on-them` (rules/save.py)."""
        async with changing_experiments(self.context, actor.label) as change:
            saved = await save_rules(
                change, rules, self.context.settings, after=after, shown=shown_version
            )
            made = await shown(change.session, saved, self.context.settings)
        await self.rule_book.refresh(self.context.database)
        return made


async def rule_changes(request: Request) -> RuleChanges:
    """Those of the application that answers."""
    running = running_of(request)
    return RuleChanges(context_in(running), running.get(RuleBook))


AppRuleChanges = Annotated[RuleChanges, Depends(rule_changes)]


async def shown(session: AsyncSession, stored: RulesVersion | None, settings: Settings) -> RulesOut:
    """A version whole; None: the rules of the settings. Raises Problem `rules-unreadable`."""
    rules = written_rules(stored, settings)
    warnings = await warnings_of(session, rules)
    if stored is None:
        return RulesOut(version=0, at=None, by=None, rules=rules, is_whole=True, warnings=warnings)
    unread = unread_of(stored)
    return RulesOut(
        version=stored.version, at=stored.at, by=stored.actor, rules=rules, is_whole=not unread,
        warnings=[*warnings, unread] if unread else warnings,
    )  # fmt: skip


async def current_rules(session: AsyncSession, settings: Settings) -> RulesOut:
    """What is in force, by the database."""
    return await shown(session, await latest(session), settings)


async def rules_of_version(session: AsyncSession, version: int) -> RulesVersion:
    """Raises Problem `not-found`."""
    found = await session.get(RulesVersion, version)
    if found is None:
        raise Problem("not-found", f"Version {version} of the rules not found.")
    return found


async def list_versions(session: AsyncSession, asked: ListQuery) -> Page[RulesMade]:
    """The newest first. Raises Problem `invalid-request` for a cursor that isn't ours."""
    found = await _HISTORY.rows(session, _every(), cursor=asked.cursor, limit=asked.limit)
    return found.map(lambda row: RulesMade(version=row.version, at=row.at, by=row.actor))


@cache
def _every() -> Select[int, datetime, str]:
    """Without their documents, of which each may be long."""
    return select(RulesVersion.version, RulesVersion.at, RulesVersion.actor)
