"""How much is open to everybody, as an editor writes it: the settings of these names are its defaults."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from service.bodies import Body, WholeNumber
from service.settings import Settings


class PreviewsIn(Body):
    """Where an article is cut whose author set no mark, from the next time that it is stored."""

    blocks: Annotated[WholeNumber, Field(ge=1, le=50)]
    """Of text, at most."""
    words: Annotated[WholeNumber, Field(ge=1, le=5000)]
    """At most."""
    withheld_percent: Annotated[WholeNumber, Field(ge=10, le=95)]
    """Of the article's words stay behind the cut, at least."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            blocks=settings.preview_blocks, words=settings.preview_words,
            withheld_percent=settings.preview_withheld_percent,
        )  # fmt: skip

    def said(self) -> Mapping[str, Any]:
        return {
            "preview_blocks": self.blocks, "preview_words": self.words,
            "preview_withheld_percent": self.withheld_percent,
        }  # fmt: skip


class CookielessIn(Body):
    """What readers who keep no cookies may read; each read of theirs looks like a new device's."""

    per_day: Annotated[WholeNumber, Field(ge=0, le=1_000_000)]
    """Articles that the meter or a gift link opens to them in one network (/24, /48); 0: no limit."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(per_day=settings.cookieless_unlocks_per_day)

    def said(self) -> Mapping[str, Any]:
        return {"cookieless_unlocks_per_day": self.per_day}
