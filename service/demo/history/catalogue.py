"""What the invented year sold, as offers of ours and as prices at the local Stripe."""

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Offer
from service.demo.history.courses import Key
from service.demo.history.lives import Sold
from service.demo.history.year import OFFICES_UNTIL, PRICE_RISES_ON, Calendar
from service.offers.mirror import mirror_offer
from service.offers.pricing import Price, checked_price
from service.offers.store import create_offer
from service.payments.set_up import StripePrice
from service.payments.stripe_objects import price_of
from service.simulator.api import ApiRequest, answer
from service.simulator.world import World

_SOLD: dict[Key, tuple[str, str, int]] = {
    "monthly_old": ("month", "EUR", 600),
    "monthly": ("month", "EUR", 700),
    "yearly": ("year", "EUR", 7000),
    "monthly_usd": ("month", "USD", 800),
    "yearly_usd": ("year", "USD", 8000),
    "office": ("month", "EUR", 500),
}
_ENDED: dict[Key, tuple[str, Price, int]] = {
    "monthly_old": (
        "Monthly", checked_price(amount=600, currency="EUR", interval="month", trial_days=14),
        PRICE_RISES_ON,
    ),
    "office": (
        "Office", checked_price(amount=500, currency="EUR", interval="month", most_seats=50),
        OFFICES_UNTIL,
    ),
}  # fmt: skip
"""What is sold no more, and up to which day it was."""
_CODE, _COUPON, _CODE_TAKES_OFF = "ABROAD", "readers-abroad", 2000
_SOLD_BY_CODE: Key = "yearly_usd"


@dataclass(frozen=True)
class Catalogue:
    """What can be bought, and the offers of what is paid once."""

    sold: dict[Key, Sold]
    day_pass: Offer
    gift: Offer


async def keep_old_offers(session: AsyncSession, calendar: Calendar) -> None:
    """Let the offers be as old as the history, with those that were sold before."""
    plan, found = "", dict[tuple[str, str, int], Offer]()
    for offer in await session.scalars(select(Offer)):
        offer.created_at = calendar.midnight(0)
        terms = (offer.interval, offer.currency, offer.amount)
        found[terms] = offer  # one that is sold no more is of a first start that was interrupted
        if terms == _SOLD["monthly"]:
            plan, offer.created_at = offer.plan, calendar.midnight(PRICE_RISES_ON)
    for key, (name, price, until) in _ENDED.items():
        ended = found.get(_SOLD[key]) or await create_offer(
            session, name=name, plan=plan, price=price, now=calendar.midnight(0)
        )
        ended.archived_at = calendar.midnight(until)


async def read_catalogue(context: Context, world: World) -> Catalogue:
    """The offers of the history, each with its price at the local Stripe, made where there is none yet."""
    async with context.database.reading() as session:
        offers = list(await session.scalars(select(Offer).order_by(Offer.position)))
    gateway = LocalCatalogue(world)
    sold: dict[Key, Sold] = {}
    for key, terms in _SOLD.items():
        offer = next(
            each for each in offers if (each.interval, each.currency, each.amount) == terms
        )
        mirrored = await mirror_offer(context.database, gateway, offer)
        price = price_of(world.fetch("price", mirrored.price_id))
        off = offer.amount - offer.intro_amount if offer.intro_amount is not None else 0
        sold[key] = Sold(
            offer.id, offer.plan, price, bool(offer.trial_days), mirrored.coupon_id, off
        )
    with_code = sold[_SOLD_BY_CODE]
    sold[_SOLD_BY_CODE] = replace(
        with_code, coupon_id=_COUPON, intro_off=_CODE_TAKES_OFF, code=_CODE,
        promotion_code=await gateway.ensure_promotion_code(with_code.price),
    )  # fmt: skip
    day_pass = next(each for each in offers if each.kind == "pass" and each.covers == "plan")
    gift = next(each for each in offers if each.kind == "gift")
    return Catalogue(sold, day_pass, gift)


class LocalCatalogue:
    """Implements `CatalogueGateway` on a local Stripe that doesn't serve yet."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def ensure_product(self, product_id: str, name: str) -> None:
        if self._world.store.get(product_id, "product") is None:
            self._post("products", id=product_id, name=name)

    async def find_price(self, lookup_key: str) -> StripePrice | None:
        for price in self._world.store.find("price"):
            if price["lookup_key"] == lookup_key:
                return price_of(price)
        return None

    async def create_price(
        self,
        *,
        product_id: str,
        lookup_key: str,
        amount: int,
        currency: str,
        interval: str | None,
        interval_count: int,
    ) -> StripePrice:
        repeats = {} if interval is None else {
            "recurring[interval]": interval, "recurring[interval_count]": str(interval_count),
        }  # fmt: skip
        made = self._post(
            "prices", product=product_id, lookup_key=lookup_key, unit_amount=str(amount),
            currency=currency.lower(), **repeats,
        )  # fmt: skip
        return price_of(made)

    async def ensure_coupon(
        self,
        coupon_id: str,
        *,
        name: str,
        amount_off: int,
        currency: str,
        months: int | None,
        product_id: str,
    ) -> None:
        if self._world.store.get(coupon_id, "coupon") is not None:
            return
        lasts = {"duration": "once"} if months is None else {
            "duration": "repeating", "duration_in_months": str(months),
        }  # fmt: skip
        self._post(
            "coupons", **{
                "id": coupon_id, "name": name, "amount_off": str(amount_off),
                "currency": currency.lower(), "applies_to[products][0]": product_id, **lasts,
            },
        )  # fmt: skip

    async def ensure_promotion_code(self, price: StripePrice) -> str:
        """The id of the code that takes something off the first payment of this price."""
        await self.ensure_coupon(
            _COUPON, name="Readers abroad", amount_off=_CODE_TAKES_OFF, currency=price.currency,
            months=None, product_id=price.product_id,
        )  # fmt: skip
        for each in self._world.store.find("promotion_code"):
            if each["code"] == _CODE:
                return str(each["id"])
        terms = {"promotion[type]": "coupon", "promotion[coupon]": _COUPON}
        return str(self._post("promotion_codes", code=_CODE, **terms)["id"])

    def _post(self, path: str, **fields: str) -> dict[str, Any]:
        request = ApiRequest(
            "POST", f"/v1/{path}", urlencode(fields), "Bearer sk_test_demo", None, None
        )
        given = answer(self._world, request)
        if given.status != HTTPStatus.OK:
            raise RuntimeError(f"the local Stripe refuses {path}: {given.body}")
        document: dict[str, Any] = json.loads(given.body)
        return document
