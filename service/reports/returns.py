"""How many holders came on a day, and on which day they came before: distinct holders of any period.

Of the days from `first` on, the holders whose day before lies before `first` are those that come in it for
the first time: their number over the days of a period is the number of distinct holders in it, whatever
the period. So one row for each pair of days holds what would else be counted over all holders; in the
same way those who met a wall, and of those whose first wall of a period it was, to whom it led.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Date,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement

from service.db.base import UtcDateTime
from service.db.tables import (
    AccessEntry,
    Checkout,
    HolderDay,
    ReaderDevice,
    RolledDay,
)
from service.metering.store import DEVICE, READER
from service.offers.store import gift_offers
from service.reports.followed import (
    first_ask,
    first_checkout,
    first_payment,
    is_first,
    registration,
)
from service.reports.period import midnight
from service.reports.rollups import holder_days

_AT_ONCE = 500
NEVER = date(1970, 1, 1)
"""The day before of a holder who comes for the first time."""
DAYS_TO_PAY = (1, 3, 7, 30)
_LONGEST = DAYS_TO_PAY[-1]
ANY, WALL, SUBSCRIBE, REGISTER = "holder", "wall", "subscribe", "register"
LEFT_AT_CHECKOUT = "left_at_checkout"
"""Met a wall to subscribe, began a checkout for oneself within the longest of these times, and didn't pay in it."""
OF_BUYERS = BEGAN, COMPLETED, GIVING = "began", "completed", "giving"
"""Buyers (readers, else devices) who began a checkout for themselves, who completed one that they began then, and
who bought a gift then."""
ASKED, REGISTERED, PAID_AFTER_REGISTER = "asked", "registered", "register_paid"
MINUTES, READS = "registered_minutes", "registered_reads"
"""From the wall to the registration, and reads on the days in between: sums over those who registered."""


def paid_within(days: int) -> str:
    """The measure of those who met a wall to subscribe and first paid so soon after it."""
    return f"paid_{days}"


class Return(NamedTuple):
    """A measure, a day, and the day on which the holder was counted by it before."""

    measure: str
    day: date
    previous: date


class _Registered(NamedTuple):
    """Who registered, and the days from the wall to then."""

    whose: str
    first: date
    last: date
    previous: date


async def returns_of(
    session: AsyncSession,
    zone: ZoneInfo,
    rolled: Collection[date],
    unrolled: Collection[date] = (),
) -> Counter[Return]:
    """How many holders and buyers there are of each kind on these days of the zone, of which some aren't rolled up."""
    found = await holders_of(session, zone, rolled, unrolled)
    found.update(await buyers_of(session, zone, {*rolled, *unrolled}))
    return found


async def holders_of(
    session: AsyncSession,
    zone: ZoneInfo,
    rolled: Collection[date],
    unrolled: Collection[date] = (),
) -> Counter[Return]:
    """The same of holders alone."""
    if not rolled and not unrolled:
        return Counter()
    rows = list(await session.execute(_by_whose(rolled, unrolled)))
    found, registered = await asyncio.to_thread(_counted, rows, zone)
    for each, reads in await reads_of(session, registered):
        found[Return(READS, each.first, each.previous)] += reads
    return found


async def buyers_of(
    session: AsyncSession, zone: ZoneInfo, days: Collection[date]
) -> Counter[Return]:
    """How many buyers there are on these days of the zone."""
    if not days:
        return Counter()
    since, until = midnight(min(days), zone), midnight(max(days) + timedelta(days=1), zone)
    row, found, seen = Checkout, Counter[Return](), set[tuple[str, str, date]]()
    buyer = func.coalesce(row.reader_id, row.device_id, row.id)
    is_own = row.offer_id.not_in(gift_offers())
    rows = await session.execute(
        select(
            row.created_at,
            row.status == "completed",
            is_own,
            buyer,
            _checkout_before(is_own, is_completed=False),
            _checkout_before(is_own, is_completed=True),
        ).where(row.created_at >= since, row.created_at < until)
    )
    for at, is_completed, is_for_oneself, whose, before, completed_before in rows:
        day = at.astimezone(zone).date()
        measures = {BEGAN: before, COMPLETED: completed_before, GIVING: completed_before}
        for measure in _of_click(is_completed=is_completed, is_own=is_for_oneself):
            earlier = measures[measure]
            previous = NEVER if earlier is None else earlier.astimezone(zone).date()
            if day in days and previous < day and (measure, whose, day) not in seen:
                seen.add((measure, whose, day))
                found[Return(measure, day, previous)] += 1
    return found


def _of_click(*, is_completed: bool, is_own: bool) -> tuple[str, ...]:
    """The measures by which a buyer with this checkout is counted."""
    if not is_own:
        return (GIVING,) if is_completed else ()
    return (BEGAN, COMPLETED) if is_completed else (BEGAN,)


def _counted(rows: Iterable[Any], zone: ZoneInfo) -> tuple[Counter[Return], list[_Registered]]:
    found: Counter[Return] = Counter()
    registered: list[_Registered] = []
    for row in rows:
        day, subscribe, register = row.day, row.subscribe_at, row.register_at
        found[Return(ANY, day, row.before)] += 1
        if subscribe is not None or register is not None:
            latest = max(row.subscribe_before, row.register_before)
            found[Return(WALL, day, latest)] += 1
        if subscribe is not None:
            for measure in _after_subscribe(row):
                found[Return(measure, day, row.subscribe_before)] += 1
        if register is not None:
            before = row.register_before
            found[Return(REGISTER, day, before)] += 1
            found[Return(PAID_AFTER_REGISTER, day, before)] += _led(register, row.paid_at, _LONGEST)
            found[Return(ASKED, day, before)] += _led(register, row.asked_at, _LONGEST)
            if _led(register, row.registered_at, _LONGEST):
                found[Return(REGISTERED, day, before)] += 1
                minutes = round((row.registered_at - register) / timedelta(minutes=1))
                found[Return(MINUTES, day, before)] += minutes
                last = row.registered_at.astimezone(zone).date()
                registered.append(_Registered(row.whose, day, last, before))
    return +found, registered


def _after_subscribe(row: Any) -> Iterator[str]:
    """The measures by which a holder with a wall to subscribe is counted."""
    yield SUBSCRIBE
    for within in DAYS_TO_PAY:
        if _led(row.subscribe_at, row.paid_at, within):
            yield paid_within(within)
    has_paid = _led(row.subscribe_at, row.paid_at, _LONGEST)
    if _led(row.subscribe_at, row.begun_at, _LONGEST) and not has_paid:
        yield LEFT_AT_CHECKOUT


def _led(met: datetime, to: datetime | None, within: int) -> bool:
    return to is not None and met <= to <= met + timedelta(days=within)


async def reads_of(
    session: AsyncSession, registered: list[_Registered]
) -> list[tuple[_Registered, int]]:
    """How much each of them read on these days."""
    found: list[tuple[_Registered, int]] = []
    for at in range(0, len(registered), _AT_ONCE):
        some = registered[at : at + _AT_ONCE]
        first, last = min(each.first for each in some), max(each.last for each in some)
        holders = await _names_of(session, {each.whose for each in some})
        reads: defaultdict[str, Counter[date]] = defaultdict(Counter)
        for holder, day, count in await session.execute(_reads(holders, first, last)):
            reads[holders[holder]][day] += int(count)
        for each in some:
            days = reads[each.whose].items()
            found.append((each, sum(n for day, n in days if each.first <= day <= each.last)))
    return found


async def _names_of(session: AsyncSession, whose: Collection[str]) -> dict[str, str]:
    """Under which names they are in the ledger, each with whose it is."""
    readers = [each.removeprefix(READER) for each in whose]
    link = aliased(ReaderDevice)
    linked = await session.execute(
        select(link.device_id, link.reader_id).where(link.reader_id.in_(readers), is_first(link))
    )
    return {each: each for each in whose} | {
        f"{DEVICE}{row.device_id}": f"{READER}{row.reader_id}" for row in linked
    }


def _reads(holders: Collection[str], first: date, last: date) -> CompoundSelect[Any]:
    entry, rolled = AccessEntry, select(RolledDay.day)
    added_up = select(HolderDay.holder, HolderDay.day, HolderDay.reads).where(
        HolderDay.holder.in_(holders), HolderDay.day.between(first, last),
        HolderDay.day.in_(rolled),
    )  # fmt: skip
    live = (
        select(entry.holder, entry.day, func.count())
        .where(
            entry.holder.in_(holders), entry.day.between(first, last), entry.granted,
            entry.day.not_in(rolled),
        )
        .group_by(entry.holder, entry.day)
    )  # fmt: skip
    return union_all(added_up, live)


def _by_whose(rolled: Collection[date], unrolled: Collection[date]) -> Select[Any]:
    """A row for each holder and day: what they met, when before, and what they did then."""
    rows = _rows(rolled, unrolled).subquery("of_days")
    holder_of = select(rows, _whose(rows.c.holder).label("whose")).subquery("of_holders")
    days = (
        select(
            holder_of.c.day, holder_of.c.whose,
            func.min(holder_of.c.subscribe_wall_at, type_=UtcDateTime()).label("subscribe_at"),
            func.min(holder_of.c.register_wall_at, type_=UtcDateTime()).label("register_at"),
        )
        .group_by(holder_of.c.day, holder_of.c.whose)
        .subquery("of_whose")
    )  # fmt: skip
    met = or_(days.c.subscribe_at.is_not(None), days.c.register_at.is_not(None))
    has_subscribe = days.c.subscribe_at.is_not(None)
    has_register = days.c.register_at.is_not(None)
    readers = and_(met, days.c.whose.startswith(READER))
    return select(
        days.c.day, days.c.whose, days.c.subscribe_at, days.c.register_at,
        case((readers, first_payment(days))).label("paid_at"),
        case((readers, registration(days))).label("registered_at"),
        case((has_subscribe, first_checkout(days))).label("begun_at"),
        case((has_register, first_ask(days))).label("asked_at"),
        _before(days, literal(1) == 1, None).label("before"),
        case((met, _before(days, days.c.subscribe_at.is_not(None), "subscribe_wall_at"))).label(
            "subscribe_before"
        ),
        case((met, _before(days, days.c.register_at.is_not(None), "register_wall_at"))).label(
            "register_before"
        ),
    )  # fmt: skip


def _rows(rolled: Collection[date], unrolled: Collection[date]) -> Any:
    columns = (
        HolderDay.day, HolderDay.holder, HolderDay.subscribe_wall_at, HolderDay.register_wall_at,
    )  # fmt: skip
    added_up = select(*columns).where(HolderDay.day.in_(rolled))
    if not unrolled:
        return added_up
    live = holder_days().where(AccessEntry.day.in_(unrolled)).subquery("live")
    rest = select(live.c.day, live.c.holder, live.c.subscribe_wall_at, live.c.register_wall_at)
    return union_all(added_up, rest) if rolled else rest


def _before(days: Any, is_so: ColumnElement[bool], wall: str | None) -> ColumnElement[date]:
    """The holder's latest earlier day, or with the wall: among these days, or all that are rolled up."""
    among = func.max(case((is_so, days.c.day))).over(
        partition_by=days.c.whose, order_by=days.c.day, rows=(None, -1)
    )
    own, theirs, link = aliased(HolderDay), aliased(HolderDay), aliased(ReaderDevice)
    mine = (
        select(func.max(own.day))
        .where(own.holder == days.c.whose, own.day < days.c.day, *_has(own, wall))
        .correlate(days)
        .scalar_subquery()
    )
    on_devices = (
        select(func.max(theirs.day))
        .join(link, theirs.holder == literal(DEVICE) + link.device_id)
        .where(
            link.reader_id == func.substr(days.c.whose, len(READER) + 1), is_first(link),
            theirs.day < days.c.day, *_has(theirs, wall),
        )
        .correlate(days)
        .scalar_subquery()
    )  # fmt: skip
    on_any = case((days.c.whose.startswith(READER), on_devices))
    return _Latest(*(func.coalesce(each, literal(NEVER, Date())) for each in (among, mine, on_any)))


def _has(row: Any, wall: str | None) -> list[ColumnElement[bool]]:
    return [getattr(row, wall).is_not(None)] if wall else []


class _Latest(FunctionElement[date]):
    """The latest of days none of which is missing."""

    type = Date()
    inherit_cache = True
    name = "latest"


@compiles(_Latest, "postgresql")
def _greatest(element: _Latest, compiler: Any, **given: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **given)})"


@compiles(_Latest, "sqlite")
def _max(element: _Latest, compiler: Any, **given: Any) -> str:
    return f"max({compiler.process(element.clauses, **given)})"


def _whose(holder: ColumnElement[str]) -> ColumnElement[str]:
    """The reader that a device belongs to, else the holder."""
    link = aliased(ReaderDevice)
    reader = (
        select(func.min(link.reader_id))
        .where(link.device_id == func.substr(holder, len(DEVICE) + 1))
        .scalar_subquery()
    )
    return case(
        (holder.startswith(DEVICE), func.coalesce(literal(READER) + reader, holder)), else_=holder
    )


def _checkout_before(is_own: ColumnElement[bool], *, is_completed: bool) -> ColumnElement[Any]:
    """When the buyer began the checkout before of the same kind, gift or not: any, or one that was completed."""
    row, earlier = Checkout, aliased(Checkout)
    of_kind = case(
        (is_own, earlier.offer_id.not_in(gift_offers())), else_=earlier.offer_id.in_(gift_offers())
    )
    wanted = [earlier.created_at < row.created_at, of_kind]
    if is_completed:
        wanted.append(earlier.status == "completed")
    of_reader, of_device = (
        select(func.max(earlier.created_at, type_=UtcDateTime()))
        .where(same, *wanted)
        .correlate(row)
        .scalar_subquery()
        for same in (
            earlier.reader_id == row.reader_id,
            and_(earlier.device_id == row.device_id, earlier.reader_id.is_(None)),
        )
    )
    return case((row.reader_id.is_not(None), of_reader), else_=of_device)
