"""How much of an article's text is public, and who decided it."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from service.content.blocks import BodyRefused
from service.content.cut import BodyFormat, CutBy, decided, words_in
from service.content.level import is_stricter, level_at, without_schedule
from service.content.preview_limits import limits_of
from service.content.store import level_facts
from service.db.tables import Article
from service.levels import Level
from service.rules.in_force import InForce


@dataclass(frozen=True)
class PublicShare:
    """The words of an article's body, those of its preview, and who decides where it is cut.

    `wall_level`: whom a wall in the body leaves the rest to; None without one.
    """

    words: int
    public_words: int
    cut_by: CutBy
    wall_level: Level | None

    @property
    def percent(self) -> int:
        """How much is public, rounded up: 100 means all."""
        return -(-100 * self.public_words // self.words) if self.words else 0


def public_share(article: Article) -> PublicShare:
    """Of what is stored. Parses the texts: milliseconds for a usual article, a second for 2 MB."""
    try:
        decided_by, wall = decided(article.body_source, cast("BodyFormat", article.body_format))
    except BodyRefused:
        decided_by, wall = "automatic", None  # stored before a rule that refuses it now
    words, public_words = words_in(article.body_html), words_in(article.preview_html)
    return PublicShare(words, public_words, decided_by, wall)


def oddities(article: Article, share: PublicShare, in_force: InForce, now: datetime) -> list[str]:
    """What an editor should look at, a sentence each."""
    found = []
    facts, rules = level_facts(article), in_force.rules.levels
    limits = limits_of(in_force.settings)
    own = without_schedule(facts, rules)
    if share.wall_level is not None and is_stricter(share.wall_level, own):
        found.append(
            f"The text has a wall for {share.wall_level}, and the article's level is {own}: "
            "change its level, or take the wall out of the text."
        )
    if level_at(facts, rules, now).level == "free":
        return found
    allowed = 100 - limits.withheld_percent
    if share.public_words > limits.most_of(share.words):
        reason = _REASONS[share.cut_by]
        found.append(
            f"{share.percent} % of the words are public, by default at most {allowed} %: {reason}"
        )
    if not share.public_words and share.words > 1:
        found.append(f"Nothing is public: {_EMPTY[share.cut_by]}")
    return found


_REASONS: dict[CutBy, str] = {
    "mark": "the author's mark is there.",
    "wall": "the wall in the text comes there.",
    "automatic": "the preview was cut by other rules or an older release. Cut all articles anew on the page of the "
    "rules or by `paywall articles previews --recut`, or publish the article again.",
}
_EMPTY: dict[CutBy, str] = {
    "mark": "the author's mark comes before the text.",
    "wall": "the wall in the text comes first.",
    "automatic": "there is too little text, or what looks like a wall comes first.",
}
