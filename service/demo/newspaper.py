"""The sample newspaper as its files tell it: articles, pictures, and how it introduces itself."""

import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from service.content.schemas import ArticleIn

_HERE = Path(__file__).parent
PICTURES = _HERE / "pictures"
_FRONT = "+++\n"


@dataclass(frozen=True)
class Newspaper:
    """`articles` are pairs of slug and document, dated relative to the day of the first start, the oldest first."""

    name: str
    tagline: str
    about: str
    time_zone: str
    articles: tuple[tuple[str, ArticleIn], ...]


def read_newspaper(now: datetime) -> Newspaper:
    """Read the files beside this module; `now` is business time."""
    folder = _HERE / "articles"
    paper = tomllib.loads((folder / "newspaper.toml").read_text(encoding="utf-8"))
    articles = [_article(path, now, paper["language"]) for path in folder.glob("*.md")]
    articles.sort(key=lambda each: each[1].published_at or now)
    return Newspaper(
        name=paper["name"],
        tagline=paper["tagline"],
        about=paper["about"].strip(),
        time_zone=paper["time_zone"],
        articles=tuple(articles),
    )


def _article(path: Path, now: datetime, language: str) -> tuple[str, ArticleIn]:
    _, front, body = path.read_text(encoding="utf-8").split(_FRONT, 2)
    fields: dict[str, Any] = tomllib.loads(front)
    document = {
        "title": fields["title"],
        "standfirst": fields["standfirst"],
        "body": body.strip(),
        "body_format": "markdown",
        "authors": [{"name": name} for name in fields["authors"]],
        "section": fields["section"],
        "tags": fields["tags"],
        "image": {"url": f"/pictures/{fields['image']}", "alt": fields["image_alt"]},
        "language": language,
        "published_at": now - timedelta(days=fields["days_ago"]),
        "access": {"level": fields.get("level")},
    }
    return fields["slug"], ArticleIn.model_validate(document)
