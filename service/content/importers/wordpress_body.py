"""What WordPress stores as a post's content, turned into the HTML its readers see."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.content.importers.markup import plain_text
from service.content.importers.paragraphs import blocks, paragraphs
from service.content.importers.shortcodes import expand, figure

_IS_BLOCKS = re.compile(r"<!--\s*wp:")
_REUSABLE = re.compile(r"<!--\s*wp:(?:core/)?block\s*(\{[^{}]*\})\s*/-->")
_REFERENCE = re.compile(r'"ref"\s*:\s*(\d+)')


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


def article_html(
    content: str, *, post_id: str, attachments: Attachments, reusable: Mapping[str, str]
) -> str:
    """The content as balanced, unsanitised HTML, with at most one `<!--more-->` between blocks.

    `reusable` holds the contents of reusable blocks by their id.
    """

    def gallery(attributes: Mapping[str, str]) -> str:
        return _gallery(attributes, attachments, post_id)

    with_blocks = _REUSABLE.sub(lambda match: _reused(match, reusable), content)
    is_blocks = _IS_BLOCKS.search(with_blocks) is not None
    expanded = expand(with_blocks, gallery)
    return blocks(expanded) if is_blocks else paragraphs(expanded)


def _reused(match: re.Match[str], reusable: Mapping[str, str]) -> str:
    reference = _REFERENCE.search(match[1])
    return reusable.get(reference[1], "") if reference else ""


def _gallery(attributes: Mapping[str, str], attachments: Attachments, post_id: str) -> str:
    """The pictures named by `ids` or `include`, else those uploaded to the post."""
    named = attributes.get("ids") or attributes.get("include")
    if named:
        ids = re.findall(r"\d+", named)
    else:
        left_out = set(re.findall(r"\d+", attributes.get("exclude", "")))
        parent = attributes.get("id", post_id)
        ids = [each for each in attachments.of_post.get(parent, []) if each not in left_out]
    known = [attachments.by_id[each] for each in ids if each in attachments.by_id]
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
