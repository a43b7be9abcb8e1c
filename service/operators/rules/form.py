"""The form of the rules: one row for the publication, one a section and tag. Rows without a name are left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from pydantic import ValidationError

from service.bodies import TYPED
from service.operators.frame.field_words import words_of as label_of
from service.operators.rules.meters_form import (
    ENTRY_FIELDS,
    MeterRow,
    entries_in,
    entry_limits,
    meters_of,
    named_meters,
)
from service.operators.rules.prompt_rows import (
    Column,
    PromptRow,
    in_order,
    one_kind_of_line_end,
    prompts_of,
    rows_in,
)
from service.problems import Problem
from service.rules.document import LevelIn, RulesIn, of_settings
from service.settings import Settings
from service.texts import storable
from service.wrong_values import said_of

_SPARE = 2
_PLACES = {"sections": "section", "tags": "tag"}
_LONGEST = 2_000


@dataclass(frozen=True)
class Row:
    """The texts of a row. `kind` is `publication`, `section` or `tag`."""

    kind: str
    name: str = ""
    level: str = ""
    plans: str = ""
    free_hours: str = ""
    subscribers_after_days: str = ""
    free_after_days: str = ""


@dataclass(frozen=True)
class Words:
    """The texts of the form's other fields, named by their place in the document."""

    items: tuple[tuple[str, str], ...]

    @cached_property
    def values(self) -> Mapping[str, str]:
        return dict(self.items)

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


_FIELDS = (
    "meter.window",
    "meter.days",
    "meter.anonymous",
    "meter.registered",
    "meter.former",
    "meter.carry_count",
    "walls.subscribe_wall.title",
    "walls.subscribe_wall.text",
    "walls.register_wall.title",
    "walls.register_wall.text",
    "walls.purpose",
    "gift_links.per_month",
    "gift_links.days",
    "gift_links.readers",
    "devices.per_reader",
    "elsewhere.by_account",
    "elsewhere.provisional_days",
    "previews.blocks",
    "previews.words",
    "previews.withheld_percent",
    "cookieless.per_day",
)


def _in_a_line(name: str) -> str:
    """What save.py calls the field where it says what was changed meanwhile."""
    part, _, rest = name.partition(".")
    return f"{part.replace('_', ' ')} {rest.replace('.', ' ')}"


LABELS: Mapping[str, str] = {_in_a_line(each): label_of("/admin/rules", each) for each in _FIELDS}
"""What the form calls what another editor has changed meanwhile."""


async def sent_words(request: Request) -> Words:
    """The other fields as they were sent. Raises Problem `invalid-request` for what no database stores."""
    form = await request.form()
    names = (*_FIELDS, *ENTRY_FIELDS)
    values = {name: str(form.get(name, ""))[:_LONGEST] for name in names}
    try:
        storable(values)
    except ValueError as error:
        raise Problem("invalid-request", f"A text {error}.") from error
    return Words(tuple(values.items()))


def words_of(rules: RulesIn) -> Words:
    """The texts that show what these rules set beside levels, own meters and prompts."""
    values = entry_limits(rules.meter)
    for name in _FIELDS:
        found: Any = rules
        for part in name.split("."):
            found = getattr(found, part) if found is not None else None
        values[name] = "" if found is None or found is False else str(found)
    return Words(tuple(values.items()))


@dataclass(frozen=True)
class Entries:
    """All that the form shows."""

    rows: tuple[Row, ...]
    words: Words
    prompts: tuple[PromptRow, ...]
    meters: tuple[MeterRow, ...]


def entries_of(rules: RulesIn, settings: Settings) -> Entries:
    """What shows these rules, and the settings' where they say nothing of a part."""
    parts = ("meter", "walls", "gift_links", "devices", "elsewhere", "previews", "cookieless")
    if missing := [part for part in parts if getattr(rules, part) is None]:
        usual = of_settings(settings)
        rules = rules.model_copy(update={part: getattr(usual, part) for part in missing})
    return Entries(
        tuple(rows_of(rules)), words_of(rules), tuple(prompts_of(rules, settings.zone)),
        tuple(meters_of(rules)),
    )  # fmt: skip


async def sent_rows(
    kind: Column = None,
    name: Column = None,
    level: Column = None,
    plans: Column = None,
    free_hours: Column = None,
    subscribers_after_days: Column = None,
    free_after_days: Column = None,
) -> list[Row]:
    """The rows of the form as it was sent. Raises Problem `invalid-request` for columns that don't fit."""
    columns = [kind, name, level, plans, free_hours, subscribers_after_days, free_after_days]
    return [Row(*texts) for texts in rows_in(columns)]


def rows_of(rules: RulesIn) -> list[Row]:
    """The rows that show these rules, with spare ones for further sections and tags."""
    levels = rules.levels
    rows = [_row("publication", levels.default)]
    for kind, named in (("section", levels.sections), ("tag", levels.tags)):
        rows += [_row(kind, each, each.name) for each in named]
        rows += [Row(kind)] * _SPARE
    return rows


def rules_in(entries: Entries, zone: ZoneInfo) -> RulesIn:
    """The rules that the form says. Raises Problem `invalid-request`, in words about the row."""
    rows, words = entries.rows, entries.words
    named = [row for row in rows if row.kind != "publication" and row.name.strip()]
    by_kind = {kind: [row for row in named if row.kind == kind] for kind in _PLACES.values()}
    default = next((row for row in rows if row.kind == "publication"), Row("publication"))
    document: dict[str, Any] = {
        "levels": {
            "default": _rule(default),
            **{
                place: [{"name": row.name, **_rule(row)} for row in by_kind[kind]]
                for place, kind in _PLACES.items()
            },
        }
    }
    for name in _FIELDS:
        *parts, last = name.split(".")
        place = document
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = one_kind_of_line_end(words[name])
    for name in ("days", "anonymous", "former"):
        document["meter"][name] = document["meter"][name] or None
    for part, name in (("meter", "carry_count"), ("elsewhere", "by_account")):
        document[part][name] = bool(document[part][name])
    document["meter"]["entries"] = entries_in(words.values)
    meters = [*named_meters(entries.meters)]
    document["meters"] = [each.document() for each in meters]
    shown = in_order(entries.prompts)
    document["prompts"] = [each.document(zone) for each in shown]
    try:
        return RulesIn.model_validate(document, context=TYPED)
    except ValidationError as error:
        names = {
            "prompts": [each.prompt.strip() for each in shown],
            "meters": [each.meter.strip() for each in meters],
        }
        raise Problem("invalid-request", " ".join(_sentences(error, by_kind, names))) from error


def _row(kind: str, rule: LevelIn, name: str = "") -> Row:
    schedule = rule.schedule.model_dump(exclude_none=True) if rule.schedule is not None else {}
    times = {each: str(value) for each, value in schedule.items()}
    return Row(kind, name, rule.level, ", ".join(rule.plans), **times)


def _rule(row: Row) -> dict[str, Any]:
    times = {
        each: getattr(row, each).strip()
        for each in ("free_hours", "subscribers_after_days", "free_after_days")
    }
    schedule = {each: text for each, text in times.items() if text}
    plans = [plan.strip() for plan in row.plans.split(",") if plan.strip()]
    return {"level": row.level, "plans": plans, "schedule": schedule or None}


_NAMED = {"prompts": "Prompt", "meters": "Meter"}


def _sentences(
    error: ValidationError, by_kind: dict[str, list[Row]], names: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        message = said_of(item)
        if (name := ".".join(place)) in _FIELDS:
            yield f"{label_of('/admin/rules', name)}: {message}."
            continue
        about = "All other articles"
        if place[:1] and place[0] in names and len(place) > 1:
            where = f", {place[2].replace('_', ' ')}" if len(place) > 2 else ""  # noqa: PLR2004 its field
            yield f"{_NAMED[place[0]]} {names[place[0]][int(place[1])]}{where}: {message}."
            continue
        if place[:1] == ["meter"]:
            yield f"{'Limits by entry' if 'entries' in place else 'Meter'}: {message}."
            continue
        if not place or place[0] in names:
            yield f"Meters and prompts: {message}."
            continue
        if len(place) > 2 and place[1] in _PLACES:  # noqa: PLR2004 levels, sections, its number
            kind = _PLACES[place[1]]
            about = f"{kind.capitalize()} {by_kind[kind][int(place[2])].name.strip()}"
        elif place[1:] == []:
            about = "Sections and tags"
        field = f", {place[-1].replace('_', ' ')}" if not place[-1].isdigit() else ""
        yield f"{about}{field}: {message}."
