"""The form that names a crawler or changes what is known of it: as it is typed, and as it is stored."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from pydantic import ValidationError

from service.crawlers.known import Crawler
from service.crawlers.pasted_json import read_json
from service.crawlers.schemas import CrawlerIn
from service.wrong_values import said_of

FIELDS = ("name", "category", "agents", "hosts", "keys")
NOTHING_TYPED: Mapping[str, str] = {**dict.fromkeys(FIELDS, ""), "category": "search"}
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 60
_WORDS = {
    "agents": "User agents have 3 to 60 letters, hyphens and underscores, such as GPTBot",
    "hosts": "Enter domains in lower case, such as search.example.org",
    "category": "Choose a purpose",
}


def typed_of(crawler: Crawler) -> dict[str, str]:
    """What is known of it, as the form has it."""
    return {
        "name": crawler.name, "category": crawler.category, "agents": "\n".join(crawler.agents),
        "hosts": "\n".join(crawler.hosts), "keys": "\n".join(map(json.dumps, crawler.keys)),
    }  # fmt: skip


def crawler_typed(typed: Mapping[str, str], known: Crawler | None) -> Crawler:
    """What the form says, with the networks that are known. ValueError says in a sentence what is wrong."""
    name = typed["name"].strip()
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            "Use lower-case letters, digits and hyphens for the short name, such as goodbot."
        )
    lists = {each: typed[each].split() for each in ("agents", "hosts")}
    if not lists["agents"]:
        raise ValueError(f"{_WORDS['agents']}. Enter at least one.")
    try:
        body = CrawlerIn.model_validate(
            {"category": typed["category"], **lists, "keys": _keys(typed["keys"])}
        )
    except ValidationError as error:
        raise ValueError(_told(error)) from error
    networks = known.networks if known is not None else ()
    return replace(body.crawler(name), networks=networks)


def _keys(text: str) -> list[object]:
    """JSON Web Keys, one on a line, or a set of them as its operator publishes it."""
    try:
        document = read_json(text) if text.strip() else []
    except ValueError:
        try:
            lines = [read_json(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise ValueError(f"The keys aren't valid JSON: {error}.") from error
        return [_members(each) for each in lines]
    if isinstance(document, dict):
        document = document.get("keys", [document])
    return [_members(each) for each in document] if isinstance(document, list) else [document]


def _members(key: object) -> object:
    """Without members that aren't text, such as `key_ops`: none of them is kept."""
    if not isinstance(key, dict):
        return key
    return {name: value for name, value in key.items() if isinstance(value, str)}


def _told(error: ValidationError) -> str:
    first = error.errors()[0]
    field = str(first["loc"][0])
    if field == "keys":
        return f"Keys: {said_of(first)}"
    return f"{_WORDS[field]}."
