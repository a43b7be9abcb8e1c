"""Slugs for imported articles: ASCII, short, and each used once in a file."""

import re
import unicodedata
from urllib.parse import unquote

from service.texts import SLUG_LENGTH, is_slug

# Letters that Unicode does not decompose into a base letter and an accent.
_LETTERS = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l",
        "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "n", "’": "", "'": "",
    }
)  # fmt: skip


def slugify(text: str) -> str:
    """`text` (percent-encoded or not) as a slug of at most 120 characters; "" if nothing is left.

    Accents fall away by Unicode's own decomposition (NFKD); scripts without Latin letters leave
    nothing, because a guessed romanisation would be wrong in most languages.
    """
    lowered = unicodedata.normalize("NFC", unquote(text)).lower().translate(_LETTERS)
    ascii_only = unicodedata.normalize("NFKD", lowered).encode("ascii", "ignore").decode("ascii")
    return shorten(re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-"), SLUG_LENGTH)


def is_lossy(text: str) -> bool:
    """Whether letters of `text` leave nothing in its slug, so that others' slugs may be the same."""
    lowered = unquote(text).lower().translate(_LETTERS)
    return any(
        letter.isalnum() and not unicodedata.normalize("NFKD", letter).encode("ascii", "ignore")
        for letter in lowered
    )


def shorten(slug: str, length: int) -> str:
    """`slug` cut to `length` characters, between words where a hyphen allows it."""
    if len(slug) <= length:
        return slug
    head, hyphen, _ = slug[: length + 1].rpartition("-")
    return (head if hyphen else slug[:length]).strip("-")


class SlugRegister:
    """Hands out each slug once. Names kept in WordPress go before names made up from titles.

    It keeps hashes: an archive has a great many names.
    """

    def __init__(self) -> None:
        self._reserved: set[int] = set()
        self._taken: set[int] = set()

    def reserve(self, post_name: str) -> None:
        """Keep a valid post name for the post that bears it, wherever in the file it stands."""
        if is_slug(post_name):
            self._reserved.add(hash(post_name))

    def claim(self, post_name: str, title: str, post_id: str) -> str:
        """The slug for a post: its name if that is a free slug, else one made from name or title.

        A clash is settled by the post's id rather than a running number, so that the same post
        gets the same slug from a later export of the same site. A name whose letters are lost in
        a slug always gets the id: what is left of it ("2024") would be many posts' name.
        """
        name = hash(post_name)
        if name in self._reserved:
            self._reserved.remove(name)
            self._taken.add(name)
            return post_name
        suffix = shorten(slugify(post_id), 20)
        named = post_name if slugify(post_name) else title
        base = slugify(named) or "article"
        slug = base
        if suffix and (not self._free(slug) or is_lossy(named) or not slugify(named)):
            slug = f"{shorten(base, SLUG_LENGTH - len(suffix) - 1)}-{suffix}"
        number = 2
        while not self._free(slug):
            slug = f"{shorten(base, SLUG_LENGTH - len(str(number)) - 1)}-{number}"
            number += 1
        self._taken.add(hash(slug))
        return slug

    def _free(self, slug: str) -> bool:
        return hash(slug) not in self._taken and hash(slug) not in self._reserved
