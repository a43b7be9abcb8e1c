"""The rules that hold now, in the memory of every serving process: asking them costs no query."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated

import structlog
from fastapi import Depends
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from service.bodies import is_read_whole
from service.db.session import Database
from service.db.tables import ExperimentRow, RulesVersion
from service.rules.document import cannot_read, of_settings, read_stored
from service.rules.experiment_document import ExperimentIn, read_plan
from service.rules.experiment_store import begun_and_stopped, latest_begun, running_at
from service.rules.experiments import Experiment, Variant
from service.rules.rules import Rules
from service.rules.store import latest_version, newest_versions
from service.running import running_of
from service.settings import Settings

log = structlog.get_logger()
_MOST_TRIED = 20


class RulesUnreadable(Exception):
    """Editors have saved rules, and this release can read none of them. The settings' are no substitute: they may
    open what editors have closed.
    """


@dataclass(frozen=True)
class InForce:
    """The rules of this moment, and the settings with what editors have set in their place.

    `version` is 0 while no editor has set anything; `said` are the names of the settings in whose place
    the rules are.
    """

    settings: Settings
    rules: Rules
    version: int = 0
    said: frozenset[str] = frozenset()
    experiment: Experiment | None = None
    """The one that was started last and not stopped; it may be over."""
    own: Settings | None = None
    """The settings without the rules, by which other rules can be read; None: they aren't known."""
    variant: str | None = None
    """Whose view this is, as `experiment/variant`; None: of those who are in none."""

    @classmethod
    def by_default(cls, settings: Settings) -> "InForce":
        """The rules that the settings make."""
        return cls(settings, of_settings(settings).as_rules(settings), own=settings)

    @classmethod
    def of(cls, stored: RulesVersion, settings: Settings) -> "InForce":
        """Raises ValidationError where a later release wrote them."""
        rules = read_stored(stored.document)
        return cls(
            rules.in_place_of(settings),
            rules.as_rules(settings),
            stored.version,
            frozenset(rules.said()),
            own=settings,
        )

    @cached_property
    def tries_limits(self) -> bool:
        """Whether the experiment is on the meter's limits."""
        return self.experiment is not None and self.experiment.scope is None

    @property
    def know_gifts(self) -> bool:
        """Whether it matters to what is said that a reader came by a gift; the control is asked alike."""
        scope = self.experiment.scope if self.experiment is not None else None
        return self.rules.know_gifts or (scope is not None and "gift" in scope.audiences)

    def view_of(self, unit: str, secret: bytes, now: datetime) -> "InForce":
        """What holds for this reader or device: what their variant changes, while the experiment runs."""
        experiment = self.experiment
        if experiment is None or not experiment.runs(now):
            return self
        variant = experiment.variant_of(unit, secret)
        return self if variant is None else self._views[variant.name]

    @cached_property
    def _views(self) -> Mapping[str, "InForce"]:
        if self.experiment is None:
            return {}
        return {each.name: self._with(self.experiment, each) for each in self.experiment.variants}

    def _with(self, experiment: Experiment, variant: Variant) -> "InForce":
        settings, rules = self.settings, self.rules
        # A meter that was switched off since the start stays off.
        if variant.limits is not None and rules.meters.publication.anonymous is not None:
            limits = {
                "meter_limit": variant.limits.anonymous,
                "registered_meter_limit": variant.limits.registered,
            }
            settings = settings.model_copy(update=limits)
            meters = rules.meters.with_limits(variant.limits.anonymous, variant.limits.registered)
            rules = replace(rules, meters=meters)
        if variant.prompt is not None:
            rules = replace(rules, prompts=(variant.prompt, *rules.prompts))
        return replace(self, settings=settings, rules=rules, variant=experiment.name_of(variant))


class RuleBook:
    """The rules in force. Changes made elsewhere are seen by `refresh`, which the background runner
    calls every interval (1 s by default), so within 2 s.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.in_force = InForce.by_default(settings)
        self._seen: tuple[int, int, int] | None = None
        self._listeners: list[Callable[[], None]] = []

    def when_changed(self, act: Callable[[], None]) -> None:
        """Call `act` after each change: what was made of the rules before is out of date."""
        self._listeners.append(act)

    async def refresh(self, database: Database) -> None:
        """Take over the latest rules in the database. Raises RulesUnreadable where there were none before that hold."""
        async with database.reading() as session:
            latest = (await latest_version(session), *await begun_and_stopped(session))
            if latest == self._seen:
                return
            newest = await newest_versions(session, most=_MOST_TRIED)
            experiment = _started(await latest_begun(session))
        found = replace(self._newer(newest), experiment=experiment)
        self._seen = latest
        if found == self.in_force:
            return
        self.in_force = found
        for act in self._listeners:
            act()

    def _newer(self, newest_first: Sequence[RulesVersion]) -> InForce:
        """What is in force stays where none that is newer can be read."""
        try:
            found = _readable(newest_first, self._settings)
        except RulesUnreadable:
            if self._seen is None:
                raise
            return self.in_force
        return found if found.version > self.in_force.version else self.in_force


async def in_force_at(session: AsyncSession, settings: Settings, at: datetime) -> InForce:
    """The rules of an instant of the past, business time, with the settings of today.

    Those before the first version that an editor saved are today's settings'. Raises RulesUnreadable.
    """
    found = _readable(await newest_versions(session, most=_MOST_TRIED, at=at), settings)
    return replace(found, experiment=await experiment_at(session, at))


async def latest_in_force(session: AsyncSession, in_force: InForce) -> InForce:
    """The rules that the database has now, where this process may not have learned of them; without experiments.

    Raises RulesUnreadable.
    """
    if in_force.own is None or await latest_version(session) == in_force.version:
        return in_force
    return _readable(await newest_versions(session, most=_MOST_TRIED), in_force.own)


async def experiment_at(session: AsyncSession, at: datetime) -> Experiment | None:
    """The one that runs at this instant of the business time, or ran then; None too where a later release planned it."""
    return _started(await running_at(session, at))


def _started(stored: ExperimentRow | None) -> Experiment | None:
    """None where there is none, or a later release planned it: what this one doesn't know would change what is compared."""
    if stored is None or stored.started_at is None:
        return None
    if not is_read_whole(ExperimentIn, stored.document):
        log.error("experiment.unreadable", experiment=stored.slug)
        return None
    return read_plan(stored.document).as_rule(stored.started_at)


def _readable(newest_first: Sequence[RulesVersion], settings: Settings) -> InForce:
    """By the newest of these versions that this release can read; a later one may have written others. Where there are
    none, by the settings. Raises RulesUnreadable where there are some, and none can be read.
    """
    if not newest_first:
        return InForce.by_default(settings)
    for stored in newest_first:
        try:
            return InForce.of(stored, settings)
        except ValidationError:
            log.exception("rules.unreadable", version=stored.version)
    raise RulesUnreadable(cannot_read(f"version {newest_first[0].version} and before"))


async def rules_in_force(settings: Settings, database: Database) -> InForce:
    """What is in force, for a command that runs beside the service. Raises RulesUnreadable."""
    book = RuleBook(settings)
    await book.refresh(database)
    return book.in_force


async def in_force_of(connection: HTTPConnection) -> InForce:
    """What is in force in the application that answers this request."""
    return running_of(connection).get(RuleBook).in_force


AppInForce = Annotated[InForce, Depends(in_force_of)]
