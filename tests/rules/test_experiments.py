"""Who gets which variant: the same for good, in the planned shares, and by plans that can't change afterwards."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from service.rules.document import RulesIn, of_settings
from service.rules.experiment_document import ExperimentIn
from service.rules.experiments import Experiment, Variant, state_of
from service.rules.prompts import Occasion
from service.rules.save import control_of
from service.settings import Settings

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECRET = b"s" * 32


def experiment(slug: str = "spring", *shares: int) -> Experiment:
    variants = tuple(Variant(f"v{n}", share) for n, share in enumerate(shares or (50, 50)))
    return Experiment(slug, variants, None, NOW, NOW + 30 * DAY)


def drawn(of: Experiment, units: int, secret: bytes = SECRET) -> list[str]:
    found = (of.variant_of(f"dev_{n}", secret) for n in range(units))
    return [each.name if each is not None else "" for each in found]


def test_a_unit_gets_the_same_variant_each_time() -> None:
    assert drawn(experiment(), 200) == drawn(experiment(), 200)
    assert drawn(experiment(), 200) != drawn(experiment(), 200, secret=b"t" * 32)


@pytest.mark.parametrize("shares", [(50, 50), (10, 90), (34, 33, 33), (5, 5), (100,)])
def test_the_shares_come_out_as_planned(shares: tuple[int, ...]) -> None:
    units = 20_000
    found = Counter(drawn(experiment("shares", *shares), units))
    for number, share in enumerate(shares):
        expected = units * share / 100
        assert abs(found[f"v{number}"] - expected) < 5 * expected**0.5
    assert (found[""] == 0) is (sum(shares) == 100)


def test_two_experiments_draw_independently() -> None:
    both = Counter(
        zip(drawn(experiment("one"), 10_000), drawn(experiment("two"), 10_000), strict=True)
    )
    assert all(abs(count - 2_500) < 250 for count in both.values())


def test_it_runs_up_to_its_end() -> None:
    one = experiment()
    assert [one.runs(at) for at in (NOW - DAY, NOW, NOW + 29 * DAY, NOW + 30 * DAY)] == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("started", "stopped", "state"),
    [(None, None, "draft"), (NOW, None, "running"), (NOW - 9 * DAY, NOW, "stopped")],
)
def test_a_state(started: datetime | None, stopped: datetime | None, state: str) -> None:
    assert state_of(started, stopped, NOW + DAY, NOW) == state
    if state == "running":
        assert state_of(started, stopped, NOW, NOW) == "over"


def plan(**fields: Any) -> dict[str, Any]:
    words = {"title": "Read on", "text": ""}
    return {
        "slug": "spring", "question": "Does it help?", "subject": "prompt", "goal": "paid",
        "size": 1000, "ends_at": "2026-06-01T00:00:00Z",
        "variants": [{"name": "usual", "share": 50}, {"name": "other", "share": 50, "words": words}],
        **fields,
    }  # fmt: skip


LIMITS = {"anonymous": 1, "registered": 3}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"slug": "Spring!"}, "single hyphens"),
        ({"variants": plan()["variants"][:1]}, "at least 2"),
        ({"variants": [plan()["variants"][0], {"name": "other", "share": 50}]}, "needs its limits or words"),
        ({"variants": [{**each, "share": 51} for each in plan()["variants"]]}, "more than 100"),
        ({"variants": [{**each, "name": "same"} for each in plan()["variants"]]}, "name of its own"),
        ({"subject": "limit"}, "don't go with"),
        ({"variants": [plan()["variants"][0], {"name": "b", "share": 5, "limits": LIMITS}]}, "don't go with"),
        ({"place": "notice", "walls": ["register"]}, "need the place"),
        ({"every_days": 7}, "every_days needs the place"),
        ({"variants": [plan()["variants"][0], {"name": "b", "share": 5, "words": {"title": "{left}"}}]},
         "need the place"),
        ({"size": 10}, "greater than or equal"),
        ({"within_days": 91}, "less than or equal"),
        ({"ends_at": "2026-06-01T00:00:00"}, "timezone"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_decided_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ExperimentIn.model_validate(plan(**fields))


def test_limits_are_for_all_readers() -> None:
    variants = [{"name": "usual", "share": 50}, {"name": "less", "share": 50, "limits": LIMITS}]
    fields = plan(subject="limit", variants=variants)
    ruled = ExperimentIn.model_validate(fields).as_rule(NOW)
    assert ruled.scope is None
    with pytest.raises(ValidationError, match="for all readers"):
        ExperimentIn.model_validate({**fields, "sections": ["Sport"]})
    with pytest.raises(ValidationError, match="for all readers"):
        ExperimentIn.model_validate({**fields, "place": "countdown"})


def test_words_are_about_the_walls_that_the_plan_names() -> None:
    ruled = ExperimentIn.model_validate(plan(audiences=["lapsed"], sections=["Sport"])).as_rule(NOW)
    assert ruled.is_about(Occasion("lapsed", "subscribe", "Sport"))
    assert not ruled.is_about(Occasion("anonymous", "subscribe", "Sport"))
    assert not ruled.is_about(Occasion("lapsed", None, "Sport"))


def test_words_are_about_the_place_that_the_plan_names() -> None:
    countdown, notice = (
        ExperimentIn.model_validate(plan(place=place)).as_rule(NOW)
        for place in ("countdown", "notice")
    )
    wall, counted, other = (
        Occasion("anonymous", "subscribe"), Occasion("anonymous", left=2), Occasion("anonymous"),
    )  # fmt: skip
    assert [countdown.is_about(each) for each in (wall, counted, other)] == [False, True, False]
    assert [notice.is_about(each) for each in (wall, counted, other)] == [False, True, True]


METER = {"window": "week", "anonymous": 3, "registered": 5}
WALLS = {"subscribe_wall": {"title": "Read on", "text": "Every day."}}
ON_LIMITS = {
    "subject": "limit",
    "variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50, "limits": LIMITS}],
}
PROMPT: dict[str, Any] = {"name": "p", "title": "Hello"}
RELIED_ON = [
    ({}, {"prompts": [PROMPT]}, True),
    ({}, {"prompts": [{**PROMPT, "draft": True}]}, False),
    ({}, {"prompts": [{**PROMPT, "place": "notice"}]}, False),
    ({}, {"prompts": [{**PROMPT, "ends_at": "2026-03-10T09:00:00Z"}]}, False),
    ({}, {"prompts": [{**PROMPT, "starts_at": "2026-06-01T00:00:00Z"}]}, False),
    ({"sections": ["Sport"]}, {"prompts": [{**PROMPT, "sections": ["Arts"]}]}, False),
    ({"sections": ["Sport"]}, {"prompts": [{**PROMPT, "sections": ["Arts", "Sport"]}]}, True),
    ({"audiences": ["lapsed"]}, {"prompts": [{**PROMPT, "audiences": ["seat"]}]}, False),
    ({"entries": ["search"]}, {"prompts": [{**PROMPT, "entries": ["social"]}]}, False),
    ({"languages": ["pt"]}, {"prompts": [{**PROMPT, "languages": ["pt-br"]}]}, True),
    ({"languages": ["pt-br"]}, {"prompts": [{**PROMPT, "languages": ["pt"]}]}, True),
    ({"languages": ["pt"]}, {"prompts": [{**PROMPT, "languages": ["en"]}]}, False),
    ({"walls": ["register"]}, {"prompts": [{**PROMPT, "walls": ["subscribe"]}]}, False),
    ({}, {"walls": WALLS}, True),
    ({"place": "notice"}, {"prompts": [{**PROMPT, "place": "countdown"}]}, True),
    ({"place": "countdown"}, {"prompts": [{**PROMPT, "place": "notice"}]}, True),
    ({"place": "notice"}, {"walls": WALLS, "prompts": [PROMPT]}, False),
    ({"walls": ["subscribe"]}, {"walls": WALLS}, True),
    ({"walls": ["register"]}, {"walls": WALLS}, False),
    ({}, {"meter": METER}, False),
    (ON_LIMITS, {"meter": METER}, True),
    (ON_LIMITS, {"meters": [{**METER, "name": "arts", "sections": ["Arts"]}]}, True),
    (ON_LIMITS, {"walls": WALLS, "prompts": [PROMPT]}, False),
    (ON_LIMITS, {"levels": {"default": {"level": "subscribers"}}}, False),
]


@pytest.mark.parametrize(("planned", "changed", "relies"), RELIED_ON)
def test_what_a_control_relies_on(
    planned: dict[str, Any], changed: dict[str, Any], relies: bool, plain_settings: Settings
) -> None:
    ruled = ExperimentIn.model_validate(plan(**planned)).as_rule(NOW - DAY)
    was = of_settings(plain_settings)
    document = was.model_dump()
    walls = document["walls"] | changed.get("walls", {})
    becomes = RulesIn.model_validate(document | changed | {"walls": walls})
    seen = [control_of(ruled, rules, plain_settings, NOW) for rules in (was, becomes)]
    assert (seen[0] != seen[1]) is relies
