"""Figures of money as Stripe has it: revenue, refunds and disputes, open payments, payouts.

Money is added up in the currency that each row has: those of the balance in the one that it is settled in.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, and_, case, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import MoneyBackDay, Offer, PayoutRow, RevenueDay
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, ratio, share
from service.reports.queries.counting import Counts
from service.reports.queries.money_days import by_step, episodes_of
from service.reports.queries.money_rows import NEVER_TAKEN, OURS, money_back_rows, revenue_rows

UNKNOWN = "unknown"
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
_Sums = defaultdict[tuple[str, str, str], Counts]
"""By series, split and currency."""


async def revenue(session: AsyncSession, asked: Asked) -> list[Line]:
    """What the balance's moves for what we sell add up to, and the tax of paid invoices."""
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    for rows in await by_step(session, asked, RevenueDay, revenue_rows):
        row, dimensions = rows.c, dimensions_of_sale(rows.c)
        is_pass = row.sold == OURS[1]
        # At Stripe a gift is paid as a pass is; what it is for is the offer's to say.
        is_gift = Offer.kind.is_not_distinct_from("gift")
        charged = {
            "subscriptions": row.sold == OURS[0], "passes": and_(is_pass, ~is_gift),
            "gifts": and_(is_pass, is_gift),
        }  # fmt: skip
        moves = (
            select(
                row.step, asked.split_of(dimensions).label("split"), row.currency,
                *(case((each, row.charged), else_=0).label(name) for name, each in charged.items()),
                *(row[name] for name in REVENUE if name not in charged),
            )
            .outerjoin_from(rows, Offer, Offer.id == row.offer_id)
            .where(*asked.filters(dimensions))
            .subquery("moves")
        )  # fmt: skip
        await _add(session, sums, moves, REVENUE)
    return _lines(asked, sums, REVENUE)


async def refunds_and_disputes(session: AsyncSession, asked: Asked) -> list[Line]:
    """How many and how much, and both as shares of the charges that were paid."""
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    for rows in await by_step(session, asked, MoneyBackDay, money_back_rows):
        row, dimensions = rows.c, dimensions_of_sale(rows.c)
        about = (
            select(
                row.what, row.step, asked.split_of(dimensions).label("split"), row.currency,
                row.number, row.amount,
            )
            .outerjoin_from(rows, Offer, Offer.id == row.offer_id)
            .where(*asked.filters(dimensions))
            .subquery("about")
        )  # fmt: skip
        row = about.c
        grouping = (row.what, row.step, row.split, row.currency)
        for name, step, split, currency, found, added in await session.execute(
            select(*grouping, func.sum(row.number), func.sum(row.amount)).group_by(*grouping)
        ):
            for place in (step, None):
                counts[name, split][place] += int(found)
                sums[name, split, currency][place] += int(added)
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
    episodes = await episodes_of(session, asked)
    dimensions = episode_dimensions(episodes.c)
    by_offer = asked.among(("offer", "plan"))
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    for name in DUNNING:
        at = episodes.c[f"{name}_at"]
        chosen = (
            select(
                asked.step_at(at).label("step"), asked.split_of(dimensions).label("split"),
                episodes.c.currency, episodes.c.amount,
            )
            .select_from(episodes)
            .where(at >= asked.since, at < asked.until, *asked.filters(dimensions))
        )  # fmt: skip
        if by_offer.split or by_offer.chosen:
            chosen = chosen.outerjoin(Offer, Offer.id == episodes.c.offer_id)
        rows = chosen.subquery(name)
        grouping = (rows.c.step, rows.c.split, rows.c.currency)
        for step, split, currency, number, amount in await session.execute(
            select(*grouping, func.count(), func.sum(rows.c.amount)).group_by(*grouping)
        ):
            for place in (step, None):
                counts[name, split][place] += number
                sums[f"{name}_amount", split, currency][place] += int(amount)
    lines: list[Line] = []
    for split in sorted({split for _, split in counts}):
        of = {name: counts[name, split] for name in DUNNING}
        lines += [
            line_of(_number(each), asked.steps, name, split=split) for name, each in of.items()
        ]
        lines.append(line_of(_recovered(of), asked.steps, "rate", split=split))
    return [*lines, *_lines(asked, sums, tuple(f"{name}_amount" for name in DUNNING))]


async def payouts(session: AsyncSession, asked: Asked) -> list[Line]:
    """What Stripe paid to the bank, by the day on which it arrives."""
    row = PayoutRow
    rows = (
        select(
            asked.step_at(row.arrives_at.expression).label("step"), literal("").label("split"),
            row.currency.label("currency"), row.amount.label("all"),
        )
        .where(
            row.status.not_in(NEVER_TAKEN), row.arrives_at >= asked.since,
            row.arrives_at < asked.until, *asked.filters({"currency": row.currency.expression}),
        )
        .subquery("paid_out")
    )  # fmt: skip
    sums: _Sums = defaultdict(lambda: defaultdict(int))
    await _add(session, sums, rows, ("all",))
    return _lines(asked, sums, ("all",))


def episode_dimensions(row: Any) -> Dimensions:
    """The offer is joined outside."""
    return {
        "decline": row.decline, "tries": cast(row.tries, String), "currency": row.currency,
        "offer": func.coalesce(Offer.id, UNKNOWN), "plan": func.coalesce(Offer.plan, UNKNOWN),
    }  # fmt: skip


def dimensions_of_sale(row: Any) -> Dimensions:
    """The offer is joined outside."""
    return {
        "offer": func.coalesce(Offer.id, UNKNOWN), "plan": func.coalesce(Offer.plan, UNKNOWN),
        "method": _known(row.method), "country": _known(row.country), "currency": row.currency,
    }  # fmt: skip


def _known(column: Any) -> ColumnElement[str]:
    return func.coalesce(func.nullif(column, ""), UNKNOWN)


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
