"""Uses of promotion codes, counted again in plain Python from random purchases on both databases."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from service.db.base import Base
from service.db.session import Database
from service.db.tables import InvoiceRow, Offer, Pass, PromotionUse, Reader, Rollup, Subscription
from service.finance.promotions import forget_promotions, forget_uses
from service.reports.asked import Asked
from service.reports.promotion_rollup import look_up_promotions
from service.reports.registry import BY_SLUG
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store
from tests.reports.ledger_histories import BEGIN, DAYS
from tests.reports.lists_behind import lists_agree
from tests.reports.recounting import HOUR, Days, periods, played
from tests.reports.rolled import context_in
from tests.reports.sampled import sampled

SOME = sampled(2)
Key = tuple[int | None, str, str, str]
"""Step, None for the period, split, series and currency."""
hours = st.integers(-5 * 24, (DAYS + 5) * 24)


@dataclass(frozen=True)
class Paid:
    """An invoice: `status` when it was stored, `later` since."""

    hour: int
    amount: int
    currency: str
    status: str
    later: str

    @property
    def at(self) -> datetime:
        return BEGIN + self.hour * HOUR


@dataclass(frozen=True)
class Used:
    """A code, and what was bought with it; `first` when its reader first paid: None never, or not for this."""

    hour: int
    code: str | None
    coupon: str
    plan: str
    currency: str
    sold: str
    status: str
    later: str
    first: int | None
    invoices: tuple[Paid, ...]
    amount: int

    @property
    def at(self) -> datetime:
        return BEGIN + self.hour * HOUR

    @property
    def split(self) -> str:
        return self.code or f"{self.coupon} (no code)"

    def counts(self) -> Counter[tuple[str, str]]:
        """By series and currency."""
        found = Counter({("used", ""): 1})
        if self.sold != "subscription":
            found["passes" if self.sold == "pass" else "gifts", ""] = 1
            found["paid", self.currency] = self.amount
            return found
        found["new", ""] = int(self.first is not None and self.first >= self.hour)
        found["still", ""] = int(self.later not in {"canceled", "incomplete_expired"})
        found["paid", self.currency] = sum(
            each.amount
            for each in self.invoices
            if each.later == "paid" and each.currency == self.currency and each.at >= self.at
        )
        return found


def uses() -> st.SearchStrategy[list[Used]]:
    currencies = st.sampled_from(["EUR", "CHF"])
    states = st.sampled_from(["paid", "open", "void"])
    paid = st.builds(Paid, hours, st.integers(0, 5_000), currencies, states, states)
    statuses = st.sampled_from(
        ["active", "trialing", "past_due", "paused", "unpaid", "canceled", "incomplete_expired"]
    )
    return st.lists(
        st.builds(
            Used, hours, st.sampled_from(["RADIO", "MAIL", None]), st.sampled_from(["SPRING", "FALL"]),
            st.sampled_from(["digital", "weekend"]), currencies,
            st.sampled_from(["subscription", "subscription", "pass", "gift"]), statuses, statuses,
            st.none() | hours, st.lists(paid, max_size=4).map(tuple), st.integers(0, 5_000),
        ),
        min_size=1, max_size=15,
    )  # fmt: skip


def test_promotions(database_url: str) -> None:
    @SOME
    @given(
        what=uses(), days=periods,
        looked_up=st.sampled_from(["never", "before the rest", "and again"]),
    )  # fmt: skip
    def play(what: list[Used], days: Days, looked_up: str) -> None:
        async def compare(database: Database) -> None:
            await _stored(database, what, days, looked_up)
            for split in ("", *BY_SLUG["promotions"].splits):
                for code in ("", "RADIO"):
                    theirs = replace(days.asked(), chosen={"code": code} if code else {})
                    counted = (each for each in what if not code or each.split == code)
                    found = await _reported(database, theirs, split)
                    assert found == _expected(counted, days, split), (split, code)

        played(compare, database_url)

    play()


def _expected(what: Iterable[Used], days: Days, split: str) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for each in what:
        step = days.step(each.at)
        if step is None:
            continue
        name = {
            "": "", "code": each.split, "coupon": each.coupon, "plan": each.plan,
            "currency": each.currency,
        }[split]  # fmt: skip
        for (series, currency), number in each.counts().items():
            for place in (step, None):
                found[place, name, series, currency] += number
    return +found


async def _reported(database: Database, what: Asked, split: str) -> Counter[Key]:
    by = asked(
        str(what.period.first), str(what.period.last), "day", now=what.now, home=what.home,
        split=split, **what.chosen,
    )  # fmt: skip
    found: Counter[Key] = Counter()
    for line in await lines_of(database, "promotions", by):
        for place, cell in (*enumerate(line.cells), (None, line.total)):
            found[place, line.split, line.series, line.currency] += int(cell.value or 0)
    await lists_agree(database, "promotions", by)
    return +found


async def _stored(database: Database, what: list[Used], days: Days, looked_up: str) -> None:
    """What was looked up before the rest came is forgotten, as where it is stored."""
    context = context_in(database, days.zone)
    async with database.transaction() as session:
        await session.execute(delete(Rollup))
    offer, reader = rows.offer(), rows.reader()
    await store(database, offer, reader)
    for number, each in enumerate(what):
        await store(database, *_rows(number, each, offer, reader))
    if looked_up != "never":
        await look_up_promotions(context)
    async with database.transaction() as session:
        for number, each in enumerate(what):
            name = f"sub_{number}"
            await session.execute(
                update(Subscription).where(Subscription.id == name).values(status=each.later)
            )
            await session.execute(
                update(Pass).where(Pass.id == f"pi_{number}").values(amount=each.amount)
            )
            for place, invoice in enumerate(each.invoices):
                row = InvoiceRow
                changed = update(row).where(row.id == f"in_{number}_{place}")
                await session.execute(changed.values(status=invoice.later))
            await forget_promotions(session, [name])
            await forget_uses(session, PromotionUse.pass_id == f"pi_{number}")
    if looked_up == "and again":
        await look_up_promotions(context)


def _rows(number: int, of: Used, offer: Offer, reader: Reader) -> list[Base]:
    use = PromotionUse(
        discount_id=f"di_{number:03}", sold=of.sold, at=of.at, coupon=of.coupon, code=of.code,
        plan=of.plan, currency=of.currency,
    )  # fmt: skip
    if of.sold != "subscription":
        use.pass_id = f"pi_{number}"
        click = rows.checkout(reader, offer, of.at, id=f"cko_{number}")
        return [
            click,
            rows.bought_pass(reader, offer, click, id=use.pass_id, currency=of.currency, amount=7),
            use,
        ]
    bought = rows.subscription(reader, offer, id=f"sub_{number}", status=of.status)
    use.subscription_id = bought.id
    found: list[Base] = [bought, use]
    if of.first is not None:
        found.append(rows.movement(bought, 1, BEGIN + of.first * HOUR))
    for place, each in enumerate(of.invoices):
        found.append(
            rows.invoice(
                bought, id=f"in_{number}_{place}", created_at=each.at, currency=each.currency,
                amount_paid=each.amount, status=each.status,
            )
        )  # fmt: skip
    return found
