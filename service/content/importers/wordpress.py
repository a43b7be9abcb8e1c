"""Reads a WordPress export (WXR 1.0 to 1.2, Tools → Export) as articles.

A file in, values out: nothing is fetched and nothing stored. Every item of the file comes
out exactly once, as an article or as skipped with the reason.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, Literal

from service.content.importers.markup import has_content, plain_text
from service.content.importers.slugs import SlugRegister
from service.content.importers.wordpress_body import Attachment, Attachments, article_html
from service.content.importers.wxr import (
    ExportUnreadable,
    Item,
    item_of,
    not_an_export,
    read_channel,
    texts_of,
)

__all__ = ["ExportUnreadable", "ImportedArticle", "Progress", "Skipped", "read_export"]

Progress = Callable[[int, int], None]

_VERSIONS = {"1.0", "1.1", "1.2"}
_TITLE_WORDS = 8
_YEAR = re.compile(r"\s[12]\d{3}\s")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")

# WordPress's own post types, with what they are called on its pages.
_TYPES = {
    "page": "a page",
    "attachment": "a file of the media library",
    "nav_menu_item": "an entry of a navigation menu",
    "revision": "an old revision of a post",
    "custom_css": "a style sheet",
    "customize_changeset": "a draft of design settings",
    "oembed_cache": "a cached embed",
    "user_request": "a request about personal data",
    "wp_block": "a reusable block",
    "wp_template": "a theme's template",
    "wp_template_part": "a part of a theme's template",
    "wp_global_styles": "a theme's style settings",
    "wp_navigation": "a navigation menu",
    "wp_font_family": "a font",
    "wp_font_face": "a font",
    "guest-author": "the profile of a guest author",
}
_PUBLISH = "Publish it in WordPress and export again to import it."
_UNDATED = ("undated", "It has no readable date. Set its date in WordPress and export again.")
_EMPTY = ("empty", "It has no text and no picture. Write something in WordPress and export again.")
_PROTECTED = (
    "password-protected",
    (
        "It is protected by a password. Remove the password in WordPress and export again; an "
        "access level can protect it here."
    ),
)
_STATUSES = {
    "draft": ("draft", f"It is a draft. {_PUBLISH}"),
    "auto-draft": ("draft", "It is a draft that WordPress saved by itself and nobody finished."),
    "pending": ("pending", f"It waits for review. {_PUBLISH}"),
    "private": ("private", "It is private in WordPress. Make it public there to import it."),
    "future": (
        "scheduled",
        "It is scheduled and was not published when the export was made. Export again once it is.",
    ),
    "trash": ("trashed", "It lies in WordPress's trash. Restore it there to import it."),
    "inherit": ("revision", "It is a revision or an autosave of another post."),
}


@dataclass(frozen=True)
class ImportedArticle:
    """A published post. `title` and `standfirst` are plain text, `body` is unsanitised HTML.

    `slug` is unique in the file, `[a-z0-9]+(-[a-z0-9]+)*` and at most 120 characters long.
    `source_ids`: "wordpress" (the post's id), "wordpress_guid", and "wordpress_slug" where the
    name in WordPress was another than `slug`; each only where the export says it.
    """

    slug: str
    title: str
    standfirst: str
    body: str
    body_format: Literal["html"]
    authors: tuple[str, ...]
    section: str | None
    tags: tuple[str, ...]
    canonical_url: str | None
    image_url: str | None
    image_alt: str | None
    language: str | None
    published_at: datetime
    source_ids: dict[str, str]


@dataclass(frozen=True)
class Skipped:
    """An item that is no published post. `reason` is a sentence for a person, `kind` its class."""

    title: str
    source_id: str
    reason: str
    kind: str


@dataclass
class _Index:
    """What the first pass gathers, because posts refer to things that stand behind them."""

    authors: dict[str, str] = field(default_factory=dict)
    attachments: Attachments = field(default_factory=Attachments)
    reusable: dict[str, str] = field(default_factory=dict)
    slugs: SlugRegister = field(default_factory=SlugRegister)
    language: str | None = None
    version: str = ""


class _Meter:
    def __init__(self, total: int, report: Progress | None) -> None:
        self._total = total
        self._report = report
        self._read = 0

    def advance(self, count: int) -> None:
        self._read += count
        if self._report is not None and count:
            self._report(self._read, self._total)


def read_export(
    source: BinaryIO | Path, *, now: datetime, progress: Progress | None = None
) -> Iterator[ImportedArticle | Skipped]:
    """Yield every item of the export in its order.

    The file is read twice, so that a damaged one is refused before the first item comes out.
    `progress(bytes_read, total)` counts both passes: `total` is twice the file's size. `now`
    (aware) tells posts that are dated in the future. A stream has to be seekable and stays open.

    Raises ExportUnreadable, on the first item asked for: not XML, cut off, forbidden XML, or no
    WordPress export of a version this reader knows.
    """
    with _opened(source) as stream:
        total = 2 * stream.seek(0, SEEK_END)
        meter = _Meter(total, progress)
        stream.seek(0)
        index = _index(stream, meter)
        stream.seek(0)
        for name, element in read_channel(stream, meter.advance):
            if name == "item":
                yield _result(item_of(element), index, now)


def _opened(source: BinaryIO | Path) -> AbstractContextManager[BinaryIO]:
    if isinstance(source, Path):
        return source.open("rb")
    if not source.seekable():
        message = (
            "The export comes as a stream that can be read only once. Save it to a file first."
        )
        raise ExportUnreadable(message)
    return nullcontext(source)


def _index(stream: BinaryIO, meter: _Meter) -> _Index:
    index = _Index()
    for name, element in read_channel(stream, meter.advance):
        if name == "item":
            _index_item(item_of(element), index)
        elif name == "wp:author":
            author = texts_of(element)
            login = author.get("wp:author_login", "")
            index.authors[login] = plain_text(author.get("wp:author_display_name", "")) or login
        elif name == "language":
            language = (element.text or "").strip().replace("_", "-")
            index.language = language if _LANGUAGE.fullmatch(language) else None
        elif name == "wp:wxr_version":
            index.version = (element.text or "").strip()
    if not index.version:
        raise not_an_export("it names no version of WordPress's format (wp:wxr_version)")
    if index.version not in _VERSIONS:
        raise not_an_export(f"it has version {index.version}, and only 1.0 to 1.2 are known")
    return index


def _index_item(item: Item, index: _Index) -> None:
    post_type, post_id = item.text("wp:post_type"), item.text("wp:post_id")
    if post_type == "attachment":
        url = item.text("wp:attachment_url")
        if url.startswith(("http://", "https://")):
            attachment = Attachment(
                url=url,
                alt=plain_text(item.meta.get("_wp_attachment_image_alt", "")),
                caption=item.text("excerpt:encoded"),
            )
            parents = {item.text("wp:post_parent"), item.meta.get("_attachment_original_parent_id")}
            index.attachments.add(post_id, attachment, {p for p in parents if p and p != "0"})
    elif post_type == "wp_block":
        index.reusable[post_id] = item.fields.get("content:encoded", "")
    elif post_type == "guest-author":
        login = item.meta.get("cap-user_login", "")
        name = item.meta.get("cap-display_name") or item.text("title")
        index.authors.setdefault(login, plain_text(name) or login)
    elif post_type == "post" and item.text("wp:status") == "publish":
        index.slugs.reserve(item.text("wp:post_name"))


def _result(item: Item, index: _Index, now: datetime) -> ImportedArticle | Skipped:
    published_at = _published_at(item)
    refusal = _refusal(item, published_at, now)
    body = ""
    if refusal is None:
        body = article_html(
            item.fields.get("content:encoded", ""),
            post_id=item.text("wp:post_id"),
            attachments=index.attachments,
            reusable=index.reusable,
        )
        if not has_content(body):
            refusal = _EMPTY
    if refusal is not None or published_at is None:
        kind, reason = refusal or _UNDATED
        title = plain_text(item.text("title")) or "(no title)"
        return Skipped(title, item.text("wp:post_id"), reason, kind)
    return _article(item, body, published_at, index)


def _refusal(item: Item, published_at: datetime | None, now: datetime) -> tuple[str, str] | None:
    """Why the item is no article, as (kind, reason); None if it is one."""
    post_type, status = item.text("wp:post_type"), item.text("wp:status")
    if post_type in _TYPES:
        return post_type, f"It is {_TYPES[post_type]}, not a post; only posts become articles."
    if post_type != "post":
        named = (
            f"of the type “{post_type}”, which a plugin or theme made" if post_type else "untyped"
        )
        return "unknown-type", f"It is {named}; only posts become articles."
    if status in _STATUSES:
        return _STATUSES[status]
    if status != "publish":
        reason = f"Its status is “{status}”, which a plugin made. {_PUBLISH}"
        return "unknown-status", reason
    if item.text("wp:post_password"):
        return _PROTECTED
    if published_at is None:
        return _UNDATED
    if published_at > now:
        return "scheduled", f"It is dated in the future ({published_at:%Y-%m-%d %H:%M} UTC)."
    return None


def _article(item: Item, body: str, published_at: datetime, index: _Index) -> ImportedArticle:
    post_id, post_name = item.text("wp:post_id"), item.text("wp:post_name")
    title = plain_text(item.text("title")) or _made_up_title(body, published_at)
    slug = index.slugs.claim(post_name, title, post_id)
    section, tags = _section_and_tags(item)
    link = item.text("link")
    image = index.attachments.by_id.get(item.meta.get("_thumbnail_id", ""))
    source_ids = {
        "wordpress": post_id,
        "wordpress_guid": item.text("guid"),
        "wordpress_slug": post_name if post_name != slug else "",
    }
    return ImportedArticle(
        slug=slug,
        title=title,
        standfirst=plain_text(item.text("excerpt:encoded")),
        body=body,
        body_format="html",
        authors=_authors(item, index),
        section=section,
        tags=tags,
        canonical_url=link if link.startswith(("http://", "https://")) else None,
        image_url=image.url if image else None,
        image_alt=(image.alt or None) if image else None,
        language=index.language,
        published_at=published_at,
        source_ids={key: value for key, value in source_ids.items() if value},
    )


def _made_up_title(body: str, published_at: datetime) -> str:
    words = plain_text(body).split()
    if not words:
        return f"Untitled, {published_at:%Y-%m-%d}"
    start = " ".join(words[:_TITLE_WORDS])[:80]
    return start if len(words) <= _TITLE_WORDS else f"{start.rstrip('.,;:')}…"


def _authors(item: Item, index: _Index) -> tuple[str, ...]:
    """Bylines by display name: those of the plugin Co-Authors Plus if set, else the creator."""
    logins = [term.nicename.removeprefix("cap-") for term in item.terms if term.domain == "author"]
    # WordPress takes < and > out of logins; damaged exports put them in.
    logins = logins or [item.text("dc:creator").strip("<>")]
    return _distinct(index.authors.get(login, login) for login in logins)


def _section_and_tags(item: Item) -> tuple[str | None, tuple[str, ...]]:
    """The first category is the section; further categories come behind the tags.

    WordPress gives every post without a category "uncategorized", which names no section.
    Exports of version 1.0 repeat each category without a domain and call the tags' domain "tag".
    """
    named = [(term, plain_text(term.name) or term.nicename) for term in item.terms]
    categories = [
        name
        for term, name in named
        if term.domain == "category" and term.nicename != "uncategorized" and name
    ]
    tags = [name for term, name in named if term.domain in {"post_tag", "tag"}]
    section = categories[0] if categories else None
    return section, tuple(tag for tag in _distinct(tags + categories[1:]) if tag != section)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names in their order, each in its first spelling only."""
    distinct: dict[str, str] = {}
    for name in names:
        if name:
            distinct.setdefault(name.casefold(), name)
    return tuple(distinct.values())


def _published_at(item: Item) -> datetime | None:
    """WordPress's UTC date, else the feed's, else the local one read as UTC.

    Drafts and careless imports leave 0000-00-00 in the first and the year -0001 in the second;
    the export doesn't tell the site's time zone.
    """
    return (
        _parsed(item.text("wp:post_date_gmt"))
        or _parsed_rfc822(item.text("pubDate"))
        or _parsed(item.text("wp:post_date"))
    )


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _parsed_rfc822(text: str) -> datetime | None:
    # "Mon, 30 Nov -0001" is what WordPress writes for no date; email.utils makes 2000 of it.
    if not _YEAR.search(text):
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
