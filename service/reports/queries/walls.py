"""Figures of reading and walls, from the ledger by day."""

from collections import defaultdict
from collections.abc import Callable

from sqlalchemy import Select, Subquery, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.reasons import REASONS
from service.db.tables import AccessEntry, Article
from service.reports.asked import Asked, Dimensions
from service.reports.cells import Cell, Line, line_of, none, share
from service.reports.queries import kept_rows, ledger
from service.reports.queries.counting import Counts
from service.reports.queries.depths import DEPTH_INTERVALS, asks_for_meter, depths
from service.reports.queries.distinct import Distinct, distinct
from service.reports.queries.holders import (
    NO_SECTION,
    BySplit,
    by_step_and_whole,
    counted,
    place_of,
    splits_of,
)
from service.reports.queries.touched import with_split
from service.reports.returns import ANY, REGISTER, SUBSCRIBE, WALL

DEPTHS = ("0", "1", "2", "3", "4", "5", "6-10", "11+")
GRANTED = tuple(name for name, row in REASONS.items() if row.granted and row.by_reader)
_LAST_SINGLE_DEPTH, _LAST_RANGE_DEPTH = 5, 10


async def stop_rate(
    session: AsyncSession,
    asked: Asked,
    most: int = kept_rows.MOST_ROWS,
    most_in_days: int = kept_rows.MOST_IN_DAYS,
) -> list[Line]:
    """Distinct holders who met a wall ÷ distinct holders who read or met one.

    By section of more than `most` rows a sample of the holders is looked at, by source of more than `most_in_days`.
    """
    by_section = asked.among(["section"])
    first, last = asked.period.first, min(asked.period.last, asked.today)
    if by_section.split or by_section.chosen:
        gone = await kept_rows.gone_before(session, first, last)
        if gone is not None:
            return [
                line_of(lambda _: kept_rows.deleted(gone), asked.steps, name)
                for name in ("all", "subscribe", "register")
            ]
        digits = await kept_rows.sample(session, first, last, most)
        lines = _stop_rates(asked, await _met_in(session, asked, _in_sections(asked, digits)))
        return [*lines, *kept_rows.sample_line(asked, digits)]
    if not asked.split and not asked.chosen:
        together = await distinct(session, asked, ANY, WALL, SUBSCRIBE, REGISTER)
        return _stop_rates(asked, {"": together})
    digits = await kept_rows.sample_of_days(session, first, last, most_in_days)
    days = await ledger.by_holder(session, asked, digits)
    lines = _stop_rates(asked, await _met_in(session, asked, days))
    return [*lines, *kept_rows.sample_line(asked, digits)]


def _stop_rates(asked: Asked, found: dict[str, Distinct]) -> list[Line]:
    def rate(split: str, measure: str) -> Callable[[int | None], Cell]:
        of = found[split]
        return of.known(lambda at: share(of.counts[measure][at], of.counts[ANY][at], of="holders"))

    return [
        line_of(rate(split, measure), asked.steps, name, split=split)
        for split in splits_of(asked, found)
        for name, measure in (("all", WALL), ("subscribe", SUBSCRIBE), ("register", REGISTER))
    ]


def _in_sections(asked: Asked, digits: int) -> Subquery:
    """Each read and wall as a day of its holder, by the section of its article."""
    entry, by_section = AccessEntry, asked.among(["section"])
    dimensions: Dimensions = {"section": func.coalesce(Article.section, literal(NO_SECTION))}
    first, last = asked.period.first, min(asked.period.last, asked.today)
    at = {f"{name}_wall_at": case((entry.wall == name, entry.at)) for name in (SUBSCRIBE, REGISTER)}
    rows = (
        select(
            entry.day, entry.holder, by_section.split_of(dimensions).label("split"),
            *(column.label(name) for name, column in at.items()),
        )
        .outerjoin(Article, Article.id == entry.article_id)
        .where(kept_rows.on_days(first, last), *by_section.filters(dimensions))
    )  # fmt: skip
    sample = kept_rows.of_sample(rows, entry.holder.expression, digits)
    sections = union_all(*sample).subquery("in_sections")
    whose = ledger.with_whose(sections, digits).subquery("whose_rows")
    return with_split(whose, asked, digits).subquery("split_rows")


async def _met_in(session: AsyncSession, asked: Asked, days: Subquery) -> dict[str, Distinct]:
    """By the split: all that read or met a wall, and those who met any wall or one of a kind."""
    found: defaultdict[str, dict[str, Counts]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    met = {
        name: case((days.c[f"{name}_wall_at"].is_not(None), 1), else_=0)
        for name in (SUBSCRIBE, REGISTER)
    }
    holders = by_step_and_whole(asked.step_on(days.c.day), days, func.max, met)
    grouping = (holders.c.step, holders.c.split, holders.c.subscribe, holders.c.register)
    for step, split, subscribed, registered, count in await session.execute(
        select(*grouping, func.count()).group_by(*grouping)
    ):
        at = place_of(step)
        found[split][ANY][at] += count
        found[split][WALL][at] += count * max(subscribed, registered)
        found[split][SUBSCRIBE][at] += count * subscribed
        found[split][REGISTER][at] += count * registered
    by_split = {split: Distinct(counts, {}) for split, counts in found.items()}
    return by_split if asked.split else {"": by_split.get("", Distinct(found[""], {}))}


async def meter_depth(
    session: AsyncSession, asked: Asked, most: int = kept_rows.MOST_IN_DAYS
) -> list[Line]:
    """Distinct holders of each step by the number of metered articles that they used.

    By source or meter of more than `most` rows they are those of a sample, multiplied.
    """
    if asked.period.interval not in DEPTH_INTERVALS:
        why = "No meter runs for longer than a month: choose the interval day, week or month."
        return [line_of(lambda _: none(why), asked.steps, name) for name in DEPTHS]
    if asks_for_meter(asked):
        last = min(asked.period.last, asked.today)
        gone = await kept_rows.gone_before(session, asked.period.first, last)
        if gone is not None:
            return [
                line_of(lambda _: kept_rows.deleted(gone), asked.steps, name) for name in DEPTHS
            ]
    digits = 0
    if asked.split or asked.chosen:
        last = min(asked.period.last, asked.today)
        digits = await kept_rows.sample_of_days(session, asked.period.first, last, most)
    enlarged = kept_rows.rate(digits).denominator
    found: dict[str, BySplit] = defaultdict(counted)
    for (step, split, used), count in (await depths(session, asked, digits)).items():
        for place in (step, None):
            found[_depth(used)][split][place] += count * enlarged

    def number(of: Counts) -> Callable[[int | None], Cell]:
        return lambda at: Cell(of[at])

    lines = [
        line_of(number(found[name][split]), asked.steps, name, split=split)
        for split in splits_of(asked, *found.values())
        for name in DEPTHS
    ]
    return [*lines, *kept_rows.sample_line(asked, digits)]


async def access_mix(session: AsyncSession, asked: Asked) -> list[Line]:
    """The share of each reason among the reads."""
    days = await ledger.by_article(session, asked)
    rows = _of_section(days, asked).where(days.c.wall == "").subquery("rows")
    sums: dict[str, BySplit] = defaultdict(counted)
    together = counted()
    grouping = (rows.c.step, rows.c.split, rows.c.reason)
    for at, split, reason, count in await session.execute(
        select(*grouping, func.sum(rows.c.rows)).group_by(*grouping)
    ):
        if reason in REASONS and not REASONS[reason].granted:
            continue
        for place in (at, None):
            sums[reason][split][place] += int(count)
            together[split][place] += int(count)

    def part(of: Counts, whole: Counts) -> Callable[[int | None], Cell]:
        return lambda at: share(of[at], whole[at], of="reads")

    return [
        line_of(part(sums[name][split], together[split]), asked.steps, name, split=split)
        for split in splits_of(asked, together)
        for name in GRANTED
    ]


def _of_section(days: Subquery, asked: Asked) -> Select[tuple[int, str, str, int]]:
    """Rows of `LedgerDay` by step and by the section in which their article is now."""
    dimensions: Dimensions = {"section": func.coalesce(Article.section, literal(NO_SECTION))}
    return (
        select(
            asked.step_on(days.c.day).label("step"), asked.split_of(dimensions).label("split"),
            days.c.reason, days.c.rows,
        )
        .outerjoin(Article, Article.id == days.c.article_id)
        .where(*asked.filters(dimensions))
    )  # fmt: skip


def _depth(used: int) -> str:
    if used <= _LAST_SINGLE_DEPTH:
        return str(used)
    return DEPTHS[-2] if used <= _LAST_RANGE_DEPTH else DEPTHS[-1]
