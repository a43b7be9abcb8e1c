"""What WordPress stores as a post's content, turned into the HTML its readers see."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from service.content.importers.block_marks import resolve
from service.content.importers.footnotes import footnotes_html
from service.content.importers.found import Found
from service.content.importers.languages import in_language, languages_of
from service.content.importers.markup import plain_text
from service.content.importers.media import seen
from service.content.importers.paragraphs import blocks, paragraphs
from service.content.importers.shortcodes import expand, figure, link
from service.content.importers.stored_json import read_json

_IS_BLOCKS = re.compile(r"<!--\s*wp:")
_REUSABLE = re.compile(r"<!--\s*wp:(?:core/)?block\s*(\{(?:(?!-->).)*+)-->", re.DOTALL)
_NESTED = 5
_LONGEST_REUSED = 4_000_000


@dataclass(frozen=True)
class Attachment:
    """A file of the media library. `caption` is HTML, `alt` plain text; both may be empty."""

    url: str
    alt: str
    caption: str


@dataclass
class Attachments:
    """The media library: files by id, and ids in the file's order by the post they belong to."""

    by_id: dict[str, Attachment] = field(default_factory=dict)
    of_post: dict[str, list[str]] = field(default_factory=dict)

    def add(self, attachment_id: str, attachment: Attachment, parents: set[str]) -> None:
        """Record a file uploaded to the posts `parents` (an import may have moved it)."""
        self.by_id[attachment_id] = attachment
        for parent in parents:
            self.of_post.setdefault(parent, []).append(attachment_id)


@dataclass(frozen=True)
class Surroundings:
    """What a post's content refers to, and how its site reads it.

    `reusable`: the contents of reusable blocks by their id. `base`: the post's address, from which
    relative addresses start. `language`: two letters. `footnotes`: the field of that name.
    """

    post_id: str
    attachments: Attachments
    reusable: Mapping[str, str]
    base: str = ""
    language: str = ""
    footnotes: str = ""


def article_html(content: str, around: Surroundings, found: Found) -> str:
    """The content as balanced, unsanitised HTML, with at most one mark of a cut, between blocks.

    The mark is `<!--more-->` or `<!--members-only-->` (the author's), or `<!--paywall-->` (where the
    source's wall begins).
    `found` gets the walls, and what was left out or changed.
    """
    text = content.replace("\r\n", "\n").replace("\r", "\n")
    text = _reused(in_one_language(text, around.language, found), around, found)
    notes = partial(_footnotes, around.footnotes, text)
    is_blocks = _IS_BLOCKS.search(text) is not None
    resolved = resolve(text, found, {"footnotes": notes})
    if notes({}) and "wp:footnotes" not in text:
        resolved += notes({})
    gallery = partial(_gallery, around=around, found=found)
    tokens = seen(expand(resolved, gallery, found), around.base, found)
    return blocks(tokens) if is_blocks else paragraphs(tokens)


def in_one_language(text: str, wanted: str, found: Found) -> str:
    """The text in the language `wanted` if it holds that, else in its first; others are noted."""
    languages = languages_of(text)
    if not languages:
        return text
    taken = wanted if wanted in languages else languages[0]
    others = ", ".join(each for each in languages if each != taken)
    if others:
        found.note("language", f"{taken} was taken, {others} left out")
    return in_language(text, taken)


def _reused(content: str, around: Surroundings, found: Found) -> str:
    """The content with its reusable blocks put in, which may hold others."""
    left = _LONGEST_REUSED

    def put_in(match: re.Match[str]) -> str:
        nonlocal left
        attributes = read_json(match[1].rstrip("/ \n")) or {}
        number = str(attributes.get("ref", ""))
        if attributes.get("content"):
            found.note("block-words", number)
        block = around.reusable.get(number, "")
        left -= len(block)
        # Blocks that hold one another would grow without an end.
        if not block or left < 0:
            found.note("missing-block", number)
            return ""
        return block

    for _ in range(_NESTED):
        if not _REUSABLE.search(content):
            break
        content = _REUSABLE.sub(put_in, content)
    return content


def _footnotes(stored: str, content: str, _: dict[str, Any]) -> str:
    return footnotes_html(stored, content)


def _gallery(attributes: Mapping[str, str], *, around: Surroundings, found: Found) -> str:
    """The files named by `ids` or `include`, else those uploaded to the post."""
    library = around.attachments
    named = attributes.get("ids") or attributes.get("include")
    if named:
        ids = re.findall(r"\d+", named)
    else:
        left_out = set(re.findall(r"\d+", attributes.get("exclude", "")))
        parent = attributes.get("id", around.post_id)
        ids = [each for each in library.of_post.get(parent, []) if each not in left_out]
    for each in ids:
        if each not in library.by_id:
            found.note("missing-media", each)
    known = [library.by_id[each] for each in ids if each in library.by_id]
    if attributes.get("type") == "playlist":
        return "".join(f"\n\n<p>{link(each.url)}</p>\n\n" for each in known)
    if not ids:
        found.note("missing-media", "the pictures of a gallery")
    return "".join(
        figure(_picture(attachment), attachment.caption.strip())
        for attachment in known
        if _is_picture(attachment.url)
    )


def _is_picture(url: str) -> bool:
    path = url.partition("?")[0].lower()
    return path.endswith((".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp", ".svg"))


def _picture(attachment: Attachment) -> str:
    alt = attachment.alt or plain_text(attachment.caption)
    return f'<img src="{html.escape(attachment.url)}" alt="{html.escape(alt)}">'
