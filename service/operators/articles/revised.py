"""What a revision changed, in words."""

from collections.abc import Mapping
from typing import Any

from service.content.schemas import AccessIn
from service.levels import LEVEL_WORDS
from service.operators.articles.words import STATUS_WORDS

_READ = ("title", "standfirst", "body", "authors", "image")
_ABOUT_TIME = {"published_at", "updated_at"}


def revised(document: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """What is otherwise than in the revision before; None: it is the first."""
    if before is None:
        return f"First sent: {document.get('title', '')}"
    told = []
    status = document.get("status")
    if status != before.get("status"):
        told.append(STATUS_WORDS.get(str(status), "another status"))
    if "title" not in document:
        return ", ".join(told) or "Withdrawn"
    if document.get("access") != before.get("access") and "title" in before:
        told.append(f"level: {_level(document)}")
    if "title" in before:
        changed = {name for name in document if document[name] != before.get(name)}
        if changed & set(_READ):
            told.append("text")
        if changed - {*_READ, *_ABOUT_TIME, "status", "access"}:
            told.append("section, tags or other details")
    words = ", ".join(told) or "sent again"
    return words[0].upper() + words[1:]


def _level(document: Mapping[str, Any]) -> str:
    level = AccessIn.model_validate(document.get("access") or {}).level
    return LEVEL_WORDS[level] if level is not None else "by the rules"
