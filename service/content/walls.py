"""The signs in a body's HTML that what follows isn't for everybody. Pure.

An author's mark says where the preview ends. A wall is a restriction of the system that the text
comes from: its level comes along. A hint is a class or an attribute that looks like one: the
preview ends there at the latest.

Sources: Ghost's gated blocks and segments (github.com/TryGhost/Ghost, kg-default-nodes and
`gated-blocks.ts`), WordPress's `the_content` for the rendered more mark, Jetpack's and Newspack's
blocks as they are rendered.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.levels import Level

SignKind = Literal["mark", "wall", "hint"]


@dataclass(frozen=True)
class Sign:
    """`level` is the wall's. `is_exact`: nothing behind it is public, not even in its block."""

    kind: SignKind
    level: Level | None = None
    is_exact: bool = True


_MORE = Sign("mark", is_exact=False)
_MARK = Sign("mark")

_PAID = r"pay-?wall(?:ed)?|paid|premium|members?|subscribers?|gated|restrict(?:ed)?"
_COMMENTS = (
    (r"more(?![\w-]).*", _MORE),
    (r"members-only", _MARK),
    (r"wall:registered", Sign("wall", "registered")),
    (r"wall:subscribers", Sign("wall", "subscribers")),
    (
        rf"(?:[a-z]+[_-])?(?:(?:begin|start)[\s:_-]*)?(?:{_PAID})(?:[\s:_-]*(?:only|content|begin|start)){{0,2}}",
        Sign("wall", "subscribers"),
    ),
)
_COMMENT_SIGNS = [
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), sign) for pattern, sign in _COMMENTS
]
_EDITOR_BLOCK = re.compile(r"wp:([\w-]+(?:/[\w-]+)?)\b.*", re.DOTALL)
_WALL_BLOCK = re.compile(r"paywall|premium|member|restrict|content-gate|gated")
# What stands beside a wall's text: ways to sign in or subscribe.
_NO_WALL_BLOCK = re.compile(r"button|form|login|logged-out")
_GATED_BLOCK = re.compile(r"kg-gated-block:begin\b(.*)", re.DOTALL | re.IGNORECASE)
_FOR_EVERYBODY = re.compile(r"\bnonMember\s*:\s*true\b", re.IGNORECASE)
# A segment of Ghost's members that includes those who don't pay: `status:free`, but not `status:-free`.
_FREE_MEMBERS = re.compile(r"\bstatus:free\b", re.IGNORECASE)

_TAG = re.compile(rf"(?:[a-z]+[:-])?(?:{_PAID})(?:-(?:only|content|block|section))?")
_RENDERED_MORE = re.compile(r"more-\d+")
_CLASS = re.compile(
    rf"(?:[a-z]+-)?(?:{_PAID})[_-](?:only|content|text|body|block|section|container)"
    r"|(?:(?!no-)[a-z]+(?:-|__?))*pay-?wall(?:ed)?(?:[_-]+(?:content|card|container))?|wp-block-premium-content-[\w-]+"
    r"|[\w-]*content-gate[\w-]*|kg-gated-block|pmpro_content",
    re.IGNORECASE,
)
_ACCESS_ATTRIBUTES = (
    "access", "data-access", "data-access-level", "data-audience", "data-content-access",
    "data-visibility", "visibility",
)  # fmt: skip
_RESTRICTED = re.compile(rf"(?:{_PAID})(?:-only)?|tiers?|registered|logged-?in", re.IGNORECASE)
_REGISTERED = re.compile(r"members?(?:-only)?|registered|logged-?in", re.IGNORECASE)
_SEGMENTS = ("data-gh-segment", "data-kg-segment", "data-member-segment")
_FLAGS = ("data-paywall", "data-members-only", "data-premium", "data-gated", "data-restricted")


def comment_sign(text: str) -> Sign | None:
    """What the comment with this text says."""
    text = text.strip(" \t\r\n-")  # `<!--- members-only --->`, as Markdown's writers like it
    gated = _GATED_BLOCK.fullmatch(text)
    if gated:
        return None if _FOR_EVERYBODY.search(gated[1]) else Sign("wall", _segment_level(gated[1]))
    block = _EDITOR_BLOCK.fullmatch(text)
    if block:
        is_wall = _WALL_BLOCK.search(block[1]) and not _NO_WALL_BLOCK.search(block[1])
        return Sign("wall", "subscribers") if is_wall else None
    return next((sign for pattern, sign in _COMMENT_SIGNS if pattern.fullmatch(text)), None)


def element_sign(tag: str, attributes: Mapping[str, str]) -> Sign | None:
    """What the element says by its name, its id, its classes or its attributes."""
    if _TAG.fullmatch(tag):
        return Sign("wall", "subscribers")
    if not attributes:
        return None
    if tag == "span" and _RENDERED_MORE.fullmatch(attributes.get("id", "")):
        return _MARK
    for name in _SEGMENTS:
        if attributes.get(name):
            return Sign("wall", _segment_level(attributes[name]))
    for name in _ACCESS_ATTRIBUTES:
        value = attributes.get(name, "").strip()
        if _RESTRICTED.fullmatch(value):
            level: Level = "registered" if _REGISTERED.fullmatch(value) else "subscribers"
            return Sign("hint", level)
    if any(attributes.get(name, "false").lower() not in {"false", "0"} for name in _FLAGS):
        return Sign("hint", "subscribers")
    if any(_CLASS.fullmatch(name) for name in attributes.get("class", "").split()):
        return Sign("hint", "subscribers")
    return None


def _segment_level(segment: str) -> Level:
    return "registered" if _FREE_MEMBERS.search(segment) else "subscribers"
