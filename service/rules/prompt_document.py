"""Prompts as an editor writes them."""

from collections.abc import Sequence
from typing import Annotated, Self, get_args

from pydantic import (
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from service.bodies import STORED, Body, OneLine, Paragraphs, PlainName, WholeNumber
from service.clock import Instant, check_span
from service.identity.entry import Entry
from service.rules.prompts import Audience, Place, Prompt, WallName
from service.texts import plain_name

MOST_NAMED, MOST_PROMPTS = 500, 100

Name = Annotated[PlainName, Field(min_length=1, max_length=200)]
EveryDays = Annotated[WholeNumber, Field(ge=1, le=365)]
LanguageTag = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=35,
        pattern=r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$",
    ),
]


def check_figures(place: Place, *texts: str) -> None:
    """Raises ValueError where nothing would be put in their place."""
    has_figures = any(figure in each for each in texts for figure in ("{left}", "{limit}"))
    if has_figures and place != "countdown":
        raise ValueError(
            '{left} and {limit} need the place "countdown": elsewhere they stay as they are'
        )


def check_place(place: Place, *, walls: Sequence[WallName], every_days: int | None) -> None:
    """ValueError says which of them the place doesn't have."""
    if walls and place != "wall":
        raise ValueError('walls need the place "wall"')
    if every_days is not None and place == "wall":
        raise ValueError('every_days needs the place "countdown" or "notice": a wall always shows')


class PromptIn(Body):
    """What is said to some readers, at a wall in place of the usual words, or beside an open article; an empty
    list is everybody or everything. A wall helps readers of `past_due`, `subscribed` and `seat` instead, but for
    a prompt that names none but these.
    """

    name: Name
    """What the newsroom calls it, and reports with it."""
    title: Annotated[OneLine, Field(min_length=1, max_length=200)]
    """In a countdown `{left}` and `{limit}` stand for the reader's free articles, in `text` too; elsewhere they are refused."""
    text: Annotated[Paragraphs, Field(max_length=1000)] = ""
    place: Place = "wall"
    """countdown: beside an article that the meter opened; notice: beside any that is open."""
    audiences: Annotated[tuple[Audience, ...], Field(max_length=len(get_args(Audience)))] = ()
    walls: Annotated[tuple[WallName, ...], Field(max_length=2)] = ()
    sections: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMED)] = ()
    languages: Annotated[tuple[LanguageTag, ...], Field(max_length=50)] = ()
    """The article's, as tags (BCP 47); `pt` is `pt-BR` too."""
    entries: Annotated[tuple[Entry, ...], Field(max_length=len(get_args(Entry)))] = ()
    """By what the reader came to the article."""
    offers: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    """Ids of the offers that it shows; at a wall, where none of them is sold to the reader, all are shown."""
    left_at_most: Annotated[WholeNumber, Field(ge=0, le=1000)] | None = None
    """In a countdown: once no more free articles than these are left."""
    every_days: EveryDays | None = None
    """Beside an article: once in this number of days on a device; null: each time."""
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    """Exclusive."""
    draft: bool = False
    """Kept, and shown to nobody."""

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        check_span(self.starts_at, self.ends_at)
        return self

    @model_validator(mode="after")
    def _fits_its_place(self) -> Self:
        check_place(self.place, walls=self.walls, every_days=self.every_days)
        if self.left_at_most is not None and self.place != "countdown":
            raise ValueError('left_at_most needs the place "countdown"')
        return self

    @model_validator(mode="after")
    def _counts_where_there_is_a_count(self, info: ValidationInfo) -> Self:
        # Of what was stored before this was refused, one prompt would make all rules unreadable.
        if info.context != STORED:
            check_figures(self.place, self.title, self.text)
        return self

    def as_rule(self) -> Prompt:
        return Prompt(
            name=self.name, title=self.title, text=self.text, place=self.place,
            audiences=frozenset(self.audiences), walls=frozenset(self.walls),
            sections=frozenset(map(plain_name, self.sections)), languages=frozenset(self.languages),
            entries=frozenset(self.entries), offers=frozenset(self.offers),
            left_at_most=self.left_at_most, every_days=self.every_days,
            starts_at=self.starts_at, ends_at=self.ends_at, is_draft=self.draft,
        )  # fmt: skip
