"""Changing the rules: as a whole, each time as a further version."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from service.bodies import is_read_whole
from service.db.tables import RulesVersion
from service.identity.audit import Change
from service.identity.meanwhile import last_change
from service.problems import Problem
from service.rules.document import LevelIn, RulesIn, cannot_read, of_settings, read_stored
from service.rules.experiments import Experiment
from service.rules.in_force import experiment_at
from service.rules.known import check_offers
from service.rules.prompts import WallName
from service.rules.store import add_version, latest
from service.settings import Settings


def written_rules(stored: RulesVersion | None, settings: Settings) -> RulesIn:
    """What a version says; None: the settings. Raises Problem `rules-unreadable`."""
    if stored is None:
        return of_settings(settings)
    try:
        return read_stored(stored.document)
    except ValidationError as error:
        raise Problem("rules-unreadable", cannot_read(f"version {stored.version}")) from error


def unread_of(stored: RulesVersion) -> str:
    """That a version has parts of a later release, which replacing it would lose, in a sentence; empty: it has none."""
    return "" if is_read_whole(RulesIn, stored.document) else later_words(stored.version)


def later_words(version: int) -> str:
    """That a later release saved this version."""
    return f"A later release saved version {version}. This release can show it, but neither replace it nor save it again."


async def save_rules(
    change: Change, rules: RulesIn, settings: Settings, *, after: int | None, shown: int = 0
) -> RulesVersion | None:
    """Put the rules in force, if they differ from those that are; the version in force then.

    `after`: the version that the editor has seen, 0 for the settings'; None: whichever it is. `shown`: the version that was
    changed into these rules.
    Raises Problem `rules-changed` where it is another one now, `rules-unreadable` where this release can't read one of the two whole, `invalid-request` for offers that don't exist, and `experiment-relies-on-them` where they would
    change what the control of a running experiment counts by or shows. Call it while nobody else changes experiments
    (experiment_changes.py).
    """
    former = await latest(change.session)
    current = former.version if former is not None else 0
    if after is not None and after != current:
        raise await _changed(change, settings, former, after)
    before = written_rules(former, settings)
    if before == rules:
        return former
    for replaced in (former, await change.session.get(RulesVersion, shown) if shown else None):
        if replaced is not None and (unread := unread_of(replaced)):
            raise Problem("rules-unreadable", unread)
    await check_offers(
        change.session,
        [
            (f"body.prompts.{place}.offers", prompt.offers)
            for place, prompt in enumerate(rules.prompts)
        ],
    )
    await _check_experiment(change, before, rules, settings)
    saved = await add_version(
        change.session, rules.model_dump(mode="json"), after=current, actor=change.actor,
        now=change.clocks.business(),
    )  # fmt: skip
    if saved is None:
        raise Problem("rules-changed")
    was, becomes = dict(_lines(before)), dict(_lines(rules))
    await change.record(
        "rules.change",
        f"rules {saved.version}",
        before={name: text for name, text in was.items() if becomes.get(name) != text},
        after={name: text for name, text in becomes.items() if was.get(name) != text},
    )
    return saved


async def _changed(
    change: Change, settings: Settings, former: RulesVersion | None, after: int
) -> Problem:
    """Problem `rules-changed`, with what is otherwise now than in the version that was seen, and by whom."""
    current = former.version if former is not None else 0
    seen = await change.session.get(RulesVersion, after) if after < current else None
    was, now = (dict(_lines(written_rules(each, settings))) for each in (seen, former))
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    by, at = await last_change(change.session, ("rules.change",), f"rules {current}")
    return Problem(
        "rules-changed", changed=names, now={name: now.get(name) for name in names}, by=by, at=at
    )


async def _check_experiment(
    change: Change, before: RulesIn, after: RulesIn, settings: Settings
) -> None:
    now = change.clocks.business()
    experiment = await experiment_at(change.session, now)
    if experiment is None:
        return
    was, becomes = (control_of(experiment, each, settings, now) for each in (before, after))
    if was != becomes:
        what = _relied_on(experiment)
        raise Problem(
            "experiment-relies-on-them",
            f"The experiment {experiment.slug} compares other readers with those who have the {what} of now. Stop it "
            f"first, or change the {what} after its end on {experiment.ends_at.astimezone(settings.zone):%Y-%m-%d}.",
            experiment=experiment.slug,
        )


def _relied_on(experiment: Experiment) -> str:
    """What of the rules the experiment's control has, in words."""
    if experiment.scope is None:
        return "meters"
    return "words of walls" if experiment.scope.place == "wall" else "countdowns and notices"


def control_of(experiment: Experiment, rules: RulesIn, settings: Settings, now: datetime) -> object:
    """What of the rules the experiment's control counts by or shows from `now` on, to be compared."""
    ruled, scope = rules.as_rules(settings), experiment.scope
    if scope is None:
        return ruled.meters
    shown = experiment.of_control(ruled.prompts, now)
    if scope.place != "wall":
        return shown
    said = rules.in_place_of(settings)
    usual: dict[WallName, tuple[str, str]] = {
        "subscribe": (said.wall_title, said.wall_text),
        "register": (said.register_wall_title, said.register_wall_text),
    }
    return shown, [words for wall, words in usual.items() if wall in (scope.walls or usual)]


def _lines(rules: RulesIn) -> Iterator[tuple[str, str]]:
    """What is set, in a line each, by what it is set for."""
    yield "publication", _level(rules.levels.default)
    for section in rules.levels.sections:
        yield f"section {section.name}", _level(section)
    for place, tag in enumerate(rules.levels.tags, start=1):
        yield f"tag {tag.name}", f"{place}. {_level(tag)}"
    for place, prompt in enumerate(rules.prompts, start=1):
        said_of_it = prompt.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        yield f"prompt {prompt.name}", f"{place}. {json.dumps(said_of_it, ensure_ascii=False)}"
    for place, meter in enumerate(rules.meters, start=1):
        said_of_it = meter.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        yield f"meter {meter.name}", f"{place}. {json.dumps(said_of_it, ensure_ascii=False)}"
    for part, said in (
        ("meter", rules.meter),
        ("walls", rules.walls),
        ("crawlers", rules.crawlers),
        ("gift links", rules.gift_links),
        ("devices", rules.devices),
        ("elsewhere", rules.elsewhere),
        ("previews", rules.previews),
        ("cookieless", rules.cookieless),
    ):
        if said is not None:
            yield from (
                (f"{part} {name}", str(value)) for name, value in _leaves(said.model_dump())
            )


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {below}", each) for below, each in _leaves(value))
        else:
            yield name, value


def _level(rule: LevelIn) -> str:
    plans = f" of {', '.join(rule.plans)}" if rule.plans else ""
    schedule = rule.schedule.model_dump(exclude_none=True) if rule.schedule is not None else {}
    changes = "".join(f", {name.replace('_', ' ')}: {value}" for name, value in schedule.items())
    return f"{rule.level}{plans}{changes}"
