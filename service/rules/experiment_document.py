"""Experiments as an editor plans them: all of it is fixed before the start."""

from collections.abc import Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from service.bodies import STORED, Body, OneLine, Paragraphs, WholeNumber
from service.clock import Instant
from service.identity.entry import Entry
from service.rules.experiments import ALL_SHARES, Experiment, Goal, Limits, Subject, Variant
from service.rules.prompt_document import (
    MOST_NAMED,
    EveryDays,
    LanguageTag,
    Name,
    check_figures,
    check_place,
)
from service.rules.prompts import Audience, Place, Prompt, WallName
from service.texts import is_slug, plain_name

_MOST_VARIANTS, _FEWEST_VARIANTS = 6, 2
_FEWEST, _MOST = 40, 100_000_000


def _slug(value: str) -> str:
    if not is_slug(value):
        raise ValueError("must be lower-case letters, digits and single hyphens")
    return value


Slug = Annotated[str, Field(max_length=60), AfterValidator(_slug)]


class LimitsIn(Body):
    """Free articles of a window."""

    anonymous: Annotated[WholeNumber, Field(ge=0, le=1000)]
    registered: Annotated[WholeNumber, Field(ge=0, le=1000)]


class WordsIn(Body):
    """What a wall, a countdown or a notice says."""

    title: Annotated[OneLine, Field(min_length=1, max_length=200)]
    text: Annotated[Paragraphs, Field(max_length=1000)] = ""
    offers: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    """Ids of the offers that it shows; empty: at a wall all, beside an article none."""


class VariantIn(Body):
    """`limits` and `words` null: what everybody else has."""

    name: Slug
    share: Annotated[WholeNumber, Field(ge=1, le=ALL_SHARES)]
    """Of a hundred readers. What the shares leave of the hundred takes no part."""
    limits: LimitsIn | None = None
    words: WordsIn | None = None


class ExperimentIn(Body):
    """A plan. Its first variant is the control; an empty list is everybody or everything."""

    slug: Slug
    """Its name in reports and in the ledger."""
    question: Annotated[OneLine, Field(min_length=1, max_length=500)]
    """What it is to find out."""
    subject: Subject
    """limit: of the meter; prompt: the words of one."""
    place: Place = "wall"
    """Where the words of an experiment on a prompt are said."""
    variants: Annotated[
        tuple[VariantIn, ...], Field(min_length=_FEWEST_VARIANTS, max_length=_MOST_VARIANTS)
    ]
    audiences: Annotated[tuple[Audience, ...], Field(max_length=len(get_args(Audience)))] = ()
    walls: Annotated[tuple[WallName, ...], Field(max_length=2)] = ()
    sections: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMED)] = ()
    languages: Annotated[tuple[LanguageTag, ...], Field(max_length=50)] = ()
    entries: Annotated[tuple[Entry, ...], Field(max_length=len(get_args(Entry)))] = ()
    """Whom and which prompt an experiment on words is for."""
    every_days: EveryDays | None = None
    """Beside an article: words that are tried are shown once in this number of days on a device; null: each time."""
    goal: Goal
    """The one figure that it is decided by: paid: began to pay; registered: confirmed an address."""
    within_days: Annotated[WholeNumber, Field(ge=1, le=90)] = 7
    """So soon after first taking part."""
    size: Annotated[WholeNumber, Field(ge=_FEWEST, le=_MOST)]
    """Holders, of all variants together, below which it says nothing."""
    ends_at: Instant
    """Exclusive."""

    @model_validator(mode="after")
    def _differ_in_the_subject(self) -> Self:
        names = [each.name for each in self.variants]
        if len(set(names)) < len(names):
            raise ValueError("each variant needs a name of its own")
        if sum(each.share for each in self.variants) > ALL_SHARES:
            raise ValueError(f"the shares must not add up to more than {ALL_SHARES}")
        is_limit = self.subject == "limit"
        wrong = "words" if is_limit else "limits"
        if any((each.words if is_limit else each.limits) is not None for each in self.variants):
            raise ValueError(f"{wrong} don't go with the subject {self.subject}")
        if any((each.limits or each.words) is None for each in self.variants[1:]):
            raise ValueError("each variant but the first needs its limits or words")
        if is_limit and (
            self.audiences or self.walls or self.sections or self.languages or self.entries
            or self.place != "wall"
        ):  # fmt: skip
            raise ValueError("an experiment on limits is for all readers: leave out whom it is for")
        return self

    @model_validator(mode="after")
    def _fits_its_place(self) -> Self:
        check_place(self.place, walls=self.walls, every_days=self.every_days)
        return self

    @model_validator(mode="after")
    def _counts_where_there_is_a_count(self, info: ValidationInfo) -> Self:
        if info.context != STORED:
            for each in self.variants:
                if each.words is not None:
                    check_figures(self.place, each.words.title, each.words.text)
        return self

    def as_rule(self, started_at: Instant) -> Experiment:
        """The experiment, started then."""
        scope = self._prompt("", WordsIn(title="-"))
        return Experiment(
            self.slug,
            tuple(
                Variant(
                    each.name,
                    each.share,
                    Limits(each.limits.anonymous, each.limits.registered) if each.limits else None,
                    self._prompt(each.name, each.words) if each.words else None,
                )
                for each in self.variants
            ),
            scope if self.subject == "prompt" else None,
            started_at,
            # Each read compares it: of two zones that takes nine times as long.
            self.ends_at,
        )

    def _prompt(self, name: str, words: WordsIn) -> Prompt:
        return Prompt(
            name=f"{self.slug}/{name}", title=words.title, text=words.text,
            offers=frozenset(words.offers), audiences=frozenset(self.audiences),
            walls=frozenset(self.walls), sections=frozenset(map(plain_name, self.sections)),
            languages=frozenset(self.languages), entries=frozenset(self.entries),
            place=self.place, every_days=self.every_days, is_tried=True,
        )  # fmt: skip


def read_plan(document: Mapping[str, Any]) -> ExperimentIn:
    """The plan as a row has it. What only a later release knows is left out.

    Raises ValidationError for values that this release can't read.
    """
    return ExperimentIn.model_validate(document, extra="ignore", context=STORED)
