"""What every importer yields: articles, items that are none, and repairs of the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from service.content.importers.notes import Note
from service.levels import Level


@dataclass(frozen=True, kw_only=True)
class ImportedArticle:
    """A published post. `title` and `standfirst` are plain text, `body` is unsanitised HTML.

    `slug` is unique in the run, `[a-z0-9]+(-[a-z0-9]+)*` and at most 120 characters long.
    `level` and `plans`: what the source asks of readers; None where it says nothing. `source_ids`
    tell who it is: "wordpress_guid", else "wordpress_site" and "wordpress" (the post's id);
    "wordpress_slug" where its name there is another than `slug`. Each only where the source says it.
    """

    slug: str
    title: str
    standfirst: str
    body: str
    body_format: Literal["html"] = "html"
    authors: tuple[str, ...] = ()
    section: str | None = None
    tags: tuple[str, ...] = ()
    canonical_url: str | None = None
    image_url: str | None = None
    image_alt: str | None = None
    language: str | None = None
    published_at: datetime
    updated_at: datetime | None = None
    level: Level | None = None
    plans: tuple[str, ...] = ()
    source_ids: dict[str, str]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """An item that is no published post. `reason` is a sentence for a person, `kind` its class.

    `unpublished`: it is a post that readers don't see at its source (any more).
    """

    title: str
    source_id: str
    reason: str
    kind: str
    source_ids: Mapping[str, str] = field(default_factory=dict)
    unpublished: bool = False


@dataclass(frozen=True)
class Mended:
    """A repair of the file itself. `reason` is a sentence with the number of places."""

    file: str
    kind: str
    count: int
    reason: str


Imported = ImportedArticle | Skipped | Mended
