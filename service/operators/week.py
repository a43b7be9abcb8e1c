"""What the weekly mail says: last week beside the week before, and what needs somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.currencies import decimals
from service.db.context import Context
from service.db.tables import Operator
from service.html.list_query import address
from service.identity.permissions import Permission, permissions_of_role
from service.operators.attention import Need, needs
from service.outbox.mails import put_mail
from service.outbox.translations import day_in, money_in, number_in, percent_in
from service.reports.asked import Asked
from service.reports.cells import Cell, Line, Unit, shown
from service.reports.in_time import in_time
from service.reports.period import Period, midnight, step_of
from service.reports.registry import BY_SLUG
from service.reports.report import report_on
from service.reports.report_schemas import Report
from service.settings import Settings

MOST_ARTICLES = 5
SHOWN = (
    ("active-subscribers", "all"), ("joined-and-left", "new"), ("joined-and-left", "reactivated"),
    ("joined-and-left", "voluntary"), ("joined-and-left", "involuntary"), ("mrr", "all"),
    ("trial-conversion", "converted"), ("registrations", "all"), ("stop-rate", "all"),
    ("dunning", "begun"), ("dunning", "lost"), ("refunds-and-disputes", "refunds"),
    ("refunds-and-disputes", "disputes"),
)  # fmt: skip
"""Figures of the registry with the series that is shown, in the mail's order."""
_WEEK = timedelta(days=7)
_DASH = "—"
_COUNTED = frozenset({"readers", "count"})

log = structlog.get_logger()


@dataclass(frozen=True)
class Row:
    """One figure: `name` is its slug and series, `version` that of its definition.

    Where it `was_slow` it took too long to load, and both values are a dash. `is_total`: of all currencies
    together, at the rates that were entered.
    """

    name: str
    currency: str
    value: str
    before: str
    version: int
    address: str
    was_slow: bool = False
    is_total: bool = False


@dataclass(frozen=True)
class Week:
    """What the mail says to everybody; `articles` are titles with their sales, None: it took too long."""

    first: str
    last: str
    rows: tuple[Row, ...]
    articles: tuple[tuple[str, str], ...] | None


async def write_mails(context: Context, name: str) -> int:
    """To each operator who wants it, once for each `name`; how many were written now."""
    settings = context.settings
    week = await read_week(context, _last_monday(context.clocks.business(), settings.zone))
    async with context.database.transaction() as session:
        written = [
            await _write(session, context, operator, week, name)
            for operator in await _recipients(session)
        ]
    return sum(written)


async def _write(
    session: AsyncSession, context: Context, operator: Operator, week: Week, name: str
) -> bool:
    settings, clocks = context.settings, context.clocks
    found = await needs(session, clocks.business(), permissions_of_role(operator.role))
    mail = await put_mail(
        session, kind="weekly", to=operator.email, to_key=operator.email, reader_id=None,
        settings=settings, now=clocks.wall(), once=f"weekly:{name}:{operator.id}",
        link=f"{settings.public_url}/admin", off=f"{settings.public_url}/admin/account",
        week=week, needs=[_linked(each, settings.public_url) for each in found],
    )  # fmt: skip
    return mail is not None


async def _recipients(session: AsyncSession) -> list[Operator]:
    """Those who may see figures, want the mail, and aren't switched off."""
    found = await session.scalars(
        select(Operator)
        .where(Operator.disabled_at.is_(None), Operator.weekly_mail)
        .order_by(Operator.email)
    )
    return [each for each in found if Permission.REPORTS_READ in permissions_of_role(each.role)]


async def read_week(context: Context, monday: date) -> Week:
    """The week before this Monday, in the publication's zone and language."""
    settings = context.settings
    last = monday - timedelta(days=1)
    period = Period(monday - _WEEK, last, "week", settings.zone, "before")
    asked = Asked(period, context.clocks.business(), settings.zone)
    reports = {slug: await _counted(context, slug, asked) for slug in dict(SHOWN)}
    articles = await _counted(context, "articles", asked)
    language = settings.language
    return Week(
        day_in(language, midnight(period.first, settings.zone), settings.zone),
        day_in(language, midnight(last, settings.zone), settings.zone),
        tuple(
            row
            for slug, series in SHOWN
            for row in _rows(reports[slug], slug, series, _report(settings, slug, period), language)
        ),
        None if articles is None else tuple(_selling(articles.lines, language)),
    )


async def _counted(context: Context, slug: str, asked: Asked) -> Report | None:
    """None where it takes too long: it is missing in the mail."""
    return await in_time(context.database, slug, lambda session: report_on(session, slug, asked))


def _report(settings: Settings, slug: str, period: Period) -> str:
    """The figure's page with the week by days, beside the week before."""
    path = f"{settings.public_url}/admin/reports/{slug}"
    days = {"from": period.first.isoformat(), "to": period.last.isoformat()}
    return address(path, **days, interval="day", compare=period.compared)


def _rows(report: Report | None, slug: str, series: str, leads_to: str, language: str) -> list[Row]:
    """A row a currency, and their totals; one with nothing in it where the figure has no line."""
    name = f"{slug} {series}"
    if report is None:
        return [Row(name, "", _DASH, _DASH, BY_SLUG[slug].version, leads_to, was_slow=True)]
    (unit,) = (each.unit for each in report.figure.series if each.key == series)
    nothing = Line(series, (), Cell(0) if unit in _COUNTED else Cell(None))
    lines = [each for each in report.lines if each.series == series]
    kinds = (
        (False, lines or [nothing], report.lines_before),
        (True, report.converted, report.converted_before),
    )
    return [
        Row(
            name,
            line.currency,
            _text(line.total, unit, line.currency, language),
            _text(before.get(line.currency, nothing.total), unit, line.currency, language),
            report.figure.version,
            leads_to,
            is_total=is_total,
        )
        for is_total, some, earlier in kinds
        for before in [{each.currency: each.total for each in earlier if each.series == series}]
        for line in some
        if line.series == series
    ]


def _text(cell: Cell, unit: Unit, currency: str, language: str) -> str:
    value = shown(cell.value, unit)
    if value is None:
        return _DASH
    if unit == "money":
        return money_in(language, Decimal(int(value)).scaleb(-decimals(currency)), currency)
    # Those who left are a negative change; the words of the row say that they left.
    return percent_in(language, value) if unit == "percent" else number_in(language, abs(value))


def _selling(lines: Sequence[Line], language: str) -> list[tuple[str, str]]:
    sold = [each for each in lines if each.series == "sales" and each.total.value]
    return [(each.split, number_in(language, int(each.total.value or 0))) for each in sold][
        :MOST_ARTICLES
    ]


def _linked(need: Need, url: str) -> Need:
    return Need(need.count, need.words, need.detail, f"{url}{need.address}")


def _last_monday(now: datetime, zone: ZoneInfo) -> date:
    return step_of(now.astimezone(zone).date(), "week")
