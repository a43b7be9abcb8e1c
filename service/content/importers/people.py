"""Bylines: the display names behind an export's logins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.content.importers.markup import plain_text
from service.content.importers.slugs import slugify
from service.content.importers.wxr import Item

_COAUTHOR = "cap-"


@dataclass
class People:
    """The authors that an export describes, by every name that its items may use."""

    _names: dict[str, str] = field(default_factory=dict)

    def add_author(self, author: Mapping[str, str]) -> None:
        """Record an account of the site: a `<wp:author>`."""
        login = author.get("wp:author_login", "")
        full = f"{author.get('wp:author_first_name', '')} {author.get('wp:author_last_name', '')}"
        names = (plain_text(author.get("wp:author_display_name", "")), plain_text(full), login)
        # A display name is often the e-mail address that the account was opened with.
        self._add((login,), _first(names))

    def add_guest(self, item: Item) -> None:
        """Record the profile of a guest author of the plugin Co-Authors Plus."""
        names = (plain_text(item.meta.get("cap-display_name", "")), plain_text(item.text("title")))
        login = item.meta.get("cap-user_login", "")
        keys = (login, item.text("wp:post_name"), item.meta.get("cap-linked_account", ""))
        self._add(keys, _first((*names, login)))

    def byline(self, item: Item) -> tuple[tuple[str, ...], bool]:
        """The names of those who wrote the item, and whether one had to be left out.

        Those of Co-Authors Plus (or PublishPress) if set, else the creator. Never an e-mail address.
        """
        found = [
            self._names.get(_key(term.name)) or self._names.get(_key(term.nicename)) or term.name
            for term in item.terms
            if term.domain == "author"
        ]
        if not found:
            # WordPress takes < and > out of logins; damaged exports put them in.
            creator = item.text("dc:creator").strip("<>")
            found = [self._names.get(_key(creator), creator)]
        names = [name for name in found if name and not _is_address(name)]
        return distinct(names), len(names) < len([name for name in found if name])

    def _add(self, keys: Iterable[str], name: str) -> None:
        for key in keys:
            if key:
                self._names.setdefault(_key(key), name or key)


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names in their order, each in its first spelling only."""
    known: dict[str, str] = {}
    for name in names:
        if name:
            known.setdefault(name.casefold(), name)
    return tuple(known.values())


def _key(name: str) -> str:
    """What login, nicename and a co-author's term of one person have in common."""
    bare = name.removeprefix(_COAUTHOR)
    return slugify(bare) or bare.casefold()


def _first(names: Iterable[str]) -> str:
    return next((name for name in names if name and not _is_address(name)), "")


def _is_address(name: str) -> bool:
    return "@" in name and "." in name.rpartition("@")[2]
