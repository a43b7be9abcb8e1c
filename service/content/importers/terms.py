"""Section, tags and language of an export's items."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from service.content.importers.markup import plain_text
from service.content.importers.people import distinct
from service.content.importers.wxr import Item

_PRIMARY = ("_yoast_wpseo_primary_category", "rank_math_primary_category", "_primary_term_category")
_LANGUAGE_FIELDS = ("_wpml_import_language_code", "_wpml_language", "_locale")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass
class Categories:
    """The export's categories by their id, which posts' fields refer to."""

    _nicenames: dict[str, str] = field(default_factory=dict)

    def add(self, element: Mapping[str, str]) -> None:
        """Record a `<wp:category>`, or a `<wp:term>` of that kind."""
        if element.get("wp:term_taxonomy", "category") == "category":
            nicename = element.get("wp:category_nicename") or element.get("wp:term_slug", "")
            self._nicenames[element.get("wp:term_id", "")] = nicename

    def primary(self, item: Item) -> str:
        """The nicename of the category that an SEO plugin marks as the first one, "" without."""
        marked = next((item.meta[key] for key in _PRIMARY if item.meta.get(key)), "")
        return self._nicenames.get(marked.strip(), "")


def section_and_tags(
    item: Item, categories: Categories, read: Callable[[str], str]
) -> tuple[str | None, tuple[str, ...]]:
    """The primary, else the first category is the section; the others come behind the tags.

    WordPress gives every post without a category "uncategorized", which names no section. Exports
    of version 1.0 repeat each category without a domain and call the tags' domain "tag". `read`
    picks the language of a name.
    """
    named = [(term, plain_text(read(term.name)) or term.nicename) for term in item.terms]
    found = [
        (term.nicename, name)
        for term, name in named
        if term.domain == "category" and term.nicename != "uncategorized" and name
    ]
    primary = categories.primary(item)
    ordered = [name for _, name in sorted(found, key=lambda pair: pair[0] != primary)]
    tags = [name for term, name in named if term.domain in {"post_tag", "tag"}]
    section = ordered[0] if ordered else None
    return section, tuple(tag for tag in distinct(tags + ordered[1:]) if tag != section)


def language_tag(text: str) -> str | None:
    """A language as a BCP 47 tag (`de_AT` → `de-AT`); None for what is none."""
    tag = text.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else None


def language_of(item: Item, site: str | None) -> str | None:
    """The post's own language (Polylang, WPML, Bogo), else the site's."""
    term = next((term.nicename for term in item.terms if term.domain == "language"), "")
    fields = (item.meta.get(key, "") for key in _LANGUAGE_FIELDS)
    own = next((tag for text in (term, *fields) if (tag := language_tag(text))), None)
    if own is None or (site and site.lower().split("-")[0] == own.lower()):
        return site  # "en" on a site in en-GB is no news
    return own
