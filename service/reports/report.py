"""A figure over a period, with the period that it is compared with, and its totals over currencies."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from service.problems import invalid_field
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.choices import refuse_unknown
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
