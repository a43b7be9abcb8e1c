"""What is said beside an open article: the countdown of free articles, or a notice. As data, without effect."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from service.bodies import WholeNumber
from service.metering.attempt import Said, by_left
from service.metering.window import MeterState
from service.offers.on_sale import Assortment
from service.offers.schemas import OfferItem
from service.rules.prompts import NOT_ASKED, Audience, Prompt

MOST_SEEN = 20
"""What a device remembers to have shown; a request that names more is refused."""
LONGEST_PAUSE = 366
"""Days between two showings of one notice."""
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
DaysAgo = Annotated[WholeNumber, Field(ge=0, le=LONGEST_PAUSE)]


class NoticeShown(BaseModel):
    """What is said beside the article. `key` names it to the device, which says from then on how many days ago it
    was shown; `every_days` is how many it rests, null: it shows each time.
    """

    key: str
    place: Literal["countdown", "notice"]
    title: str
    text: str
    offers: list[OfferItem]
    """Those that it is about; a reader who can't subscribe gets none."""
    every_days: int | None
    prompt: SkipJsonSchema[str] = Field("", exclude=True)
    """The prompt's name, for the ledger alone."""


@dataclass(frozen=True)
class Beside:
    """What is said to a reader of this audience beside an article: by the number of free articles left after
    the read the first prompt that fits (metering/attempt.py).

    Which it is is known once the article is counted: the row of the read is committed with the count, and says it.
    """

    audience: Audience
    prompts: Sequence[Prompt]
    sold: Sequence[OfferItem] = ()

    @classmethod
    def of(
        cls, audience: Audience, fitting: Sequence[Prompt], assortment: Assortment, *, known: bool
    ) -> Self:
        """`fitting` in the order of their priority, however few articles are left; `known`: the reader subscribed
        before.
        """
        named = frozenset[str]().union(*(each.offers for each in fitting))
        sold = _sold(named, assortment, known=known) if audience not in NOT_ASKED else []
        return cls(audience, _reached(fitting), sold)

    @property
    def said(self) -> tuple[Said, ...]:
        """The prompts, for the ledger."""
        return tuple(Said(each.name, each.left_at_most) for each in self.prompts)

    def shown(self, meter: MeterState | None) -> NoticeShown | None:
        """`meter`: the window after the read, where the meter opened the article."""
        left, limit = (meter.remaining, meter.limit) if meter is not None else (0, 0)
        prompt = by_left(self.prompts, left)
        if prompt is None:
            return None
        counts = prompt.place == "countdown"
        return NoticeShown(
            key=prompt.key,
            place="countdown" if counts else "notice",
            title=prompt.filled(prompt.title, left, limit) if counts else prompt.title,
            text=prompt.filled(prompt.text, left, limit) if counts else prompt.text,
            offers=[each for each in self.sold if each.id in prompt.offers],
            every_days=prompt.every_days,
            prompt=prompt.name,
        )


def _reached(fitting: Sequence[Prompt]) -> Sequence[Prompt]:
    """Those that are the first for some number of articles left: each read that counts carries them."""
    found: list[Prompt] = []
    most = -1
    for each in fitting:
        if each.left_at_most is None:
            return [*found, each]
        if each.left_at_most > most:
            found.append(each)
            most = each.left_at_most
    return found


def _sold(named: Collection[str], assortment: Assortment, *, known: bool) -> list[OfferItem]:
    return [
        OfferItem.of(each, subscribed_before=known)
        for each in assortment.offers
        if each.id in named and (known or each.sold_to == "everybody")
    ]
