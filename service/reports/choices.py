"""What figures and the lists behind them can be filtered by: in words, and with the values there are."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Article, Offer, PromotionUse
from service.reports import subscriber_list
from service.reports.movement_sums import LATER, TENURES
from service.reports.queries.depths import PUBLICATION
from service.reports.queries.holders import NO_SECTION
from service.rules.prompts import AUDIENCE_WORDS
from service.rules.store import meter_names

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute

WORDS = {
    "plan": "Plan", "interval_charged": "Billing interval", "currency": "Currency",
    "section": "Section", "source": "First source", "last_source": "Last source",
    "campaign": "First campaign", "wall": "Wall", "audience": "Reader at the wall",
    "prompt": "Words of the wall", "offer": "Offer",
    "method": "Paid with", "country": "Country of the card", "decline": "Decline", "tries": "Failed tries", "tenure": "Tenure",
    "meter": "Meter", "code": "Promotion code", "coupon": "Coupon",
}  # fmt: skip
_FIXED = {
    "interval_charged": ("day", "week", "month", "year"), "wall": ("register", "subscribe"),
    "audience": tuple(AUDIENCE_WORDS), "tenure": (*TENURES, LATER),
}  # fmt: skip


async def known_values(session: AsyncSession, names: Iterable[str]) -> dict[str, list[str]]:
    """What each of these filters can be set to; nothing: whatever is typed."""
    return {name: await _known(session, name) for name in names}


async def _known(session: AsyncSession, name: str) -> list[str]:
    match name:
        case "plan":
            # What opens one article alone has no plan.
            return [each for each in await subscriber_list.plans(session) if each]
        case "currency":
            return await _distinct(session, Offer.currency)
        case "section":
            return [*await _distinct(session, Article.section), NO_SECTION]
        case "meter":
            return [*sorted(await meter_names(session)), PUBLICATION]
        case "coupon":
            return await _distinct(session, PromotionUse.coupon)
        case "offer":
            return await _distinct(session, Offer.name)
        case _:
            return list(_FIXED.get(name, ()))


async def _distinct(
    session: AsyncSession, column: "InstrumentedAttribute[str] | InstrumentedAttribute[str | None]"
) -> list[str]:
    found = select(column).where(column.is_not(None)).distinct().order_by(column)
    return [each for each in await session.scalars(found) if each is not None]
