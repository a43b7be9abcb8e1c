"""Reads WordPress exports (WXR 1.0 to 1.2, Tools → Export) as articles.

Files in, values out: nothing is fetched and nothing stored. Every item of the files comes out
exactly once, as an article or as skipped with the reason, and every repair of a file.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from service.content.importers.article import Imported, ImportedArticle, Mended, Skipped
from service.content.importers.dates import published_at, updated_at
from service.content.importers.excerpts import excerpt_text
from service.content.importers.found import Found
from service.content.importers.markup import PAYWALL, has_content, plain_text, public_text
from service.content.importers.media import joined
from service.content.importers.mending import MENDED
from service.content.importers.refusals import EMPTY, REPEATED, UNDATED, Refusal, refusal_of
from service.content.importers.site import Index, Indexing, Site
from service.content.importers.slugs import slugify
from service.content.importers.terms import language_of, section_and_tags
from service.content.importers.walls import of_article
from service.content.importers.wordpress_body import Surroundings, article_html, in_one_language
from service.content.importers.wxr import ExportUnreadable, Item, item_of, read_channel

__all__ = ["ExportUnreadable", "Options", "Progress", "read_exports"]

Progress = Callable[[int, int], None]
Source = BinaryIO | Path

_TITLE_WORDS = 8


@dataclass(frozen=True)
class Options:
    """How exports are read.

    `now` (aware) tells posts that are dated in the future. `zone` is for dates without one.
    `types`: the post types that become articles. `plans`: this publication's plan by the name that
    the source has for it.
    """

    now: datetime
    zone: ZoneInfo
    types: Collection[str] = ("post",)
    plans: Mapping[str, str] | None = None


def read_exports(
    sources: Sequence[Source], options: Options, *, progress: Progress | None = None
) -> Iterator[Imported]:
    """Yield the repairs of the files, then every item in their order.

    The files are read twice, so that a damaged one is refused before the first item comes out, and
    a post finds its pictures in any of them. `progress(bytes_read, total)` counts both passes:
    `total` is twice the files' size. A stream has to be seekable and stays open.

    Raises ExportUnreadable, on the first item asked for: no XML, cut off, forbidden XML, or no
    WordPress export of a version this reader knows.
    """
    meter = _Meter(2 * sum(_size(source) for source in sources), progress)
    index = Index(options.types)
    sites: list[Site] = []
    repairs: list[Mended] = []
    for source in sources:
        mended: Counter[str] = Counter()
        indexing = Indexing(index)
        with _opened(source) as stream, _named(source):
            for name, element in read_channel(stream, meter.advance, mended):
                indexing.add(name, element)
            sites.append(indexing.finish())
        repairs += _mended(source, mended)
    index.identities.settle()
    yield from repairs
    number = 0
    for source, site in zip(sources, sites, strict=True):
        with _opened(source) as stream:
            for name, element in read_channel(stream, meter.advance, Counter()):
                if name == "item":
                    number += 1
                    yield _Reading(item_of(element), site, index, options, number).result()


class _Meter:
    def __init__(self, total: int, report: Progress | None) -> None:
        self._total = total
        self._report = report
        self._read = 0

    def advance(self, count: int) -> None:
        self._read += count
        if self._report is not None and count:
            self._report(self._read, self._total)


def _size(source: Source) -> int:
    if isinstance(source, Path):
        return source.stat().st_size
    if not source.seekable():
        message = (
            "The export comes as a stream that can be read only once. Save it to a file first."
        )
        raise ExportUnreadable(message)
    return source.seek(0, SEEK_END)


def _opened(source: Source) -> AbstractContextManager[BinaryIO]:
    if isinstance(source, Path):
        return source.open("rb")
    source.seek(0)
    return nullcontext(source)


@contextmanager
def _named(source: Source) -> Iterator[None]:
    """Say which file it is that can't be read."""
    try:
        yield
    except ExportUnreadable as error:
        raise ExportUnreadable(
            f"{source}: {error}" if isinstance(source, Path) else str(error)
        ) from error


def _mended(source: Source, counts: Counter[str]) -> Iterator[Mended]:
    file = str(source) if isinstance(source, Path) else ""
    for kind, count in sorted(counts.items()):
        yield Mended(file, kind, count, MENDED[kind].format(count=count))


@dataclass(frozen=True)
class _Reading:
    """One item on its way to a result; `number` is its place in the run."""

    item: Item
    site: Site
    index: Index
    options: Options
    number: int

    def result(self) -> ImportedArticle | Skipped:
        published, is_local = published_at(self.item, self.options.zone)
        refusal = refusal_of(self.item, published, self.options.now, self.options.types)
        if refusal is not None:
            return self._skipped(refusal)
        if self.index.identities.is_repeated(self.item, self.site.base, self.number):
            return self._skipped(REPEATED)
        if published is None:
            return self._skipped(UNDATED)
        found = Found()
        body = article_html(self.item.fields.get("content:encoded", ""), self._around(), found)
        if not has_content(body):
            return self._skipped(EMPTY)
        if is_local:
            found.note("local-date")
        return self._article(body, published, found)

    def _around(self) -> Surroundings:
        return Surroundings(
            post_id=self.item.text("wp:post_id"),
            attachments=self.site.attachments,
            reusable=self.site.reusable,
            base=self._address(),
            language=(self.site.language or "")[:2].lower(),
            footnotes=self.item.meta.get("footnotes", ""),
        )

    def _address(self) -> str:
        """The post's own address in full, "" where the export tells none."""
        link = self.item.text("link")
        return joined(f"{self.site.base}/", link) if self.site.base else link

    def _skipped(self, refusal: Refusal) -> Skipped:
        return Skipped(
            title=plain_text(self.site.read(self.item.text("title"))) or "(no title)",
            source_id=self.item.text("wp:post_id"),
            reason=refusal.reason,
            kind=refusal.kind,
            source_ids=self.index.identities.source_ids(self.item, self.site.base),
            unpublished=refusal.unpublished,
        )

    def _article(self, body: str, published: datetime, found: Found) -> ImportedArticle:
        item, site = self.item, self.site
        post_name = item.text("wp:post_name")
        title = self._title(body, published, found)
        slug = self.index.slugs.claim(post_name, title, item.text("wp:post_id"))
        section, tags = section_and_tags(item, site.categories, site.read)
        authors, left_out = site.people.byline(item)
        if left_out:
            found.note("no-byline")
        wall, notes = of_article(found.walls, item.meta)
        found.notes += notes
        plans = self._plans(wall.plans if wall else (), found)
        link = self._address() if item.text("link") else ""
        image_url, image_alt = self._image(found)
        source_ids = self.index.identities.source_ids(item, site.base)
        if post_name and post_name != slug:
            source_ids["wordpress_slug"] = post_name
        return ImportedArticle(
            slug=slug,
            title=title,
            standfirst=excerpt_text(site.read(item.text("excerpt:encoded"))),
            body=body.replace(PAYWALL, f"<!--wall:{wall.level}-->") if wall else body,
            authors=authors,
            section=section,
            tags=tags,
            canonical_url=link if link.startswith(("http://", "https://")) else None,
            image_url=image_url,
            image_alt=image_alt,
            language=language_of(item, site.language),
            published_at=published,
            updated_at=updated_at(item, published, self.options.now, self.options.zone),
            level=wall.level if wall else None,
            plans=plans,
            source_ids=source_ids,
            notes=tuple(found.notes),
        )

    def _title(self, body: str, published: datetime, found: Found) -> str:
        language = self._around().language
        title = plain_text(in_one_language(self.item.text("title"), language, found))
        if title:
            return title
        found.note("made-up-title")
        # The title is public, so what is behind a wall can't be in it.
        words = public_text(body).split()
        if not words:
            return f"Untitled, {published:%Y-%m-%d}"
        start = " ".join(words[:_TITLE_WORDS])[:80]
        return start if len(words) <= _TITLE_WORDS else f"{start.rstrip('.,;:')}…"

    def _image(self, found: Found) -> tuple[str | None, str | None]:
        """The address and the description of the post's picture."""
        number = self.item.meta.get("_thumbnail_id", "").strip()
        if number in {"", "0", "-1"}:
            return None, None
        image = self.site.attachments.by_id.get(number)
        if image is None:
            found.note("missing-media", number)
            return None, None
        return image.url, image.alt or None

    def _plans(self, named: Collection[str], found: Found) -> tuple[str, ...]:
        """The plans that open the article, by their names here."""
        known = self.options.plans or {}
        plans = tuple(known.get(each) or slugify(each) or "unnamed-plan" for each in named)
        if plans:
            found.note("plans", ", ".join(plans))
        return plans
