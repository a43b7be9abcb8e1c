"""What goes in and out over HTTP: an article as sent, and as kept."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from service.bodies import Identifier, OneLine, Paragraphs, PlainName
from service.clock import Instant
from service.content.level import LevelSource
from service.content.teaser_schemas import Author, Image, PageQuery, Word, web_address
from service.content.visibility import Status
from service.levels import Level
from service.rules.document import MOST_PLANS, Plan, ScheduleIn
from service.texts import storable

BODY_BYTES = 2_000_000


def _written_instant(value: Any) -> Any:
    if value is not None and not isinstance(value, str | datetime):
        raise ValueError("must be an RFC 3339 time with its offset, such as 2026-03-10T09:00:00Z")
    return value


def _short_enough(value: str) -> str:
    if len(value.encode()) > BODY_BYTES:
        raise ValueError(f"must not be longer than {BODY_BYTES} bytes")
    return value


def _once_each(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


WrittenInstant = Annotated[Instant, BeforeValidator(_written_instant)]
_Name = Annotated[PlainName, Field(min_length=1, max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccessIn(_Strict):
    level: Level | None = None
    """None: the level of a tag, of the section, or of the publication."""
    plans: Annotated[list[Plan], Field(max_length=MOST_PLANS)] = []
    """Plans that open the article; empty: every plan."""
    schedule: ScheduleIn | None = None
    """None: the level stays as it is."""

    @model_validator(mode="after")
    def _plans_need_subscribers(self) -> Self:
        if self.plans and self.level != "subscribers":
            raise ValueError('plans need the level "subscribers"')
        return self


class ArticleIn(_Strict):
    """An article as a publisher sends it; what is left out is empty."""

    title: Annotated[OneLine, Field(min_length=1, max_length=300)]
    standfirst: Annotated[Paragraphs, StringConstraints(strip_whitespace=True, max_length=2000)] = (
        ""
    )
    body: Annotated[Paragraphs, AfterValidator(_short_enough)]
    body_format: Literal["html", "markdown"] = "html"
    authors: Annotated[list[Author], Field(max_length=20)] = []
    section: _Name | None = None
    tags: Annotated[list[_Name], Field(max_length=100), AfterValidator(_once_each)] = []
    canonical_url: Annotated[str, Field(max_length=2000), AfterValidator(web_address)] | None = None
    image: Image | None = None
    language: (
        Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")] | None
    ) = None
    """A language tag (BCP 47), such as `en` or `pt-BR`."""
    published_at: WrittenInstant | None = None
    """May lie in the future: the article appears then. Left out of a published one: now."""
    updated_at: WrittenInstant | None = None
    """When the text was last changed, as readers and search engines shall see it. Left out: now, if
    title, standfirst, body, authors or picture differ from what was there."""
    status: Status = "published"
    access: AccessIn = AccessIn()
    source_ids: Annotated[
        dict[
            Annotated[Identifier, Field(min_length=1, max_length=100)],
            Annotated[OneLine, Field(max_length=1000)],
        ],
        Field(max_length=20),
    ] = {}
    """What other systems call the article; free-form."""

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        return storable(value)

    @model_validator(mode="after")
    def _schedule_has_a_time(self) -> Self:
        if self.status == "scheduled" and self.published_at is None:
            raise ValueError('the status "scheduled" needs published_at')
        return self


class StaffQuery(PageQuery):
    """Which page of all articles; every filter given must fit."""

    query: Word | None = None
    """Words that must all occur in title, standfirst or preview; or the whole slug."""
    status: Status | None = None
    section: Word | None = None
    level: Level | None = None
    """The level in force."""
    author: Word | None = None
    """Part of an author's name."""


class EffectiveLevel(BaseModel, from_attributes=True):
    """The level that holds now, what set it, and when it next changes by itself."""

    level: Level
    source: LevelSource
    until: datetime | None
    plans: list[str]
    """At level subscribers: plans that open it; empty: every plan does."""


class AdminSummary(BaseModel):
    """An article in the staff's list."""

    id: str
    slug: str
    title: str
    section: str | None
    status: Status
    visible: bool
    """Whether readers can see it now."""
    access: AccessIn
    """As sent."""
    effective: EffectiveLevel
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class PreviewFacts(BaseModel):
    """How much of the body is public, and who decides it: the author's mark, a wall of the system that
    the text comes from, or neither.
    """

    words: int
    public_words: int
    cut_by: Literal["mark", "wall", "automatic"]
    warnings: list[str]
    """What an editor should look at, such as a mark that makes more public than the settings would."""


class AdminArticle(AdminSummary):
    """An article as its publisher sees it: what was sent, and the cut made from it."""

    standfirst: str
    body: str
    body_format: Literal["html", "markdown"]
    authors: list[Author]
    tags: list[str]
    canonical_url: str | None
    image: Image | None
    language: str | None
    source_ids: dict[str, str]
    preview_html: str
    preview: PreviewFacts
    warnings: list[str]
    """Plans that open it and that no offer sells, in sentences."""


class ArticleChangeIn(_Strict):
    """What shall be otherwise; what is left out stays."""

    access: AccessIn | None = None
    """Level, plans and schedule, all three."""
    status: Literal["published", "withdrawn"] | None = None
    """`published` brings a withdrawn article back, and a draft or scheduled one out now."""


class Revision(BaseModel):
    """What one change of an article sent; `document` is the whole article, or that it was withdrawn."""

    version: int
    at: datetime
    actor: str
    """`operator:…`, `api_key:…`, or what else changed it."""
    document: dict[str, Any]


class Revisions(BaseModel):
    items: list[Revision]
    next_cursor: str | None


class AdminArticles(BaseModel):
    items: list[AdminSummary]
    next_cursor: str | None
