"""A figure over a period, with the period that it is compared with, and its totals over currencies."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from service.problems import invalid_field
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.choices import refuse_unknown, split_words
from service.reports.conversion import totals
from service.reports.figure import Figure
from service.reports.offer_names import by_id
from service.reports.period import NotAsked
from service.reports.queries.rates import all_rates
from service.reports.registry import BY_SLUG
from service.reports.report_schemas import Report, no_such_figure
from service.settings import Settings


async def report_on(session: AsyncSession, slug: str, asked: Asked) -> Report:
    """Raises the problems `not-found` and `invalid-request`."""
    figure = BY_SLUG.get(slug)
    if figure is None:
        raise no_such_figure()
    asked = replace(asked, chosen=await by_id(session, asked.chosen))
    await refuse_unknown(
        session, {name: of for name, of in asked.chosen.items() if name in figure.all_filters}
    )
    try:
        lines = await figure.lines(session, asked)
        today = asked.now.astimezone(asked.period.zone).date()
        before = asked.period.compared_with(today)
        earlier_asked = replace(asked, period=before) if before else asked
        earlier = await figure.lines(session, earlier_asked) if before else []
    except NotAsked as wrong:
        raise invalid_field(f"query.{wrong.field}", str(wrong)) from wrong
    together, together_before = await _converted(
        session, figure, (asked, lines), (earlier_asked, earlier)
    )
    return Report(figure, asked, lines, before, earlier, together, together_before)


async def listed_from(session: AsyncSession, figure: Figure) -> date | None:
    """The first day at whose end it can be listed what the figure counted; None: at each."""
    first_known = figure.listing.first_known if figure.listing else None
    return await first_known(session) if first_known else None


async def named(session: AsyncSession, report: Report, settings: Settings) -> Report:
    """The report with the words for the values that it tells apart; offers in the order of these."""
    apart = report.asked.split or report.figure.apart
    values = {each.split for each in report.lines if each.split}
    words = await split_words(session, apart, values, settings)
    if apart != "offer" or report.figure.is_ranked:
        return replace(report, split_words=words)

    def in_order(lines: Sequence[Line]) -> list[Line]:
        return sorted(lines, key=lambda each: (each.currency, words.get(each.split, each.split)))

    return replace(
        report, split_words=words, lines=in_order(report.lines),
        lines_before=in_order(report.lines_before),
    )  # fmt: skip


async def _converted(
    session: AsyncSession, figure: Figure, *counted: tuple[Asked, Sequence[Line]]
) -> list[Sequence[Line]]:
    """Totals over currencies of each; none where they aren't a sum, or currencies are told apart."""
    asked, _ = counted[0]
    if not figure.is_sum_of_money or "currency" in {asked.split, *asked.chosen}:
        return [() for _ in counted]
    today = asked.now.astimezone(asked.period.zone).date()
    rates = await all_rates(session)
    adds_up = figure.over_time == "sum"
    return [totals(lines, each.period, rates, today, adds_up=adds_up) for each, lines in counted]
