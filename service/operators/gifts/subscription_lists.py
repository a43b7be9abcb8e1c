"""Gift subscriptions as the newsroom sees them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.gift_periods import GiftSubscriptionState
from service.billing.gift_subscriptions import NEWEST, Bought, bought_gifts
from service.bodies import Body, Identifier, ListOut
from service.db.keyset import Page
from service.db.tables import GiftSubscription, Pass
from service.html.list_query import EMPTY_IS_NONE, ListQuery


class GiftSubscriptionQuery(ListQuery):
    """`unredeemed` can be redeemed; `redeemed` includes those that are over; `unpaid` are those whose checkout
    isn't paid (yet).
    """

    state: Annotated[
        Literal["unpaid", "unredeemed", "redeemed", "revoked"] | None, EMPTY_IS_NONE
    ] = None


AnyGiftSubscriptions = Annotated[GiftSubscriptionQuery, Query()]


class SendIn(Body):
    """Where a gift is mailed now."""

    email: Annotated[Identifier, Field(min_length=3, max_length=254)] | None = None
    """Absent: to the address that its buyer named."""


class GiftSubscriptionItem(BaseModel):
    """One gift. `buyer_id` paid it, `redeemed_by` reads by it."""

    id: str
    name: str
    plan: str
    state: GiftSubscriptionState
    buyer_id: str | None
    receiver_email: str | None
    send_at: AwareDatetime
    sent_at: AwareDatetime | None
    created_at: AwareDatetime
    paid_at: AwareDatetime | None
    redeemed_by: str | None
    redeemed_at: AwareDatetime | None
    starts_at: AwareDatetime | None
    ends_at: AwareDatetime | None

    @classmethod
    def of(cls, bought: Bought, now: datetime) -> Self:
        gift, paid = bought.gift, bought.payment
        return cls(
            id=gift.id, name=bought.offer.name, plan=bought.offer.plan,
            state=bought.facts.state(now), buyer_id=paid.reader_id if paid is not None else None,
            receiver_email=gift.receiver_email, send_at=gift.send_at, sent_at=gift.sent_at,
            created_at=gift.created_at, paid_at=gift.paid_at, redeemed_by=gift.redeemed_by,
            redeemed_at=gift.redeemed_at, starts_at=gift.starts_at, ends_at=gift.ends_at,
        )  # fmt: skip


class GiftSubscriptionList(ListOut[GiftSubscriptionItem]):
    pass


async def list_gift_subscriptions(
    session: AsyncSession, asked: GiftSubscriptionQuery
) -> Page[Bought]:
    """The newest first."""
    statement, row = bought_gifts(), GiftSubscription
    match asked.state:
        case "unpaid":
            statement = statement.where(row.paid_at.is_(None))
        case "unredeemed":
            statement = statement.where(
                row.paid_at.is_not(None), row.redeemed_at.is_(None), row.revoked_at.is_(None),
                Pass.access_stopped_at.is_(None),
            )  # fmt: skip
        case "redeemed":
            statement = statement.where(row.redeemed_at.is_not(None))
        case "revoked":
            statement = statement.where(row.revoked_at.is_not(None))
        case None:
            pass
    found = await NEWEST.rows(session, statement, cursor=asked.cursor, limit=asked.limit)
    return found.map(lambda each: Bought(each[0], each[1], each[2]))
