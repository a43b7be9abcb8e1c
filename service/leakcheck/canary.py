"""Articles with words that occur nowhere else. Pure.

A word is one run of small letters and digits, so no escaping of HTML, JSON or addresses changes it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Kind = Literal["subscribers", "registered", "metered", "draft", "scheduled"]
KINDS: tuple[Kind, ...] = ("subscribers", "registered", "metered", "draft", "scheduled")
SOURCE = "leakcheck"
"""The key in `source_ids` by which an article is known as one of ours."""
SECTION = "leakcheck"
_AHEAD = timedelta(days=400)


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
