"""Articles with words that occur nowhere else, and finding those words in an answer. Pure.

A word is one run of small letters and digits, so no escaping of HTML, JSON or addresses changes it.
"""

import base64
import gzip
import html
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Kind = Literal["subscribers", "registered", "metered", "draft", "scheduled"]
KINDS: tuple[Kind, ...] = ("subscribers", "registered", "metered", "draft", "scheduled")
SOURCE = "leakcheck"
"""The key in `source_ids` by which an article is known as one of ours."""
SECTION = "leakcheck"
_TAG = re.compile(r"<[^>]*>")
_AHEAD = timedelta(days=400)
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Canary:
    """One planted article. `public` is in its title and preview, `paid` behind the cut."""

    kind: Kind
    slug: str
    public: str
    paid: str

    @property
    def secret(self) -> tuple[str, ...]:
        """What nobody may meet who can't read it whole; of what isn't published, everything."""
        return (self.paid, self.public) if self.kind in {"draft", "scheduled"} else (self.paid,)

    def document(self, now: datetime) -> dict[str, Any]:
        """The article as it is sent to the API, with the paid word in every kind of block and in attributes."""
        level = "subscribers" if self.kind in {"draft", "scheduled"} else self.kind
        status = self.kind if self.kind in {"draft", "scheduled"} else "published"
        instant = (now + _AHEAD).isoformat() if self.kind == "scheduled" else None
        return {
            "title": f"A test of the paywall: please ignore ({self.public})",
            "standfirst": "This article is planted by a leak check, and is gone in a minute.",
            "body": _body(self.public, self.paid),
            "section": SECTION, "tags": [SECTION], "authors": [{"name": "Leak check"}],
            "access": {"level": level}, "status": status,
            "published_at": instant,
            "source_ids": {SOURCE: self.kind},
        }  # fmt: skip


def canaries(word: str) -> tuple[Canary, ...]:
    """One of each kind, whose words begin with `word`: small letters and digits, new for each run."""
    return tuple(
        Canary(kind, f"leakcheck-{kind}", f"{word}public{kind}", f"{word}paid{kind}")
        for kind in KINDS
    )


def _body(public: str, paid: str) -> str:
    return (
        f"<p>{public} is before the cut.</p><!--more-->"
        f"<h2>{paid}a</h2><p>At first {paid}b, <em>{paid}c</em>.</p><ul><li>{paid}d</li></ul>"
        f"<blockquote><p>{paid}e</p></blockquote>"
        f'<figure><img src="https://example.org/{paid}f.jpg" alt="{paid}g"><figcaption>{paid}h</figcaption></figure>'
        f"<table><tr><td>{paid}i</td></tr></table><pre>{paid}j</pre><p>In the end {paid}k.</p>"
    )


def find(words: Iterable[str], body: bytes, headers: Mapping[str, str]) -> str | None:
    """Where an answer has one of the words, such as "in the text", or None.

    In plain sight, in a header, compressed, in another encoding of characters, in base64 or hexadecimal, or
    with tags amid the word.
    """
    head = "\n".join(f"{name}: {value}" for name, value in headers.items()).lower()
    data = _unpacked(body)
    for word in words:
        if word in head:
            return "in a header"
        place = _place(word, data)
        if place is not None:
            return place
    return None


def _place(word: str, data: bytes) -> str | None:
    text = data.decode("utf-8", "replace").lower()
    if word in text or word in html.unescape(text):
        return "in the text"
    if word.encode() in data.lower().replace(b"\x00", b""):
        return "in another encoding"
    if word in _TAG.sub("", text):
        return "in the text, between tags"
    if word.encode().hex() in text:
        return "in hexadecimal"
    original = data.decode("latin-1").replace("-", "+").replace("_", "/")
    if any(each in original for each in _in_base64(word)):
        return "in base64"
    return None


def _in_base64(word: str) -> list[str]:
    """What the word looks like at each of the three places that it can have in groups of three bytes."""
    found = []
    for shift in range(3):
        coded = base64.b64encode(b"\x00" * shift + word.encode()).decode()
        # The groups at either end depend on the neighbours.
        found.append(coded[4 if shift else 0 : -4])
    return found


def _unpacked(body: bytes) -> bytes:
    """The body, decompressed where it is a file that is compressed, such as a sitemap."""
    if body.startswith(_GZIP):
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return body
    return body
