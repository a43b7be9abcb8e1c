"""An explanation as the back office asks for it in a form, and shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import BaseModel, Field

from service.access.decision import Hidden, Wall
from service.access.explain import Explanation, explain
from service.access.reasons import operators_words
from service.clock import in_utc
from service.content.rendering import Rendering
from service.db.context import Context
from service.identity.entry import ENTRY_WORDS, Entry
from service.problems import Problem
from service.reports.schemas import Storable
from service.texts import SLUG_LENGTH


class ExplainForm(BaseModel):
    """`article` may be its whole address. `at` is in the publication's time zone; empty: now."""

    article: Annotated[str, Field(max_length=2000), Storable] = ""
    at: Annotated[str, Field(max_length=40)] = ""
    entry: Entry = "direct"

    @property
    def slug(self) -> str:
        path = self.article.strip().partition("#")[0].partition("?")[0]
        return path.rstrip("/").rpartition("/")[2][:SLUG_LENGTH]


AnyExplainForm = Annotated[ExplainForm, Query()]


@dataclass(frozen=True)
class Explained:
    """What the form shows. `found` None: nothing was asked for, or there is a `refusal`."""

    asked: ExplainForm = field(default_factory=ExplainForm)
    found: Explanation | None = None
    refusal: str | None = None
    status_code: int = 200

    @property
    def entries(self) -> dict[Entry, str]:
        return dict(ENTRY_WORDS)

    @property
    def sentence(self) -> str:
        """Why the article is open or closed."""
        if self.found is None:
            return ""
        outcome = self.found.outcome
        if isinstance(outcome, Hidden):
            return "Closed: readers can't see the article, it isn't published."
        state = "Closed" if isinstance(outcome, Wall) else "Open"
        return f"{state}: {operators_words(outcome.reason)}."


async def explained(
    context: Context,
    rendering: Rendering,
    reader: str,
    asked: ExplainForm,
    *,
    sees_readers: bool,
    foreseen: frozenset[str] = frozenset(),
) -> Explained:
    """What the form asks for; Problems of the kinds that are `foreseen` are told in it, as those of its fields are."""
    try:
        found = await explain(
            context, rendering, reader=reader, article=asked.slug,
            at=_instant(asked.at, context.settings.zone), sees_readers=sees_readers, entry=asked.entry,
        )  # fmt: skip
    except Problem as problem:
        if problem.slug not in {"article-not-found", "invalid-request"} | foreseen:
            raise
        refusal = problem.detail
        if problem.slug == "article-not-found":
            refusal = "Article not found. Enter its URL or slug."
        return Explained(asked, refusal=refusal, status_code=problem.type.status)
    return Explained(asked, found)


def _instant(typed: str, zone: ZoneInfo) -> datetime | None:
    if not typed.strip():
        return None
    try:
        read = datetime.fromisoformat(typed.strip())
        return in_utc(read if read.tzinfo is not None else read.replace(tzinfo=zone))
    except ValueError as error:
        raise Problem(
            "invalid-request", "Enter the time as 2026-03-10T09:00, or leave it empty for now."
        ) from error
