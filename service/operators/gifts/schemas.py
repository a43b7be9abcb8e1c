"""Gift links for the newsroom, over HTTP."""

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel

from service.bodies import ListOut
from service.grants.gift_links import state_of
from service.grants.gift_terms import GiftState
from service.operators.gifts.lists import ListedGift


class GiftLinkItem(BaseModel):
    """A link that a subscriber has made; `reader_id` is the subscriber."""

    id: str
    reader_id: str
    article_id: str
    slug: str
    state: GiftState
    readers: int
    """Distinct devices that have opened the article by it."""
    most_readers: int
    bought: int
    """How many of them have paid for something since."""
    created_at: AwareDatetime
    ends_at: AwareDatetime

    @classmethod
    def of(cls, listed: ListedGift, now: datetime) -> Self:
        link = listed.link
        return cls(
            id=link.id, reader_id=link.reader_id, article_id=link.article_id, slug=listed.slug,
            state=state_of(link, now), readers=link.readers, most_readers=link.most_readers,
            bought=listed.bought, created_at=link.created_at, ends_at=link.ended_at or link.ends_at,
        )  # fmt: skip


class GiftLinkItems(ListOut[GiftLinkItem]):
    pass
