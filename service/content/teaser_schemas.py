"""What the public sees of articles, and asks of their list."""

import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.bodies import OneLine
from service.content.direction import Direction
from service.html.list_query import LONGEST_CURSOR
from service.levels import Level
from service.texts import storable

_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")


def web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an address that begins with http:// or https://")
    if _FORBIDDEN_IN_URL.search(value) or parts.username is not None:
        raise ValueError("must not contain spaces, control characters, backslashes or credentials")
    return value


def _image_address(value: str) -> str:
    if value.startswith("/") and not value.startswith("//"):
        if _FORBIDDEN_IN_URL.search(value):
            raise ValueError("must not contain spaces, control characters or backslashes")
        return value
    return web_address(value)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Author(_Strict):
    name: Annotated[OneLine, Field(min_length=1, max_length=200)]


class Image(_Strict):
    url: Annotated[str, Field(max_length=2000), AfterValidator(_image_address)]
    """http(s), or a path of the publication that begins with one slash."""
    alt: Annotated[OneLine, Field(max_length=1000)] = ""


Word = Annotated[str, Field(max_length=200), AfterValidator(storable)]
_Cursor = Annotated[
    str, Field(max_length=LONGEST_CURSOR, description="`next_cursor` of the page before.")
]
_Limit = Annotated[int, Field(ge=1, le=100)]


class PageQuery(BaseModel):
    """Which page of a list."""

    cursor: _Cursor | None = None
    limit: _Limit = 20


class TeasersQuery(PageQuery):
    """Which page of the public list; every filter given must fit."""

    section: Word | None = None
    tag: Word | None = None
    author: Word | None = None
    q: Word | None = None
    """Words that must all occur in title, standfirst or preview."""


class Access(BaseModel):
    """The effective level. `metered`: the meter may open the article."""

    level: Level
    metered: bool
    plans: list[str]
    """Plans that open an article for subscribers; empty: every plan does."""


class TeaserSummary(_Strict):
    """A teaser in a list: no texts in HTML and no `json_ld`; those come with the article itself."""

    id: str
    slug: str
    title: str
    standfirst: str
    excerpt: str
    """The beginning of the preview as plain text, up to 300 characters."""
    authors: list[Author]
    section: str | None
    tags: list[str]
    canonical_url: str | None
    image: Image | None
    language: str | None
    dir: Direction
    """Which way its text runs, by the language, else by the title."""
    published_at: datetime | None
    updated_at: datetime
    access: Access


class Teaser(TeaserSummary):
    """What everybody may read of an article."""

    preview_html: str
    """Sanitised HTML up to the cut; empty where the cut comes before all text."""
    json_ld: dict[str, Any]
    """schema.org NewsArticle, to be put into the page."""
    body_html: str | None = None
    """The whole body, of free articles only; left out of others."""


class Teasers(BaseModel):
    items: list[TeaserSummary]
    next_cursor: str | None
    """Goes into `cursor` for the next page; null on the last."""
