"""A figure over a period, with the period that it is compared with, and its totals over currencies."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from service.problems import invalid_field
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.conversion import totals
from service.reports.figure import Figure
from service.reports.period import NotAsked
from service.reports.queries.rates import all_rates
from service.reports.registry import BY_SLUG
from service.reports.report_schemas import Report, no_such_figure


async def report_on(session: AsyncSession, slug: str, asked: Asked) -> Report:
    """Raises the problems `not-found` and `invalid-request`."""
    figure = BY_SLUG.get(slug)
    if figure is None:
        raise no_such_figure()
    try:
        lines = await figure.lines(session, asked)
        before = asked.period.compared_with()
        if before is None:
            return Report(
                figure, asked, lines, converted=await _converted(session, figure, asked, lines)
            )
        earlier_asked = replace(asked, period=before)
        earlier = await figure.lines(session, earlier_asked)
    except NotAsked as wrong:
        raise invalid_field(f"query.{wrong.field}", str(wrong)) from wrong
    together = await _converted(session, figure, asked, lines)
    together_before = await _converted(session, figure, earlier_asked, earlier)
    return Report(figure, asked, lines, before, earlier, together, together_before)


async def _converted(
    session: AsyncSession, figure: Figure, asked: Asked, lines: Sequence[Line]
) -> Sequence[Line]:
    """Its totals over currencies; none where they aren't a sum, or currencies are told apart."""
    if not figure.is_sum_of_money or "currency" in {asked.split, *asked.chosen}:
        return ()
    today = asked.now.astimezone(asked.period.zone).date()
    rates = await all_rates(session)
    return totals(lines, asked.period, rates, today, adds_up=figure.over_time == "sum")
