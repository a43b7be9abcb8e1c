"""Gift subscriptions over HTTP, as buyers and receivers see them."""

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel

from service.billing.gift_periods import GiftSubscriptionState
from service.billing.gift_subscriptions import Bought, gift_address
from service.bodies import ListOut
from service.settings import Settings


class GiftOut(BaseModel):
    """A gift for who holds its link: it names neither buyer nor receiver."""

    name: str
    """The offer's."""
    plan: str
    state: GiftSubscriptionState
    """`unredeemed` can be redeemed; `waiting` goes on when the receiver's own subscription is over;
    `disputed` opens nothing until the bank has decided.
    """
    starts_at: AwareDatetime | None
    ends_at: AwareDatetime | None

    @classmethod
    def of(cls, bought: Bought, now: datetime) -> Self:
        return cls(
            name=bought.offer.name, plan=bought.offer.plan, state=bought.facts.state(now),
            starts_at=bought.gift.starts_at, ends_at=bought.gift.ends_at,
        )  # fmt: skip


class BoughtGiftOut(GiftOut):
    """A gift for its buyer."""

    id: str
    url: str
    """What the receiver opens."""
    receiver_email: str | None
    send_at: AwareDatetime
    sent_at: AwareDatetime | None
    paid_at: AwareDatetime | None

    @classmethod
    def of_buyer(cls, bought: Bought, now: datetime, settings: Settings) -> Self:
        gift = bought.gift
        return cls(
            **GiftOut.of(bought, now).model_dump(),
            id=gift.id, url=gift_address(gift.id, settings), receiver_email=gift.receiver_email,
            send_at=gift.send_at, sent_at=gift.sent_at, paid_at=gift.paid_at,
        )  # fmt: skip


class BoughtGiftList(ListOut[BoughtGiftOut]):
    pass
