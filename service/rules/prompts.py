"""What editors say to some readers, at a wall or beside an open article, and to whom it is shown. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Literal

from service.identity.entry import Entry
from service.texts import plain_name

Audience = Literal[
    "anonymous",
    "registered",
    "trial_used",
    "lapsed",
    "past_due",
    "subscribed",
    "seat",
    "other_access",
    "institution",
    "gift",
]
WallName = Literal["subscribe", "register"]
Place = Literal["wall", "countdown", "notice"]

AUDIENCE_WORDS: Mapping[Audience, str] = {
    "anonymous": "Not signed in",
    "registered": "Registered, never subscribed",
    "trial_used": "Had a free trial, never paid",
    "lapsed": "Former subscriber",
    "past_due": "Payment failed",
    "subscribed": "Subscribed to another plan",
    "seat": "Has a seat",
    "other_access": "Has complimentary access or an external entitlement",
    "institution": "Has access through an institution",
    "gift": "Has a gift",
}
HELPED: frozenset[Audience] = frozenset({"past_due", "subscribed", "seat"})
"""Those whose way past a wall isn't another subscription: a wall says how they read again. Only a prompt that
names none but them has other words.
"""
NOT_ASKED = HELPED | {"other_access"}
"""Those whom no offer is shown beside an open article: they have it, or can't subscribe again."""
_OTHER_ACCESS = frozenset({"comp", "external"})
WALL_WORDS: Mapping[WallName, str] = {
    "register": "Register wall",
    "subscribe": "Subscribe wall",
}
PLACE_WORDS: Mapping[Place, str] = {
    "wall": "At a wall",
    "countdown": "Article countdown",
    "notice": "Article notice",
}
"""What the newsroom calls them."""


NO_PROMPT: Mapping[Literal["usual", "helping"], str] = {
    "usual": "(usual words)",
    "helping": "(helping words)",
}
"""What the ledger calls the words of a wall that no prompt has: the publication's, or those for who is helped."""


def audience_of(
    *,
    verified: bool,
    owes: bool,
    subscribes: bool,
    paid_before: bool,
    tried_before: bool,
    sources: Collection[str],
) -> Audience:
    """Which one a reader belongs to: the first that fits, what can be mended before all else.

    `owes`: a payment of a running subscription is missing. `tried_before`: a trial is over, and nothing was ever
    paid. `sources` are those of the live grants.
    """
    belongs: tuple[tuple[bool, Audience], ...] = (
        (owes, "past_due"),
        (subscribes, "subscribed"),
        ("seat" in sources, "seat"),
        (not _OTHER_ACCESS.isdisjoint(sources), "other_access"),
        ("institution" in sources, "institution"),
        (paid_before, "lapsed"),
        (tried_before, "trial_used"),
        ("gift" in sources, "gift"),
        (verified, "registered"),
    )
    return next((name for fits, name in belongs if fits), "anonymous")


@dataclass(frozen=True)
class Occasion:
    """Where something may be said, and to whom. `wall` is None but at a wall; `left` are the free articles
    that the meter still has, None where it wasn't asked.
    """

    audience: Audience
    wall: WallName | None = None
    section: str | None = None
    language: str | None = None
    """The article's."""
    entry: Entry = "direct"
    left: int | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        if self.wall is not None:
            return ("wall",)
        return ("notice",) if self.left is None else ("countdown", "notice")


@dataclass(frozen=True)
class Prompt:
    """What is said to some readers; where a field is empty, to all (but see `readers`), and on every article.

    `offers` are the ids of those that it shows; at a wall, none of them sold to the reader: the usual ones. It
    holds from `starts_at` up to, but not at, `ends_at`, business time; None is no bound on that side.
    """

    name: str
    title: str
    text: str
    audiences: frozenset[Audience] = frozenset()
    walls: frozenset[WallName] = frozenset()
    sections: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_draft: bool = False
    place: Place = "wall"
    languages: frozenset[str] = frozenset()
    """Tags such as `pt`, which `pt-BR` belongs to."""
    entries: frozenset[Entry] = frozenset()
    left_at_most: int | None = None
    """In a countdown: shown once no more free articles than these are left."""
    every_days: int | None = None
    """Beside an article: shown to a device once in this number of days; None: each time."""
    is_tried: bool = False
    """Of an experiment, in which those who can't begin to pay take no part."""

    @property
    def key(self) -> str:
        """By which a device remembers that it has shown it."""
        return sha256(self.name.encode()).hexdigest()[:12]

    def is_due(self, seen: Mapping[str, int]) -> bool:
        """Whether the device may be shown it again: `seen` are the days since it was shown what it names, by key."""
        pause = self.every_days
        return pause is None or seen.get(self.key, pause) >= pause

    def fits(self, occasion: Occasion, now: datetime) -> bool:
        """Whether it is for this occasion, now."""
        return self.fits_some(occasion, now) and occasion.audience in self.readers

    @cached_property
    def readers(self) -> frozenset[Audience]:
        """All that it is shown to. What is for everybody isn't for those who would be sold nothing by it."""
        named = self.audiences or frozenset(AUDIENCE_WORDS)
        asks = self.offers or self.is_tried
        left_out = HELPED if self.place == "wall" else NOT_ASKED if asks else frozenset()
        return named if named <= left_out else named - left_out

    def fits_some(self, occasion: Occasion, now: datetime) -> bool:
        """Whether it is for this occasion now, were the reader of another audience."""
        left = occasion.left
        return (
            not self.is_draft
            and self.place in occasion.places
            and (self.starts_at is None or self.starts_at <= now)
            and (self.ends_at is None or now < self.ends_at)
            and (not self.walls or occasion.wall in self.walls)
            and self.is_about(occasion.section, occasion.language)
            and (not self.entries or occasion.entry in self.entries)
            and (self.left_at_most is None or left is None or left <= self.left_at_most)
        )

    def is_about(self, section: str | None, language: str | None) -> bool:
        """Whether it is for articles of this section and language."""
        is_in = section is not None and plain_name(section) in self.sections
        return (is_in or not self.sections) and (
            not self.languages or _is_among(language, self.languages)
        )

    def meets(self, other: "Prompt") -> bool:
        """Whether both are at walls, or both beside open articles, and some reader may meet either of them there."""
        return (
            not self.is_draft
            and (self.place == "wall") == (other.place == "wall")
            and not self.readers.isdisjoint(other.readers)
            and _share(self.walls, other.walls)
            and _share(self.sections, other.sections)
            and _share(self.entries, other.entries)
            and (
                not self.languages
                or not other.languages
                or any(_is_among(each, other.languages) for each in self.languages)
                or any(_is_among(each, self.languages) for each in other.languages)
            )
        )

    def filled(self, text: str, left: int, limit: int) -> str:
        """One of its texts with the figures of the reader's meter."""
        return text.replace("{left}", str(left)).replace("{limit}", str(limit))


def _share(some: frozenset[str], others: frozenset[str]) -> bool:
    """Whether they have one in common; an empty one has all."""
    return not some or not others or not some.isdisjoint(others)


def _is_among(language: str | None, wanted: Collection[str]) -> bool:
    if language is None:
        return False
    tag = language.lower()
    return any(tag == each or tag.startswith(f"{each}-") for each in wanted)
