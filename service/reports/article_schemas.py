"""The newsroom's list of articles as JSON: how it is asked for, and how it is answered."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from service.bodies import ListOut
from service.content.schemas import EffectiveLevel
from service.content.staff_list import StaffFilter
from service.content.visibility import Status
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.levels import Level
from service.problems import invalid_field
from service.reports.article_list import ArticleFigures, ArticleOrder
from service.reports.asked import Asked
from service.reports.period import NotAsked, parse_period
from service.settings import Settings
from service.texts import storable

_Text = Annotated[str, AfterValidator(storable), Field(max_length=200)]
Day = Annotated[str, Field(max_length=40, examples=["2026-03-01"])]
_USUAL = timedelta(days=29)


def recent(first: str, last: str, settings: Settings, now: datetime) -> Asked:
    """The period of a list's figures, in the publication's zone: the last 30 days where none is named.

    Raises Problem `invalid-request`.
    """
    zone = settings.zone
    today = now.astimezone(zone).date()
    usual = "" if first or last else (today - _USUAL).isoformat()
    fields = {"from": first or usual, "to": last, "interval": "year"}
    try:
        return Asked(parse_period(fields, today=today, zone=zone), now, zone)
    except NotAsked as wrong:
        raise invalid_field(f"query.{wrong.field}", str(wrong)) from wrong


class ArticlesQuery(ListQuery):
    """Search, filters, order, paging, and the period of the figures."""

    model_config = ConfigDict(populate_by_name=True)

    query: _Text = ""
    """Words of title, standfirst or preview, or the whole slug."""
    status: Annotated[Status | None, EMPTY_IS_NONE] = None
    section: _Text = ""
    level: Annotated[Level | None, EMPTY_IS_NONE] = None
    """The level in force."""
    author: _Text = ""
    """Part of an author's name."""
    sort: ArticleOrder = "published"
    """published, the latest first, or by what the articles did in the period: readers, reads, walls, sales."""
    first: Annotated[Day, Field(alias="from")] = ""
    """The first day of the figures; without either day they are of the last 30 days."""
    last: Annotated[Day, Field(alias="to")] = ""
    """The last day, included; without it today."""

    def chosen(self) -> StaffFilter:
        return StaffFilter(self.query, self.status, self.section, self.level, self.author)

    def asked(self, settings: Settings, now: datetime) -> Asked:
        """The period in the publication's zone. Raises Problem `invalid-request`."""
        return recent(self.first, self.last, settings, now)


AnyArticles = Annotated[ArticlesQuery, Query()]


class ArticleFiguresItem(BaseModel):
    """An article and what it did in the period."""

    id: str
    slug: str
    title: str
    section: str | None
    authors: list[str]
    status: Literal["draft", "scheduled", "published", "withdrawn"]
    published_at: AwareDatetime | None
    effective: EffectiveLevel
    readers: int | None
    """Distinct holders who read it: devices, or readers with the devices that they signed in on; null where the
    some rows have been deleted.
    """
    each_stands_for: int
    """1: all readers are counted; more: they are those of a sample, multiplied by this, but never more than the reads."""
    reads: int
    """Openings, re-reads included."""
    walls: int
    """How often a wall was shown."""
    sales: int
    """Purchases whose last wall was here, or whose pass is for this article."""

    @classmethod
    def of(cls, found: ArticleFigures) -> Self:
        article = found.article
        return cls.model_validate(
            {
                "id": article.id, "slug": article.slug, "title": article.title,
                "section": article.section, "authors": article.authors, "status": article.status,
                "published_at": article.published_at,
                "effective": EffectiveLevel.model_validate(found.level),
                "readers": found.readers, "each_stands_for": found.each_stands_for,
                "reads": found.reads, "walls": found.walls, "sales": found.sales,
            }
        )  # fmt: skip


class ArticleFiguresList(ListOut[ArticleFiguresItem]):
    """Articles in the order asked for."""
