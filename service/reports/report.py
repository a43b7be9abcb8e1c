"""A figure over a period, with the period that it is compared with."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from service.problems import invalid_field
from service.reports.asked import Asked
from service.reports.period import NotAsked
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
            return Report(figure, asked, lines)
        earlier = await figure.lines(session, replace(asked, period=before))
    except NotAsked as wrong:
        raise invalid_field(f"query.{wrong.field}", str(wrong)) from wrong
    return Report(figure, asked, lines, before, earlier)
