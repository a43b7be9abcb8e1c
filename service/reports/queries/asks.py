"""When holders asked for a sign-in mail, and since when that is noted."""

from collections.abc import Callable
from datetime import date, timedelta

from sqlalchemy import Subquery, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Rollup, SignInAsk
from service.identity.sign_in_asks import NOTED
from service.reports.asked import Asked
from service.reports.cells import Cell, none
from service.reports.queries import kept_rows, ledger


def asks(digits: int) -> Subquery:
    """Rows of `holder`, `at` and `whose`; with `digits` of a sample of the holders (kept_rows.py)."""
    row = SignInAsk
    rows = kept_rows.of_sample(select(row.holder, row.at), row.holder.expression, digits)
    return ledger.with_whose(union_all(*rows).subquery("asks"), digits).subquery("whose_asks")


async def known_asks(
    session: AsyncSession, asked: Asked
) -> Callable[[Callable[[int | None], Cell]], Callable[[int | None], Cell]]:
    """Leaves cells without a value whose step, or period, begins before asks were noted."""
    first = await _first_day(session, asked)

    def known(make: Callable[[int | None], Cell]) -> Callable[[int | None], Cell]:
        def cell(at: int | None) -> Cell:
            begins = asked.period.first if at is None else asked.period.steps[at].first
            if begins >= first:
                return make(at)
            return none(f"Who asked isn't known before {first}: begin on that day or later.")

        return cell

    return known


async def _first_day(session: AsyncSession, asked: Asked) -> date:
    """The first whole one."""
    noted = await session.get(Rollup, NOTED)
    if noted is None:
        return date.min
    return noted.made_at.astimezone(asked.home).date() + timedelta(days=1)
