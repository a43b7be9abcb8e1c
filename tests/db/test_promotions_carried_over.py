"""Coupons that subscriptions were given before uses of promotion codes were stored are uses without a code."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.base import Json, UtcDateTime
from service.db.engines import async_url
from tests.db.test_movements_carried_over import OFFERS, READERS, subscription

BEFORE, AFTER = "d7c25b8e01f4", "c2d94e7a1b60"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_AMOUNTS = ("from_listed", "from_recurring", "from_net", "to_listed", "to_recurring", "to_net")
MOVEMENTS = sa.table(
    "movements",
    *map(sa.column, ("subscription_id", "number", "customer", "kind", "cause", "currency", "to_plan")),
    *map(sa.column, _AMOUNTS), sa.column("at", UtcDateTime()), sa.column("discounts", Json()),
)  # fmt: skip
SUBSCRIPTIONS = sa.table(
    "subscriptions",
    *map(sa.column, subscription("sub_1", "rdr_1").keys() - {
        "started_at", "current_period_end", "trial_end", "synced_at", "pauses_collection",
    }),
    sa.column("pauses_collection", sa.Boolean()), sa.column("discounts", Json()), sa.column("outside"),
    *(sa.column(name, UtcDateTime()) for name in (
        "started_at", "current_period_end", "trial_end", "synced_at",
    )),
)  # fmt: skip

USES = sa.table(
    "promotion_uses",
    *map(sa.column, ("discount_id", "subscription_id")), sa.column("at", UtcDateTime()),
    *map(sa.column, ("coupon", "promotion_code", "code", "plan", "currency")),
)  # fmt: skip


def discount(name: str, coupon: str) -> dict[str, Any]:
    return {"id": name, "coupon": coupon, "percent_off": "50"}


def movement(name: str, number: int, *discounts: dict[str, Any]) -> dict[str, Any]:
    return {
        "subscription_id": name, "number": number, "customer": "ctm_1", "kind": "new",
        "cause": "started", "currency": "EUR", "to_plan": "digital",
        **dict.fromkeys(_AMOUNTS, 0),
        "at": START + timedelta(days=number), "discounts": list(discounts),
    }  # fmt: skip


async def test_each_coupon_is_carried_over_once(former_database_url: str) -> None:
    spring, intro = discount("di_1", "SPRING"), discount("di_2", "pw_intro_off_1_100eur_once")
    engine = create_async_engine(async_url(former_database_url))
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        await connection.execute(sa.insert(READERS), [{"id": "rdr_1", "created_at": START}])
        offer = {
            "id": "off_1", "name": "Digital", "plan": "digital", "amount": 900, "currency": "EUR",
            "interval": "month", "interval_count": 1, "trial_days": 0, "position": 1,
            "created_at": START,
        }  # fmt: skip
        await connection.execute(sa.insert(OFFERS), [offer])
        await connection.execute(
            sa.insert(SUBSCRIPTIONS),
            [
                subscription(name, "rdr_1", discounts=[given], outside=outside)
                for name, given, outside in (
                    ("sub_1", spring, ""), ("sub_trial", discount("di_3", "MAIL"), ""),
                    ("sub_other", discount("di_4", "ODD"), "price"),
                )
            ],
        )  # fmt: skip
        await connection.execute(
            sa.insert(MOVEMENTS),
            [movement("sub_1", 1, intro), movement("sub_1", 2, spring), movement("sub_gone", 1)],
        )
        await connection.commit()
        await connection.run_sync(migrate.upgrade, AFTER)
        found = await connection.execute(sa.select(USES).order_by(USES.c.discount_id))
    await engine.dispose()
    assert [tuple(each) for each in found] == [
        ("di_1", "sub_1", START, "SPRING", None, None, "digital", "EUR"),
        ("di_3", "sub_trial", START, "MAIL", None, None, "digital", "EUR"),
    ]
