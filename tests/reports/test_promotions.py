"""The figure of promotion codes, on both databases: by code, by coupon, and with what was paid since."""

from datetime import timedelta
from typing import Any

from service.db.session import Database
from service.db.tables import Pass, PromotionUse, Subscription
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals
from tests.reports.rows import NOW

DAY = timedelta(days=1)
MARCH = ("2026-03-01", "2026-03-31", "month")


def use(bought: Subscription, code: str | None, **given: Any) -> PromotionUse:
    defaults: dict[str, Any] = {
        "discount_id": f"di_{bought.id}_{code}", "subscription_id": bought.id, "at": bought.started_at,
        "coupon": "SPRING", "promotion_code": f"promo_{code}" if code else None, "code": code,
        "plan": bought.plan, "currency": bought.currency,
    }  # fmt: skip
    return PromotionUse(**{**defaults, **given})


def once(bought: Pass, code: str, sold: str) -> PromotionUse:
    return PromotionUse(
        discount_id=f"di_{bought.id}", pass_id=bought.id, sold=sold, at=bought.paid_at, coupon="SPRING",
        promotion_code=f"promo_{code}", code=code, plan="digital", currency=bought.currency,
    )  # fmt: skip


async def test_codes_of_one_coupon_are_told_apart(database: Database) -> None:
    """RADIO was used by Ann, new, who paid 600 + 900 = 1500, and by Ben, who came back and left: 600.
    MAIL was used by Cem in a trial that isn't paid yet. Dee was given the coupon without a code, a month
    after she began: what she paid before (900) isn't the coupon's, the 450 since then are. Eve's is of April. Ann also
    bought a pass for 100 with MAIL, and gave a gift for 2000 with RADIO: 2550 + 2100 = 4650.
    """
    offer, present = rows.offer(), rows.offer(kind="gift")
    readers = [rows.reader() for _ in range(5)]
    began = [NOW - 5 * DAY, NOW - 5 * DAY, NOW - 4 * DAY, NOW - 40 * DAY, NOW + 40 * DAY]
    ann, ben, cem, dee, eve = bought = [
        rows.subscription(reader, offer, started_at=at)
        for reader, at in zip(readers, began, strict=True)
    ]
    ben.status, cem.status = "canceled", "trialing"
    clicks = [rows.checkout(readers[0], each, NOW) for each in (offer, present)]
    passes = [
        rows.bought_pass(readers[0], offer, clicks[0], amount=100),
        rows.bought_pass(readers[0], present, clicks[1], amount=2000),
    ]
    await store(
        database, offer, present, *readers, *bought, *clicks, *passes,
        once(passes[0], "MAIL", "pass"), once(passes[1], "RADIO", "gift"),
        rows.movement(ann, 1, ann.started_at), rows.movement(dee, 1, dee.started_at),
        rows.movement(ben, 1, ben.started_at, kind="reactivation"),
        use(ann, "RADIO"), use(ben, "RADIO"), use(cem, "MAIL"), use(dee, None, at=NOW - 3 * DAY),
        use(eve, "RADIO"),
        rows.invoice(ann, created_at=ann.started_at, paid_at=NOW, amount_due=600),
        rows.invoice(ann, created_at=NOW - DAY, paid_at=NOW, amount_due=900),
        rows.invoice(ann, created_at=NOW, amount_due=900),
        rows.invoice(ben, created_at=ben.started_at, paid_at=NOW, amount_due=600),
        rows.invoice(dee, created_at=dee.started_at, paid_at=NOW, amount_due=900),
        rows.invoice(dee, created_at=NOW - 2 * DAY, paid_at=NOW, amount_due=450),
    )  # fmt: skip
    found = totals(await lines_of(database, "promotions", asked(*MARCH)))
    assert {name: cell.value for name, cell in found.items()} == {
        "used": 6, "passes": 1, "gifts": 1, "new": 1, "still": 3, "paid": 4650,
    }  # fmt: skip
    by_code = await lines_of(database, "promotions", asked(*MARCH, split="code"))
    found_by_code = {
        (each.split, each.series): each.total.value for each in by_code if each.total.value
    }
    assert found_by_code == {
        ("RADIO", "used"): 3, ("RADIO", "gifts"): 1, ("RADIO", "new"): 1, ("RADIO", "still"): 1,
        ("RADIO", "paid"): 4100,
        ("MAIL", "used"): 2, ("MAIL", "passes"): 1, ("MAIL", "still"): 1, ("MAIL", "paid"): 100,
        ("SPRING (no code)", "used"): 1, ("SPRING (no code)", "still"): 1,
        ("SPRING (no code)", "paid"): 450,
    }  # fmt: skip
    assert {
        each.split for each in await lines_of(database, "promotions", asked(*MARCH, split="coupon"))
    } == {"SPRING"}
    mail = asked(*MARCH, code="MAIL")
    assert {
        each.series: each.total.value
        for each in await lines_of(database, "promotions", mail)
    } == {"used": 2, "passes": 1, "gifts": 0, "new": 0, "still": 1, "paid": 100}  # fmt: skip
