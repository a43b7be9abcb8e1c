"""Figures of money as Stripe has it: revenue, refunds and disputes, open payments, payouts.

Money is added up in the currency that each row has: those of the balance in the one that it is settled in.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, and_, case, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoiceRow,
    Offer,
    PayoutRow,
    RefundRow,
)
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, ratio, share
from service.reports.queries.counting import Counts

OURS = ("subscription", "pass")
"""What of the account's money is for something that we sell."""
UNKNOWN = "unknown"
_CHARGES = ("charge", "charge_failure", "partial_capture_reversal")
"""A bank debit that came back after it was booked, and what of an authorisation wasn't taken, are less."""
_REFUNDS = ("refund", "refund_failure")
_DISPUTES = ("dispute", "dispute_reversal")
REVENUE = (
    "subscriptions",
    "passes",
    "gifts",
    "refunded",
    "disputed",
    "fees",
    "fee_tax",
    "net",
    "tax",
)
DUNNING = ("begun", "recovered", "lost")
_NEVER_TAKEN = ("failed", "canceled")
_Sums = defaultdict[tuple[str, str, str], Counts]
"""By series, split and currency."""


async def revenue(session: AsyncSession, asked: Asked) -> list[Line]:
    """What the balance's moves for what we sell add up to, and the tax of paid invoices."""
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    row = BalanceRow
    charged, is_pass = row.category.in_(_CHARGES), row.sold == OURS[1]
    # At Stripe a gift is paid as a pass is; what it is for is the offer's to say.
    is_gift = Offer.kind.is_not_distinct_from("gift")
    amounts = {
        "subscriptions": _where(and_(charged, row.sold == OURS[0]), row.amount),
        "passes": _where(and_(charged, is_pass, ~is_gift), row.amount),
        "gifts": _where(and_(charged, is_pass, is_gift), row.amount),
        "refunded": _where(row.category.in_(_REFUNDS), -row.amount),
        "disputed": _where(row.category.in_(_DISPUTES), -row.amount),
        "fees": row.fee.expression,
        "fee_tax": row.fee_tax.expression,
        "net": row.net.expression,
    }
    dimensions = _dimensions(row.currency, row.method, row.country)
    moves = (
        select(
            asked.step_at(row.created_at.expression).label("step"),
            asked.split_of(dimensions).label("split"),
            row.currency.label("currency"),
            *(amount.label(name) for name, amount in amounts.items()),
        )
        .outerjoin(Offer, Offer.id == row.offer_id)
        .where(
            row.sold.in_(OURS), row.created_at >= asked.since, row.created_at < asked.until,
            *asked.filters(dimensions),
        )
        .subquery("moves")
    )  # fmt: skip
    await _add(session, sums, moves, tuple(amounts))
    await _add(session, sums, _taxes(asked), ("tax",))
    return _lines(asked, sums, REVENUE)


def _taxes(asked: Asked) -> FromClause:
    """Of invoices that were paid, by what they were paid with."""
    row = InvoiceRow
    paid_at: ColumnElement[datetime] = row.__table__.c.paid_at
    paid_with = (
        select(
            ChargeRow.invoice_id,
            func.max(ChargeRow.method).label("method"),
            func.max(ChargeRow.country).label("country"),
        )
        .where(ChargeRow.status == "succeeded")
        .group_by(ChargeRow.invoice_id)
        .subquery("paid_with")
    )
    dimensions = _dimensions(row.currency, paid_with.c.method, paid_with.c.country)
    taxes = (
        select(
            asked.step_at(paid_at).label("step"),
            asked.split_of(dimensions).label("split"),
            row.currency.label("currency"),
            row.tax.label("tax"),
        )
        .outerjoin(Offer, Offer.id == row.offer_id)
        .where(
            row.offer_id.is_not(None), row.status == "paid", row.tax != 0,
            row.paid_at >= asked.since, row.paid_at < asked.until, *asked.filters(dimensions),
        )
    )  # fmt: skip
    by_charge = asked.among(("method", "country"))
    if by_charge.split or by_charge.chosen:
        # Else every charge there ever was would be looked at needlessly.
        taxes = taxes.outerjoin(paid_with, paid_with.c.invoice_id == row.id)
    return taxes.subquery("taxes")


async def refunds_and_disputes(session: AsyncSession, asked: Asked) -> list[Line]:
    """How many and how much, and both as shares of the charges that were paid."""
    charge = ChargeRow
    dimensions = _dimensions(charge.currency, charge.method, charge.country)
    chargeback = DisputeRow.status.not_like("warning%")
    counted: list[tuple[str, Any, ColumnElement[bool]]] = [
        ("charges", charge, charge.status == "succeeded"),
        ("refunds", RefundRow, RefundRow.status.not_in(_NEVER_TAKEN)),
        ("disputes", DisputeRow, chargeback),
    ]
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    for name, table, condition in counted:
        about = select(
            asked.step_at(table.created_at.expression).label("step"),
            asked.split_of(dimensions).label("split"),
            charge.currency.label("currency"),
            table.amount.label("amount"),
        ).outerjoin_from(charge, Offer, Offer.id == charge.offer_id)
        if table is not charge:
            about = about.join(table, table.charge_id == charge.id)
        rows = about.where(
            charge.sold.in_(OURS), condition,
            table.created_at >= asked.since, table.created_at < asked.until,
            *asked.filters(dimensions),
        ).subquery(name)  # fmt: skip
        grouping = (rows.c.step, rows.c.split, rows.c.currency)
        for step, split, currency, number, amount in await session.execute(
            select(*grouping, func.count(), func.sum(rows.c.amount)).group_by(*grouping)
        ):
            for place in (step, None):
                counts[name, split][place] += number
                sums[name, split, currency][place] += int(amount)
    return [*_counted(asked, counts), *_amounts(asked, sums)]


def _counted(asked: Asked, counts: defaultdict[tuple[str, str], Counts]) -> Iterable[Line]:
    for split in sorted({split for _, split in counts}):
        of = {name: counts[name, split] for name in ("charges", "refunds", "disputes")}
        for name, found in of.items():
            yield line_of(_number(found), asked.steps, name, split=split)
        for name in ("refunds", "disputes"):
            yield line_of(
                _share(of[name], of["charges"]), asked.steps, f"{name[:-1]}_rate", split=split
            )


def _amounts(asked: Asked, sums: _Sums) -> Iterable[Line]:
    for split, currency in sorted({(split, currency) for _, split, currency in sums}):
        of = {name: sums[name, split, currency] for name in ("charges", "refunds", "disputes")}
        words = {"charges": "charged", "refunds": "refunded", "disputes": "disputed"}
        for name, found in of.items():
            yield line_of(_number(found), asked.steps, words[name], split=split, currency=currency)
        for name in ("refunds", "disputes"):
            yield line_of(
                _ratio(of[name], of["charges"]), asked.steps, f"{words[name]}_rate",
                split=split, currency=currency,
            )  # fmt: skip


async def dunning(session: AsyncSession, asked: Asked) -> list[Line]:
    """Invoices whose charge failed: begun, recovered and lost, with what was open of each."""
    episodes = _episodes().subquery("episodes")
    dimensions = {
        "decline": episodes.c.decline, "tries": episodes.c.tries, "currency": episodes.c.currency,
    }  # fmt: skip
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    for name in DUNNING:
        at = episodes.c[f"{name}_at"]
        rows = (
            select(
                asked.step_at(at).label("step"), asked.split_of(dimensions).label("split"),
                episodes.c.currency, episodes.c.amount,
            )
            .where(at >= asked.since, at < asked.until, *asked.filters(dimensions))
            .subquery(name)
        )  # fmt: skip
        grouping = (rows.c.step, rows.c.split, rows.c.currency)
        for step, split, currency, number, amount in await session.execute(
            select(*grouping, func.count(), func.sum(rows.c.amount)).group_by(*grouping)
        ):
            for place in (step, None):
                counts[name, split][place] += number
                sums[f"{name}_amount", split, currency][place] += int(amount)
    lines: list[Line] = []
    for split in sorted({split for _, split in counts}) or [""]:
        of = {name: counts[name, split] for name in DUNNING}
        lines += [
            line_of(_number(each), asked.steps, name, split=split) for name, each in of.items()
        ]
        lines.append(line_of(_recovered(of), asked.steps, "rate", split=split))
    return [*lines, *_lines(asked, sums, tuple(f"{name}_amount" for name in DUNNING))]


def _episodes() -> Any:
    """Each invoice of ours with a failed charge, the first payment of a subscription left out.

    It is lost when it is void or uncollectible, or when Stripe plans no further try.
    """
    failed = (
        select(
            ChargeRow.invoice_id,
            ChargeRow.created_at,
            func.first_value(ChargeRow.failure)
            .over(
                partition_by=ChargeRow.invoice_id,
                order_by=(ChargeRow.created_at.desc(), ChargeRow.id.desc()),
            )
            .label("decline"),
        )
        .where(ChargeRow.status == "failed", ChargeRow.sold == OURS[0])
        .subquery("failed")
    )
    each = (
        select(
            failed.c.invoice_id,
            func.min(failed.c.created_at).label("first_at"),
            func.max(failed.c.created_at).label("last_at"),
            func.count().label("tries"),
            func.min(failed.c.decline).label("decline"),
        )
        .group_by(failed.c.invoice_id)
        .subquery("failures")
    )
    row = InvoiceRow
    given_up = and_(row.status == "open", row.next_attempt_at.is_(None))
    lost_at = case(
        (row.status == "void", row.voided_at),
        (row.status == "uncollectible", row.uncollectible_at),
        (given_up, each.c.last_at),
    )
    return (
        select(
            each.c.first_at.label("begun_at"),
            case((row.status == "paid", row.paid_at)).label("recovered_at"),
            lost_at.label("lost_at"),
            each.c.decline,
            _as_text(each.c.tries).label("tries"),
            row.currency.label("currency"),
            row.amount_due.label("amount"),
        )
        .join(each, each.c.invoice_id == row.id)
        .where(row.billing_reason != "subscription_create")
    )


async def payouts(session: AsyncSession, asked: Asked) -> list[Line]:
    """What Stripe paid to the bank, by the day on which it arrives."""
    row = PayoutRow
    rows = (
        select(
            asked.step_at(row.arrives_at.expression).label("step"), literal("").label("split"),
            row.currency.label("currency"), row.amount.label("all"),
        )
        .where(
            row.status.not_in(_NEVER_TAKEN), row.arrives_at >= asked.since,
            row.arrives_at < asked.until, *asked.filters({"currency": row.currency.expression}),
        )
        .subquery("paid_out")
    )  # fmt: skip
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    await _add(session, sums, rows, ("all",))
    return _lines(asked, sums, ("all",))


def _dimensions(currency: Any, method: Any, country: Any) -> Dimensions:
    """The offer is joined outside."""
    return {
        "offer": func.coalesce(Offer.name, UNKNOWN), "plan": func.coalesce(Offer.plan, UNKNOWN),
        "method": _known(method), "country": _known(country), "currency": func.coalesce(currency, ""),
    }  # fmt: skip


def _known(column: Any) -> ColumnElement[str]:
    return func.coalesce(func.nullif(column, ""), UNKNOWN)


def _as_text(number: ColumnElement[Any]) -> ColumnElement[str]:
    """`1` to `8`, and so on: what is split by is a text."""
    return cast(number, String)


def _where(condition: ColumnElement[bool], amount: Any) -> ColumnElement[int]:
    return case((condition, amount), else_=0)


async def _add(
    session: AsyncSession, sums: _Sums, rows: FromClause, series: tuple[str, ...]
) -> None:
    grouping = (rows.c.step, rows.c.split, rows.c.currency)
    for step, split, currency, *amounts in await session.execute(
        select(*grouping, *(func.sum(rows.c[name]) for name in series)).group_by(*grouping)
    ):
        for name, amount in zip(series, amounts, strict=True):
            for place in (step, None):
                sums[name, split, currency][place] += int(amount)


def _lines(asked: Asked, sums: _Sums, series: tuple[str, ...]) -> list[Line]:
    """Every series of each split and currency that has any."""
    places = sorted({(split, currency) for _, split, currency in sums})
    return [
        line_of(
            _number(sums[name, split, currency]), asked.steps, name, split=split, currency=currency
        )
        for split, currency in places
        for name in series
    ]


def _number(of: Counts) -> Callable[[int | None], Cell]:
    return lambda at: Cell(of[at])


def _share(part: Counts, whole: Counts) -> Callable[[int | None], Cell]:
    return lambda at: share(part[at], whole[at], of="paid charges")


def _ratio(part: Counts, whole: Counts) -> Callable[[int | None], Cell]:
    return lambda at: ratio(part[at], whole[at], of="paid charge")


def _recovered(of: dict[str, Counts]) -> Callable[[int | None], Cell]:
    return lambda at: share(
        of["recovered"][at], of["recovered"][at] + of["lost"][at], of="settled payments"
    )
