"""What the first pass over an export gathers, because posts refer to things that stand behind them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from service.content.importers.languages import in_language
from service.content.importers.markup import plain_text
from service.content.importers.media import joined
from service.content.importers.people import People
from service.content.importers.slugs import SlugRegister
from service.content.importers.terms import Categories, language_tag
from service.content.importers.wordpress_body import Attachment, Attachments
from service.content.importers.wxr import Item, item_of, not_an_export, texts_of

_VERSIONS = {"1.0", "1.1", "1.2"}
_ITEMS = 1 << 32  # more than any run has
_HEADS = ("link", "wp:base_site_url", "wp:base_blog_url")  # the last one that is there counts


@dataclass
class Site:
    """What one WordPress says of itself, in however many files. `base` is its address."""

    base: str
    people: People = field(default_factory=People)
    attachments: Attachments = field(default_factory=Attachments)
    reusable: dict[str, str] = field(default_factory=dict)
    categories: Categories = field(default_factory=Categories)
    language: str | None = None

    def read(self, text: str) -> str:
        """The text in the site's language, where it holds several."""
        return in_language(text, (self.language or "")[:2].lower())

    def add(self, name: str, texts: Mapping[str, str]) -> None:
        """Record a child of `<channel>` that is no item, by the texts in it."""
        if name == "wp:author":
            self.people.add_author(texts)
        elif name in {"wp:category", "wp:term"}:
            self.categories.add(texts)

    def add_item(self, item: Item) -> None:
        """Record an item that others refer to."""
        post_type, post_id = item.text("wp:post_type"), item.text("wp:post_id")
        if post_type == "attachment":
            url = joined(self.base, item.text("wp:attachment_url") or item.text("guid"))
            if url.startswith(("http://", "https://")):
                alt = plain_text(self.read(item.meta.get("_wp_attachment_image_alt", "")))
                caption = self.read(item.text("excerpt:encoded"))
                original = item.meta.get("_attachment_original_parent_id")
                parents = {item.text("wp:post_parent"), original}
                file = Attachment(url=url, alt=alt, caption=caption)
                self.attachments.add(post_id, file, {p for p in parents if p and p != "0"})
        elif post_type == "wp_block":
            self.reusable[post_id] = item.fields.get("content:encoded", "")
        elif post_type == "guest-author":
            self.people.add_guest(item)


@dataclass
class Identities:
    """Which items of a run are one post, and what tells posts apart.

    Posts are kept as hashes, and versions as one number each: an archive has a great many.
    """

    _latest: dict[int, int] = field(default_factory=dict)
    _repeated: set[int] = field(default_factory=set)
    _guids: set[int] = field(default_factory=set)
    _shared: set[str] = field(default_factory=set)

    def add(self, item: Item, base: str, number: int) -> None:
        """Record a published post, the `number`-th item of the run."""
        guid, post = item.text("guid"), _identity(item, base)
        if post in self._latest:
            self._repeated.add(post)
        elif guid and hash(guid) in self._guids:
            self._shared.add(guid)
        self._guids.add(hash(guid))
        changed = item.text("wp:post_modified_gmt") or item.text("wp:post_modified")
        digits = "".join(filter(str.isdecimal, changed))[:14]
        version = int(digits or "0") * _ITEMS + number
        self._latest[post] = max(version, self._latest.get(post, version))

    def settle(self) -> None:
        """Forget what was only needed to find the repeated ones; nothing is added any more."""
        self._latest = {post: self._latest[post] for post in self._repeated}
        self._guids = set()

    def is_repeated(self, item: Item, base: str, number: int) -> bool:
        """Whether another item is a later version of the same post."""
        if not (item.text("guid") or item.text("wp:post_id")):
            return False
        latest = self._latest.get(_identity(item, base))
        return latest is not None and latest % _ITEMS != number

    def source_ids(self, item: Item, base: str) -> dict[str, str]:
        """What tells the post from all others, here and in later exports."""
        guid = item.text("guid")
        return {
            key: value
            for key, value in (
                ("wordpress", item.text("wp:post_id")),
                ("wordpress_guid", "" if guid in self._shared else guid),
                ("wordpress_site", base),
            )
            if value
        }


def _identity(item: Item, base: str) -> int:
    return hash((base, item.text("guid"), item.text("wp:post_id")))


@dataclass
class Index:
    """Everything of the first pass, over all files of a run."""

    types: Collection[str]
    sites: dict[str, Site] = field(default_factory=dict)
    slugs: SlugRegister = field(default_factory=SlugRegister)
    identities: Identities = field(default_factory=Identities)
    items: int = 0


class Indexing:
    """The first pass over one file: the site is known once its address has come."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._heads: dict[str, str] = {}
        self._waiting: list[tuple[str, dict[str, str]]] = []
        self._site: Site | None = None
        self._language: str | None = None
        self._version = ""

    def add(self, name: str, element: Element) -> None:
        """Take the next child of `<channel>`."""
        if name in _HEADS and self._site is None:
            self._heads[name] = (element.text or "").strip()
        elif name == "wp:wxr_version":
            self._version = (element.text or "").strip()
        elif name == "item":
            self._add_item(item_of(element))
        elif name == "language":
            self._language = language_tag(element.text or "")
        elif self._site is not None:
            self._site.add(name, texts_of(element))
        else:
            self._waiting.append((name, texts_of(element)))

    @property
    def site(self) -> Site:
        """The file's site, named by what has come before the first item."""
        if self._site is None:
            known = [self._heads[name] for name in _HEADS if self._heads.get(name)]
            base = known[-1].rstrip("/") if known else ""
            self._site = self._index.sites.setdefault(base, Site(base))
            self._site.language = self._language or self._site.language
            for name, texts in self._waiting:
                self._site.add(name, texts)
        return self._site

    def finish(self) -> Site:
        """The file's site. Raises ExportUnreadable for what is no export of a known version."""
        if not self._version:
            raise not_an_export("it names no version of WordPress's format (wp:wxr_version)")
        if self._version not in _VERSIONS:
            raise not_an_export(f"it has version {self._version}, and only 1.0 to 1.2 are known")
        return self.site

    def _add_item(self, item: Item) -> None:
        index, site = self._index, self.site
        index.items += 1
        site.add_item(item)
        if item.text("wp:post_type") in index.types and item.text("wp:status") == "publish":
            index.slugs.reserve(item.text("wp:post_name"))
            index.identities.add(item, site.base, index.items)
