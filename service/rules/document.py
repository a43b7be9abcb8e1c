"""The rules as an editor writes them: read as a whole, or refused with the field named."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from service.bodies import STORED, Body, OneLine, Paragraphs, WholeNumber
from service.identity.entry import ENTRY_WORDS, Entry
from service.levels import LEVELS, Level, Span, WindowKind
from service.rules.crawler_document import CrawlersIn
from service.rules.meters import EntryLimits, MeterRule, Meters
from service.rules.open_document import CookielessIn, PreviewsIn
from service.rules.prompt_document import MOST_NAMED, MOST_PROMPTS, Name, PromptIn
from service.rules.reader_document import DevicesIn, ElsewhereIn, GiftLinksIn
from service.rules.rules import UNSCHEDULED, LevelRule, LevelRules, Rules, Schedule
from service.settings import MOST_DAYS, Settings
from service.texts import is_slug, plain_name

_HOURS, _LONGEST_DAYS = 24, 36_500
_LONGEST_HOURS = _LONGEST_DAYS * _HOURS
MOST_PLANS = 20
_MOST_METERS, _LONGEST_NAME = 10, 40


def _plan(value: str) -> str:
    if not is_slug(value):
        raise ValueError("must be a plan's slug: lower-case letters, digits and single hyphens")
    return value


def _meter_name(value: str) -> str:
    if not is_slug(value) or len(value) > _LONGEST_NAME:
        raise ValueError(
            f"must be at most {_LONGEST_NAME} lower-case letters, digits and single hyphens between them"
        )
    return value


Plan = Annotated[str, AfterValidator(_plan)]


class ScheduleIn(Body):
    """How the level changes by itself, counted from `published_at`; a day is 24 hours."""

    free_hours: Annotated[WholeNumber, Field(ge=1, le=_LONGEST_HOURS)] | None = None
    """Free for this long at first."""
    subscribers_after_days: Annotated[WholeNumber, Field(ge=1, le=_LONGEST_DAYS)] | None = None
    """For subscribers alone after this."""
    free_after_days: Annotated[WholeNumber, Field(ge=1, le=_LONGEST_DAYS)] | None = None
    """Free after this."""

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        later = {self.subscribers_after_days, self.free_after_days} - {None}
        if self.subscribers_after_days == self.free_after_days is not None:
            raise ValueError("subscribers_after_days and free_after_days must differ")
        if any((self.free_hours or 0) > days * _HOURS for days in later if days is not None):
            raise ValueError("free_hours must end before the level changes again")
        return self

    def as_rule(self) -> Schedule:
        return Schedule(self.free_hours, self.subscribers_after_days, self.free_after_days)


class LevelIn(Body):
    """A level with the plans that open it and its schedule."""

    level: Level
    plans: Annotated[tuple[Plan, ...], Field(max_length=MOST_PLANS)] = ()
    """At level subscribers: plans that open it; empty: every plan."""
    schedule: ScheduleIn | None = None
    """None: the level stays as it is."""

    @model_validator(mode="after")
    def _plans_need_subscribers(self) -> Self:
        becomes = self.schedule is not None and self.schedule.subscribers_after_days is not None
        if self.plans and self.level != "subscribers" and not becomes:
            raise ValueError('plans need the level "subscribers", at once or by the schedule')
        return self

    def as_rule(self) -> LevelRule:
        schedule = UNSCHEDULED if self.schedule is None else self.schedule.as_rule()
        return LevelRule(self.level, frozenset(self.plans), schedule)


class NamedLevelIn(LevelIn):
    """The level of a section or of a tag, by its name as articles have it."""

    name: Name


class LevelsIn(Body):
    """The levels of articles that name none. A tag goes before the section, the section before the rest."""

    default: LevelIn
    sections: Annotated[tuple[NamedLevelIn, ...], Field(max_length=MOST_NAMED)] = ()
    tags: Annotated[tuple[NamedLevelIn, ...], Field(max_length=MOST_NAMED)] = ()
    """Exceptions from the section's level. Of several tags of an article, the first one here counts."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for what, named in (("section", self.sections), ("tag", self.tags)):
            twice = _first_repeated(each.name for each in named)
            if twice is not None:
                raise ValueError(f"the {what} {twice!r} is named twice: one level a {what}")
        return self

    def as_rules(self) -> LevelRules:
        return LevelRules(self.default.as_rule(), _by_name(self.sections), _by_name(self.tags))


_Limit = Annotated[WholeNumber, Field(ge=0, le=1000)]
_Days = Annotated[WholeNumber, Field(ge=1, le=MOST_DAYS)]


class EntryLimitsIn(Body):
    """Limits for those who came by one entry, on the same count; null: the usual one."""

    entry: Entry
    anonymous: _Limit | None = None
    registered: _Limit | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.anonymous is None and self.registered is None:
            raise ValueError("name a limit for anonymous or for registered readers")
        return self


class MeterIn(Body):
    """Free articles in a calendar window of the publication's time zone, or in days from the first article.

    `anonymous` null switches the meter off: metered articles are then open to everybody. 0 opens none.
    """

    window: WindowKind
    days: _Days | None = None
    """Of 24 hours, of the window `rolling`; null with any other."""
    anonymous: _Limit | None
    """For each device that isn't signed in."""
    registered: _Limit
    """For each reader with a verified address."""
    former: _Limit | None = None
    """For each of them who has subscribed before; null: as for all."""
    entries: Annotated[tuple[EntryLimitsIn, ...], Field(max_length=len(ENTRY_WORDS))] = ()
    carry_count: bool = False
    """At sign-in what the device has read counts against the reader's own limit."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _check_days(self.window, self.days)
        twice = _first_repeated(each.entry for each in self.entries)
        if twice is not None:
            raise ValueError(f"the entry {twice} is named twice: give each its limits once")
        return self

    def as_rule(self) -> MeterRule:
        return MeterRule(
            Span.of(self.window, self.days), self.anonymous, self.registered, self.former
        )


def _check_days(window: WindowKind, days: int | None) -> None:
    if (window == "rolling") != (days is not None):
        raise ValueError('days go with the window "rolling", which needs them, and with no other')


class NamedMeterIn(Body):
    """A meter of its own for some sections and tags, beside the publication's. `anonymous` null: their metered
    articles count nowhere and are open.
    """

    name: Annotated[str, AfterValidator(_meter_name)]
    """In the back office and the ledger. Another name begins another count."""
    sections: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMED)] = ()
    tags: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMED)] = ()
    window: WindowKind
    days: _Days | None = None
    anonymous: _Limit | None
    registered: _Limit
    former: _Limit | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _check_days(self.window, self.days)
        if not self.sections and not self.tags:
            raise ValueError("name the sections or tags that it counts")
        return self

    def as_rule(self) -> MeterRule:
        return MeterRule(
            Span.of(self.window, self.days), self.anonymous, self.registered, self.former, self.name,
            frozenset(map(plain_name, self.sections)), frozenset(map(plain_name, self.tags)),
        )  # fmt: skip


class WallIn(Body):
    """What a wall says above its offers."""

    title: Annotated[OneLine, Field(max_length=200)]
    """Empty at the wall that registering opens: what registering brings."""
    text: Annotated[Paragraphs, Field(max_length=1000)]


class WallsIn(Body):
    """The words of walls: where a subscription opens the article, and where registering does."""

    subscribe_wall: WallIn
    register_wall: WallIn
    purpose: Annotated[OneLine, Field(max_length=300)] = ""
    """What subscriptions pay for (shown above the button of every offer)."""


class RulesIn(Body):
    """All rules of the publication. Parts that are null, but for `crawlers`, are as the settings say."""

    levels: LevelsIn
    meter: MeterIn | None = None
    meters: Annotated[tuple[NamedMeterIn, ...], Field(max_length=_MOST_METERS)] = ()
    """Of several that count an article, the first one here does."""
    walls: WallsIn | None = None
    prompts: Annotated[tuple[PromptIn, ...], Field(max_length=MOST_PROMPTS)] = ()
    """Of several that fit a reader, the first one here is shown: their order is their priority."""
    crawlers: CrawlersIn | None = None
    """None: the preview for all of them."""
    gift_links: GiftLinksIn | None = None
    devices: DevicesIn | None = None
    elsewhere: ElsewhereIn | None = None
    previews: PreviewsIn | None = None
    cookieless: CookielessIn | None = None

    @model_validator(mode="after")
    def _prompts_once(self) -> Self:
        twice = _first_repeated(each.name for each in self.prompts)
        if twice is not None:
            raise ValueError(f"the prompt {twice!r} is named twice: give one another name")
        return self

    @model_validator(mode="after")
    def _meters_once(self) -> Self:
        twice = _first_repeated(each.name for each in self.meters)
        if twice is not None:
            raise ValueError(f"the meter {twice!r} is named twice: give one another name")
        return self

    def as_rules(self, settings: Settings) -> Rules:
        """Whole: with the settings' meter where these rules name none."""
        meter = self.meter or _meter_of(settings)
        meters = Meters(
            meter.as_rule(),
            {each.entry: EntryLimits(each.anonymous, each.registered) for each in meter.entries},
            tuple(each.as_rule() for each in self.meters),
            carries_count=meter.carry_count,
        )
        crawlers = self.crawlers or CrawlersIn()
        prompts = tuple(each.as_rule() for each in self.prompts)
        return Rules(self.levels.as_rules(), meters, prompts, crawlers.as_rule())

    def in_place_of(self, settings: Settings) -> Settings:
        """The settings with what these rules say in their place."""
        return settings.model_copy(update=self.said())

    def said(self) -> dict[str, Any]:
        """What these rules say in the place of settings, by the settings' names."""
        said: dict[str, Any] = {
            "default_level": self.levels.default.level,
            "section_levels": {each.name: each.level for each in self.levels.sections},
            "tag_levels": {each.name: each.level for each in self.levels.tags},
        }
        if self.meter is not None:
            said |= {
                "meter_window": self.meter.window,
                **({"meter_days": self.meter.days} if self.meter.days is not None else {}),
                "meter_limit": self.meter.anonymous,
                "registered_meter_limit": self.meter.registered,
                "meter_carry_count": self.meter.carry_count,
            }
        if self.walls is not None:
            said |= {
                "wall_title": self.walls.subscribe_wall.title,
                "wall_text": self.walls.subscribe_wall.text,
                "register_wall_title": self.walls.register_wall.title,
                "register_wall_text": self.walls.register_wall.text,
                "wall_purpose": self.walls.purpose,
            }
        for part in (
            self.gift_links, self.devices, self.elsewhere, self.previews, self.cookieless
        ):  # fmt: skip
            if part is not None:
                said |= part.said()
        return said


def read_stored(document: Mapping[str, Any]) -> RulesIn:
    """The rules as a row has them. What only a later release knows is left out, and texts stay as they were stored.

    Raises ValidationError for values that this release can't read.
    """
    return RulesIn.model_validate(document, extra="ignore", context=STORED)


def cannot_read(versions: str) -> str:
    """The sentence for versions of which this release can't read some part."""
    return (
        f"This release can't read the rules that editors have saved, {versions}. A later release may have written "
        "them: use that one."
    )


def of_settings(settings: Settings) -> RulesIn:
    """The rules of an installation whose editors have set none."""
    return RulesIn(
        levels=LevelsIn(
            default=LevelIn(level=settings.default_level),
            sections=_named(settings.section_levels.items()),
            tags=_named(settings.tag_levels.items()),
        ),
        meter=_meter_of(settings),
        walls=WallsIn(
            subscribe_wall=WallIn(title=settings.wall_title, text=settings.wall_text),
            register_wall=WallIn(
                title=settings.register_wall_title, text=settings.register_wall_text
            ),
            purpose=settings.wall_purpose,
        ),
        gift_links=GiftLinksIn.of(settings),
        devices=DevicesIn.of(settings),
        elsewhere=ElsewhereIn.of(settings),
        previews=PreviewsIn.of(settings),
        cookieless=CookielessIn.of(settings),
    )


def _meter_of(settings: Settings) -> MeterIn:
    return MeterIn(
        window=settings.meter_window,
        days=settings.meter_span.days or None,
        anonymous=settings.meter_limit,
        registered=settings.registered_meter_limit,
        carry_count=settings.meter_carry_count,
    )


def _named(levels: Iterable[tuple[str, Level]]) -> tuple[NamedLevelIn, ...]:
    return tuple(NamedLevelIn(name=name, level=level) for name, level in levels)


def _by_name(named: Sequence[NamedLevelIn]) -> dict[str, LevelRule]:
    """By the names as they are compared. Of two that an earlier release kept apart, the stricter is in both places."""
    rules: dict[str, LevelRule] = {}
    for each in named:
        name, rule = plain_name(each.name), each.as_rule()
        rules[name] = max(rules.get(name, rule), rule, key=lambda held: LEVELS.index(held.level))
    return rules


def _first_repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
