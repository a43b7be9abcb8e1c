"""What the movements of MRR say by step, from the rollup of the publication's days where that will do."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.recurring import monthly
from service.reports.asked import Asked
from service.reports.movement_rollup import MOVEMENTS
from service.reports.movement_sums import Sums
from service.reports.queries import movement_days, movement_rows
from service.reports.queries.movement_days import Change
from service.reports.queries.movement_rows import Ended
from service.reports.source_rollup import BY_SOURCE
from service.reports.source_sums import SourceSums
from service.reports.tallies import LEFT, Tallies


async def money(session: AsyncSession, asked: Asked, *, after_discounts: bool = False) -> Tallies:
    """What MRR gained and lost, by kind of movement, split and currency, exactly."""
    live = await _rolled(session, asked)
    if live is None:
        found = await movement_rows.money(session, asked, after_discounts=after_discounts)
    else:
        found = await movement_days.money(session, asked, live, after_discounts=after_discounts)
    tallies = Tallies(asked.steps)
    for step, split, currency, kind, interval, every, total in found:
        tallies.add((split, currency), kind, step, monthly(total, interval, every))
    return tallies


async def readers(session: AsyncSession, asked: Asked, *, by_currency: bool = False) -> Tallies:
    """How many readers joined the active subscribers and left them, by how, and by split.

    A reader is active while any of their subscriptions brings something. Split, a reader is active for
    each value by itself.
    """
    live = await _rolled(session, asked)
    if live is None:
        found = await movement_rows.readers(session, asked, by_currency=by_currency)
    else:
        found = await movement_days.readers(session, asked, live, by_currency=by_currency)
    tallies = Tallies(asked.steps)
    for step, split, currency, way, count in found:
        tallies.add((split, currency), way, step, -count if way in LEFT else count)
    return tallies


async def rights(session: AsyncSession, asked: Asked) -> list[Change] | None:
    """How many more subscriptions of each price class there were from a day on, by split, up to the
    period's last; None: it isn't known by day.
    """
    if asked.period.zone.key != asked.home.key:
        return None
    live = await MOVEMENTS.missing(session, asked.home)
    return await movement_days.rights(session, asked, live) if live is not None else None


async def ends(session: AsyncSession, asked: Asked) -> list[Ended]:
    """Who ceased to be active by choice or because payments failed, in the steps of the period."""
    live = await _rolled(session, asked)
    if live is None:
        return await movement_rows.ends(session, asked)
    return await movement_days.ends(session, asked, live)


async def cohorts(session: AsyncSession, asked: Asked) -> dict[int, list[int]]:
    """Of the readers who first paid in a step, those with a paid subscription in each of the steps.

    Filters are of what they first paid for, whatever they pay for later.
    """
    live = await _rolled(session, asked) if movement_days.has_whole_months(asked) else None
    if live is None:
        return await movement_rows.cohorts(session, asked)
    return await movement_days.cohorts(session, asked, live)


async def began(session: AsyncSession, asked: Asked) -> bool | None:
    """Whether any reader first paid in the period, which has whole months; None: it isn't known by day."""
    live = await _rolled(session, asked)
    return None if live is None else bool(await movement_days.cohorts(session, asked, live))


async def _rolled(session: AsyncSession, asked: Asked) -> Sums | SourceSums | None:
    """What isn't in the rollup; None: it doesn't serve the zone or tell several sources apart, or isn't made yet."""
    sources = movement_days.sources_of(asked)
    if len(sources) > 1 or asked.period.zone.key != asked.home.key:
        return None
    if sources:
        return await BY_SOURCE.missing(session, asked.home)
    return await MOVEMENTS.missing(session, asked.home)
