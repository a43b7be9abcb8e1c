"""The form of the rules loses nothing: saved as it is shown, it says the same rules."""

from datetime import UTC, datetime
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from service.identity.entry import Entry
from service.levels import Level
from service.operators.rules.form import entries_of, rules_in
from service.rules.document import (
    EntryLimitsIn,
    LevelIn,
    LevelsIn,
    MeterIn,
    NamedLevelIn,
    NamedMeterIn,
    RulesIn,
    ScheduleIn,
    WallIn,
    WallsIn,
)
from service.rules.open_document import CookielessIn, PreviewsIn
from service.rules.prompt_document import PromptIn
from service.rules.prompts import Audience
from service.rules.reader_document import DevicesIn, ElsewhereIn, GiftLinksIn
from service.settings import Settings


def texts() -> st.SearchStrategy[str]:
    return st.text("ab ,é<&\n", min_size=1, max_size=12).map(str.strip).filter(bool)


def named(text: str) -> str:
    return " ".join(text.split()) or "a"


WALL = st.builds(WallIn, title=texts().map(named), text=texts())
BESIDE = st.builds(
    PromptIn, name=texts().map(named), title=texts().map(named), place=st.just("countdown"),
    left_at_most=st.none() | st.integers(0, 9), every_days=st.none() | st.integers(1, 9),
)  # fmt: skip
PROMPT = st.builds(
    PromptIn, name=texts().map(named), title=texts().map(named), text=texts(),
    audiences=st.lists(st.sampled_from(get_args(Audience)), unique=True, max_size=3).map(tuple),
    walls=st.sampled_from([(), ("register",), ("register", "subscribe")]),
    sections=st.lists(texts().map(named), max_size=3).map(tuple),
    languages=st.sampled_from([(), ("pt-br", "en")]),
    entries=st.sampled_from([(), ("search", "direct")]),
    offers=st.sampled_from([(), ("off_1",), ("off_1", "off_2")]),
    ends_at=st.none() | st.just(datetime(2026, 5, 1, 8, 30, 5, tzinfo=UTC)), draft=st.booleans(),
)  # fmt: skip
WINDOW = st.sampled_from(
    [("day", None), ("week", None), ("month", None), ("rolling", 7), ("rolling", 30)]
).map(lambda chosen: {"window": st.just(chosen[0]), "days": st.just(chosen[1])})
LIMITS = {
    "anonymous": st.none() | st.integers(0, 3),
    "registered": st.integers(0, 3),
    "former": st.none() | st.integers(0, 3),
}
ENTRIES = st.lists(
    st.builds(
        EntryLimitsIn, entry=st.sampled_from(get_args(Entry)), anonymous=st.integers(0, 3),
        registered=st.none() | st.integers(0, 3),
    ),
    unique_by=lambda each: each.entry, max_size=2,
).map(tuple)  # fmt: skip
METER = WINDOW.flatmap(
    lambda window: st.builds(
        NamedMeterIn, **window, **LIMITS, name=st.sampled_from(["magazine", "data-1"]),
        sections=st.just(("Culture", "Long reads")), tags=st.sampled_from([(), ("Essay",)]),
    )
)  # fmt: skip
RULES_SENT = st.builds(
    RulesIn,
    levels=st.builds(
        LevelsIn,
        default=st.builds(LevelIn, level=st.sampled_from(get_args(Level))),
        sections=st.lists(
            st.builds(
                NamedLevelIn, name=texts().map(named), level=st.just("subscribers"),
                plans=st.sampled_from([(), ("a",), ("a", "b-c")]),
                schedule=st.none() | st.builds(ScheduleIn, free_hours=st.integers(1, 9)),
            ),
            unique_by=lambda each: each.name, max_size=3,
        ).map(tuple),
    ),
    meter=st.none() | WINDOW.flatmap(
        lambda window: st.builds(
            MeterIn, **window, **LIMITS, entries=ENTRIES, carry_count=st.booleans()
        )
    ),
    meters=st.lists(METER, unique_by=lambda each: each.name, max_size=2).map(tuple),
    walls=st.none() | st.builds(WallsIn, subscribe_wall=WALL, register_wall=WALL),
    gift_links=st.none()
    | st.builds(
        GiftLinksIn, per_month=st.integers(0, 3), days=st.integers(1, 3), readers=st.integers(1, 3)
    ),
    devices=st.none() | st.builds(DevicesIn, per_reader=st.integers(1, 3)),
    elsewhere=st.none()
    | st.builds(ElsewhereIn, by_account=st.booleans(), provisional_days=st.integers(0, 3)),
    previews=st.none()
    | st.builds(
        PreviewsIn, blocks=st.integers(1, 3), words=st.integers(1, 3), withheld_percent=st.integers(10, 12)
    ),
    cookieless=st.none() | st.builds(CookielessIn, per_day=st.integers(0, 3)),
    prompts=st.lists(PROMPT | BESIDE, unique_by=lambda each: each.name, max_size=2).map(tuple),
)  # fmt: skip


@given(sent=RULES_SENT)
def test_saving_the_form_as_it_is_changes_nothing(sent: RulesIn) -> None:
    settings = Settings(time_zone="Europe/Lisbon", meter_limit=0, wall_title="Join us")
    shown = entries_of(sent, settings)
    saved = rules_in(shown, settings.zone)
    assert saved.in_place_of(settings) == sent.in_place_of(settings)
    assert saved.as_rules(settings) == sent.as_rules(settings)
