"""What is said beside an open article: the countdown of free articles, and notices. As data, without effect."""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel

from service.metering.window import MeterState
from service.offers.on_sale import Assortment
from service.offers.schemas import OfferItem
from service.rules.prompts import Prompt

MOST_SHOWN = 5


class NoticeShown(BaseModel):
    """Something to say beside the article. `key` names it to the device, which shows it once in `every_days`;
    null: each time.
    """

    key: str
    place: Literal["countdown", "notice"]
    title: str
    text: str
    offers: list[OfferItem]
    """Those that it is about; a reader who can't subscribe gets none."""
    every_days: int | None


def notices_of(
    fitting: Sequence[Prompt],
    assortment: Assortment,
    meter: MeterState | None,
    *,
    known: bool,
    sells: bool,
) -> tuple[NoticeShown, ...]:
    """What these prompts show, in the order of their priority. `known`: the reader subscribed before; `sells`:
    they may subscribe.
    """
    sold = [
        OfferItem.of(each, subscribed_before=known)
        for each in assortment.offers
        if sells and (known or each.sold_to == "everybody")
    ]
    return tuple(_shown(each, sold, meter) for each in fitting[:MOST_SHOWN])


def _shown(prompt: Prompt, sold: Iterable[OfferItem], meter: MeterState | None) -> NoticeShown:
    left, limit = (meter.remaining, meter.limit) if meter is not None else (0, 0)
    counts = prompt.place == "countdown"
    return NoticeShown(
        key=prompt.key,
        place="countdown" if counts else "notice",
        title=prompt.filled(prompt.title, left, limit) if counts else prompt.title,
        text=prompt.filled(prompt.text, left, limit) if counts else prompt.text,
        offers=[each for each in sold if each.id in prompt.offers],
        every_days=prompt.every_days,
    )
