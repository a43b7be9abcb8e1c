"""The rules as editors write them: what is taken, and what is refused with its field."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.rules.document import RulesIn, of_settings
from service.rules.rules import LevelRule, Schedule
from service.settings import Settings

GIVEN: dict[str, Any] = {"per_month": 10, "days": 30, "readers": 50}
ONE_DEVICE: dict[str, Any] = {"per_reader": 1}
CLAIMED: dict[str, Any] = {"by_account": True, "provisional_days": 7}
CUT = {"blocks": 3, "words": 200, "withheld_percent": 40}
SPORT = {"name": "Sport", "level": "subscribers", "plans": ["digital"]}


def document(**levels: Any) -> dict[str, Any]:
    return {"levels": {"default": {"level": "metered"}, **levels}}


def test_what_is_written_is_what_holds() -> None:
    schedule = {"free_hours": 3, "free_after_days": 30}
    written = document(sections=[SPORT, {"name": " News ", "level": "free", "schedule": schedule}])
    levels = RulesIn.model_validate(written).as_rules(Settings()).levels
    assert levels.default == LevelRule("metered")
    assert levels.sections == {
        "Sport": LevelRule("subscribers", frozenset({"digital"})),
        "News": LevelRule("free", schedule=Schedule(free_hours=3, free_after_days=30)),
    }


def test_a_document_comes_back_as_it_was_written() -> None:
    rules = RulesIn.model_validate(document(sections=[SPORT], tags=[SPORT]))
    assert RulesIn.model_validate(rules.model_dump(mode="json")) == rules
    assert RulesIn.model_validate_json(rules.model_dump_json()) == rules


def test_without_a_document_the_settings_hold() -> None:
    settings = Settings(
        default_level="registered",
        section_levels={"News": "free"},
        tag_levels={"Election": "free", "Quiz": "subscribers"},
    )
    levels = of_settings(settings).as_rules(settings).levels
    assert levels.default == LevelRule("registered")
    assert levels.sections == {"News": LevelRule("free")}
    assert list(levels.tags) == ["Election", "Quiz"]


def test_each_part_stands_in_the_settings_place() -> None:
    settings = Settings(
        meter_limit=None, registered_meter_limit=4, wall_title="Join us", gift_links_per_month=3,
        gift_link_days=9, gift_link_readers=8, devices_per_reader=2, rights_by_account=True,
        rights_provisional_days=7,
    )  # fmt: skip
    said = of_settings(settings)
    assert said.in_place_of(Settings()).model_dump() == settings.model_dump()
    silent = RulesIn.model_validate(document())
    assert silent.in_place_of(settings) == settings


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({}, "levels"),
        ({"levels": {}}, "levels.default"),
        ({**document(), "other": 1}, "other"),
        (document(default={"level": "open"}), "levels.default.level"),
        (document(default={"level": "metered", "plans": ["digital"]}), "levels.default"),
        (document(sections=[{"level": "free"}]), "levels.sections.0.name"),
        (document(sections=[{"name": "  ", "level": "free"}]), "levels.sections.0.name"),
        (document(sections=[{"name": "a\0", "level": "free"}]), "levels.sections.0.name"),
        (document(sections=[{"name": "\ud800", "level": "free"}]), "levels.sections.0.name"),
        (document(sections=[{"name": "n" * 201, "level": "free"}]), "levels.sections.0.name"),
        (document(sections=[SPORT, SPORT]), "levels"),
        ({**document(), "meter": {"window": "month", "anonymous": 3}}, "meter.registered"),
        *(
            (
                {
                    **document(),
                    "meter": {"window": "month", "anonymous": 3, "registered": 5, name: value},
                },
                f"meter.{name}",
            )
            for name, value in [
                ("window", "year"),
                ("anonymous", -1),
                ("registered", 1001),
                ("registered", None),
                ("weeks", 3),
                ("days", 0),
            ]
        ),
        *(
            ({**document(), "meter": {"anonymous": 3, "registered": 5, **window}}, "meter")
            for window in ({"window": "rolling"}, {"window": "month", "days": 3})
        ),
        *(
            ({**document(), part: {**usual, name: value}}, f"{part}.{name}")
            for part, usual, name, value in [
                ("gift_links", GIVEN, "per_month", -1),
                ("gift_links", GIVEN, "per_month", 1001),
                ("gift_links", GIVEN, "days", 0),
                ("gift_links", GIVEN, "days", None),
                ("gift_links", GIVEN, "readers", 0),
                ("gift_links", GIVEN, "readers", 10_001),
                ("gift_links", GIVEN, "weeks", 3),
                ("devices", ONE_DEVICE, "per_reader", 0),
                ("devices", ONE_DEVICE, "per_reader", 101),
                ("elsewhere", CLAIMED, "provisional_days", 32),
                ("elsewhere", CLAIMED, "by_account", None),
                ("previews", CUT, "blocks", 0),
                ("previews", CUT, "blocks", True),
                ("previews", CUT, "words", 5001),
                ("previews", CUT, "withheld_percent", 9),
                ("previews", CUT, "withheld_percent", 96),
                ("previews", CUT, "lines", 3),
                ("cookieless", {"per_day": 1}, "per_day", -1),
                ("cookieless", {"per_day": 1}, "per_day", 1_000_001),
                ("cookieless", {"per_day": 1}, "per_day", None),
            ]
        ),
        (document(tags=[SPORT, {**SPORT, "name": " Sport"}]), "levels"),
        (document(sections=[{**SPORT, "plans": ["Not a slug"]}]), "levels.sections.0.plans.0"),
        (document(sections=[{**SPORT, "name": f"s{n}"} for n in range(501)]), "levels.sections"),
        *(
            (
                document(default={"level": "metered", "schedule": schedule}),
                f"levels.default.{place}",
            )
            for schedule, place in [
                ({"free_hours": 0}, "schedule.free_hours"),
                ({"free_hours": -1}, "schedule.free_hours"),
                ({"free_after_days": 10**9}, "schedule.free_after_days"),
                ({"free_days": 3}, "schedule.free_days"),
                ({"free_hours": 49, "free_after_days": 2}, "schedule"),
                ({"free_hours": 49, "subscribers_after_days": 2}, "schedule"),
                ({"subscribers_after_days": 2, "free_after_days": 2}, "schedule"),
            ]
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(written: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RulesIn.model_validate(written)
    assert place in {".".join(map(str, item["loc"])) for item in refused.value.errors()}
