"""How much of an article's text is public, and who decided it."""

from dataclasses import dataclass
from typing import cast

from service.content.blocks import BodyRefused
from service.content.cut import BodyFormat, CutBy, cut_by, words_in
from service.content.preview import Limits
from service.db.tables import Article


@dataclass(frozen=True)
class PublicShare:
    """The words of an article's body, those of its preview, and who decides where it is cut."""

    words: int
    public_words: int
    cut_by: CutBy

    @property
    def percent(self) -> int:
        """How much is public, rounded up: 100 means all."""
        return -(-100 * self.public_words // self.words) if self.words else 0


def public_share(article: Article) -> PublicShare:
    """Of what is stored. Parses the texts: milliseconds for a usual article, a second for 2 MB."""
    try:
        decided_by = cut_by(article.body_source, cast("BodyFormat", article.body_format))
    except BodyRefused:
        decided_by = "automatic"  # stored before a rule that refuses it now
    return PublicShare(words_in(article.body_html), words_in(article.preview_html), decided_by)


def oddities(share: PublicShare, limits: Limits) -> list[str]:
    """What an editor should look at, a sentence each."""
    allowed = 100 - limits.withheld_percent
    found = []
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
    "automatic": "the preview was cut by other settings or an older release. Run "
    "`paywall articles previews --recut`, or publish the article again.",
}
_EMPTY: dict[CutBy, str] = {
    "mark": "the author's mark comes before the text.",
    "wall": "the wall in the text comes first.",
    "automatic": "there is too little text, or what looks like a wall comes first.",
}
