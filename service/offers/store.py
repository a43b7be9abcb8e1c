"""The catalogue's rows. A price never changes: a new amount is a new offer, the old is archived."""

import re
from datetime import datetime
from functools import cache

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import Offer
from service.offers.pricing import Covers, Interval, InvalidPrice, Kind, Price, SoldTo, price_text

_PLAN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PLAN_PRODUCT = "pw_plan_"
_ARTICLE_PRODUCT = "pw_article"
LONGEST_PLAN = 40
LONGEST_NAME = 80


async def create_offer(
    session: AsyncSession,
    *,
    name: str,
    plan: str,
    price: Price,
    now: datetime,
    sold_to: SoldTo = "everybody",
) -> Offer:
    """Put an offer at the end of the catalogue; InvalidPrice names the field that can't be."""
    name = checked_name(name)
    if sold_to == "former":
        _check_win_back(price)
    if price.covers == "article":
        if plan:
            raise InvalidPrice("plan", "what opens a single article belongs to no plan")
    elif len(plan) > LONGEST_PLAN or not _PLAN.fullmatch(plan):
        raise InvalidPrice("plan", f"{plan!r} isn't a short word such as digital or all-access")
    last = await session.scalar(select(func.max(Offer.position)))
    offer = Offer(
        id=new_id("off"),
        name=name,
        kind=price.kind,
        covers=price.covers,
        plan=plan,
        amount=price.amount,
        currency=price.currency,
        interval=price.interval,
        interval_count=price.interval_count,
        trial_days=price.trial_days,
        intro_amount=price.intro_amount,
        intro_periods=price.intro_periods,
        most_seats=price.most_seats,
        sold_to=sold_to,
        stripe_coupon_id=None,
        position=(last or 0) + 1,
        stripe_price_id=None,
        created_at=now,
        archived_at=None,
        version=1,
    )
    session.add(offer)
    await session.flush()
    return offer


def _check_win_back(price: Price) -> None:
    if price.kind != "subscription":
        raise InvalidPrice(
            "sold_to", "only a subscription can be for readers who subscribed before"
        )
    if price.trial_days or price.intro_amount is not None:
        raise InvalidPrice(
            "sold_to",
            "readers who subscribed before get no free days and no introductory price: "
            "write the lower price itself",
        )


def gift_offers() -> Select[str]:
    """Ids of offers that are bought for somebody else: what is paid for them gives the buyer nothing."""
    return select(Offer.id).where(Offer.kind == "gift")


def checked_name(name: str) -> str:
    """What readers see of an offer, on one line; InvalidPrice where it can't be."""
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidPrice("name", f"1 to {LONGEST_NAME} characters are possible")
    if not name.isprintable():
        raise InvalidPrice("name", "it has a character that can't be seen, such as a line break")
    return name


async def archive_offer(session: AsyncSession, offer_id: str, now: datetime) -> Offer | None:
    """Sell it no longer; who has it keeps it. None when there is no such offer."""
    offer = await session.get(Offer, offer_id)
    if offer is not None and offer.archived_at is None:
        offer.archived_at = now
        await session.flush()
    return offer


async def offers_for_everybody(session: AsyncSession) -> list[Offer]:
    """What any reader can buy, in the catalogue's order."""
    return [each for each in await live_offers(session) if each.sold_to == "everybody"]


async def live_offers(session: AsyncSession) -> list[Offer]:
    """What is sold, to whomever, in the catalogue's order."""
    return list(await session.scalars(_live()))


@cache
def _live() -> Select[Offer]:
    """Built once: that takes longer than to execute it."""
    return select(Offer).where(Offer.archived_at.is_(None)).order_by(Offer.position, Offer.id)


async def all_offers(session: AsyncSession) -> list[Offer]:
    """What is and was sold, in the catalogue's order."""
    return list(await session.scalars(select(Offer).order_by(Offer.position, Offer.id)))


async def find_offer(session: AsyncSession, offer_id: str) -> Offer | None:
    """The offer, archived or not."""
    return await session.get(Offer, offer_id)


async def offer_by_price(session: AsyncSession, price_id: str) -> Offer | None:
    """Whose price this is at Stripe, archived or not; None: not from our catalogue."""
    found: Offer | None = await session.scalar(
        select(Offer).where(Offer.stripe_price_id == price_id)
    )
    return found


def product_id_of(offer: Offer) -> str:
    """The offer's product at Stripe: the plan's, or where it has an intro its own.

    A discount stays with a subscription that is switched to another price, and a coupon can be held to
    products alone: what is taken off a year must not be taken off each week.
    """
    product_id = _ARTICLE_PRODUCT if offer.covers == "article" else f"{_PLAN_PRODUCT}{offer.plan}"
    return product_id if offer.intro_amount is None else f"{product_id}_{offer.id}"


def plan_of_product(product_id: str) -> str:
    """The plan whose product this is; empty: it isn't ours."""
    if not product_id.startswith(_PLAN_PRODUCT):
        return ""
    return product_id.removeprefix(_PLAN_PRODUCT).partition("_")[0]  # a plan has no underscore


async def offers_of_product(session: AsyncSession, product_id: str) -> list[Offer]:
    """The offers of a plan's product, archived or not; none: it isn't ours."""
    plan = plan_of_product(product_id)
    if not plan:
        return []
    found = await session.scalars(
        select(Offer).where(
            Offer.plan == plan, Offer.covers == "plan", Offer.stripe_price_id.is_not(None)
        )
    )
    return [offer for offer in found if product_id_of(offer) == product_id]


def sold_to_of(offer: Offer) -> SoldTo:
    sold_to: SoldTo = offer.sold_to  # type: ignore[assignment]  # checked when it was stored
    return sold_to


def name_and_price(offer: Offer) -> str:
    """What the newsroom chooses it by: two offers may have one name."""
    former = ", for former subscribers" if offer.sold_to == "former" else ""
    return f"{offer.name}: {price_text(price_of(offer))}{former}"


def price_of(offer: Offer) -> Price:
    # Checked when it was stored.
    interval: Interval = offer.interval  # type: ignore[assignment]
    kind: Kind = offer.kind  # type: ignore[assignment]
    covers: Covers = offer.covers  # type: ignore[assignment]
    return Price(
        amount=offer.amount,
        currency=offer.currency,
        interval=interval,
        interval_count=offer.interval_count,
        trial_days=offer.trial_days,
        kind=kind,
        covers=covers,
        intro_amount=offer.intro_amount,
        intro_periods=offer.intro_periods,
        most_seats=offer.most_seats,
    )
