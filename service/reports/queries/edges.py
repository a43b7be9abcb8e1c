"""When readers joined or left, looked up movement by movement: the first page of a million is found at once."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import aliased

from service.db.tables import Checkout, CheckoutTouches, MovementRow
from service.reports import led
from service.reports.asked import Asked
from service.reports.movement_sums import KINDS_OF
from service.reports.queries.movement_rows import led_by
from service.reports.tallies import CHANGED_IN, CHANGED_OUT, JOINED, LEFT

Row = type[MovementRow]


class Theirs:
    """Of all movements of the reader to whom a row belongs, those that the filters mean."""

    def __init__(self, asked: Asked) -> None:
        row = MovementRow
        by_source = asked.among(led.SOURCES)
        sources = led_by() if by_source.chosen else {}
        self._is_by_source = bool(sources)
        self.taken, self.added = (
            and_(
                plan.is_not(None),
                *asked.filters(
                    {
                        "plan": plan.expression, "interval_charged": interval.expression,
                        "currency": row.currency.expression, **sources,
                    }
                ),
            )
            for plan, interval in (
                (row.from_plan, row.from_interval), (row.to_plan, row.to_interval),
            )
        )  # fmt: skip
        self.change = case((self.added, 1), else_=0) - case((self.taken, 1), else_=0)
        """How many paid subscriptions more, or fewer, one makes."""

    def select(self, whose: Row, found: Any, *when: ColumnElement[bool]) -> Select[Any]:
        query = select(found).select_from(MovementRow)
        if self._is_by_source:
            bought = Checkout.stripe_subscription_id == MovementRow.subscription_id
            query = query.outerjoin(Checkout, bought).outerjoin(
                CheckoutTouches, CheckoutTouches.checkout_id == Checkout.id
            )
        return query.where(MovementRow.customer == whose.customer, *when).correlate(whose)

    def one(self, whose: Row, found: Any, *when: ColumnElement[bool]) -> ColumnElement[Any]:
        return self.select(whose, found, *when).scalar_subquery()

    def paid(self, whose: Row, *when: ColumnElement[bool]) -> ColumnElement[int]:
        """How many subscriptions they paid for then."""
        return func.coalesce(self.one(whose, func.sum(self.change), *when), 0)

    def is_edge(self, whose: Row) -> ColumnElement[bool]:
        """Whether they became active at the row's instant, or stopped being it."""
        at = MovementRow.at
        return (self.paid(whose, at <= whose.at) == 0) != (self.paid(whose, at < whose.at) == 0)


def first_paid(
    asked: Asked, at: datetime
) -> tuple[Row, ColumnElement[Any], ColumnElement[Any], ColumnElement[bool]]:
    """A row of each reader; when they first paid for anything; which subscription of theirs, the last by its
    id, is paid just before an instant; and whether the row is the one.
    """
    whose, theirs = aliased(MovementRow, name="whose"), Theirs(asked)
    ids = theirs.select(whose, MovementRow.subscription_id, MovementRow.at < at)
    held = (
        ids.group_by(MovementRow.subscription_id)
        .having(func.sum(theirs.change) > 0)
        .order_by(MovementRow.subscription_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    first = Theirs(asked.among(())).one(whose, func.min(MovementRow.at))
    return whose, first, held, and_(_is_first(whose), held.is_not(None))


class Begun:
    """With what readers began to pay for the first time in a span; a row each.

    Of several things at one instant it is the first by name, and filters are of that: whatever they pay for later.
    """

    def __init__(self, asked: Asked, since: datetime, until: datetime) -> None:
        self.row = row = aliased(MovementRow, name="begun")
        self._theirs = theirs = Theirs(asked.among(()))
        earlier = aliased(MovementRow, name="earlier_edge")
        before = select(func.count()).where(
            earlier.customer == row.customer, earlier.at < row.at, theirs.is_edge(earlier)
        )
        other = aliased(MovementRow, name="beside")
        beside = select(func.count()).where(
            other.customer == row.customer, _together(other, row), other.to_plan.is_not(None),
            _is_last(other), tuple_(*_named(other)) < tuple_(*_named(row)),
        )  # fmt: skip
        first = [row.to_plan.is_not(None), _is_last(row)]
        first += [each.correlate(row).scalar_subquery() == 0 for each in (before, beside)]
        if asked.chosen:
            first.append(self._fits(Theirs(asked)))
        self.conditions: tuple[ColumnElement[bool], ...] = (
            row.at >= since, row.at < until, seen_in_order(and_(*first)),
        )  # fmt: skip

    def _fits(self, wanted: Theirs) -> ColumnElement[bool]:
        row, its = self.row, MovementRow
        is_row = and_(its.subscription_id == row.subscription_id, its.number == row.number)
        return wanted.one(row, func.count(), is_row, wanted.added) > 0

    def pays_in(self, since: datetime, until: datetime) -> ColumnElement[bool]:
        """Whether they have a paid subscription at any instant of it."""
        row, theirs, at = self.row, self._theirs, MovementRow.at
        then = aliased(MovementRow, name="then")
        begins = select(func.count()).where(
            then.customer == row.customer, then.at > since, then.at < until,
            theirs.paid(then, at <= then.at) > 0,
        )  # fmt: skip
        pays = or_(theirs.paid(row, at <= since) > 0, begins.correlate(row).scalar_subquery() > 0)
        return seen_in_order(pays)


class Edges:
    """Who became active in the period, or ceased to be it, in some of the ways; a row each.

    `drives` holds for a movement of each instant that is wanted, and can be seen without looking at others.
    """

    def __init__(
        self,
        asked: Asked,
        ways: Collection[str],
        drives: Callable[[Row], ColumnElement[bool]] | None = None,
    ) -> None:
        self.row = row = aliased(MovementRow, name="moved")
        self._theirs = theirs = Theirs(asked)
        at = MovementRow.at
        now = _together(MovementRow, row)
        wanted = drives or _of_kinds(ways)
        self.cause = theirs.one(row, func.min(case((theirs.taken, MovementRow.cause))), now)
        self.subscription_id = theirs.one(
            row, func.max(MovementRow.subscription_id), now, or_(theirs.taken, theirs.added)
        )
        self.way = case(
            (theirs.paid(row, at <= row.at) == 0, self._way(LEFT, CHANGED_OUT)),
            else_=self._way(JOINED, CHANGED_IN),
        )
        self.conditions: tuple[ColumnElement[bool], ...] = (
            row.at >= asked.since, row.at < asked.until, seen_in_order(wanted(row)),
            _is_first(row, lambda other: and_(_together(other, row), wanted(other))),
            theirs.is_edge(row),
        )  # fmt: skip
        # A condition that everybody fulfils would look like a rare one to the planner.
        if {*ways} != {*JOINED, *LEFT}:
            self.conditions = (*self.conditions, seen_in_order(self.way.in_(sorted(ways))))

    def of_stay(
        self, said: Callable[[ColumnElement[datetime]], ColumnElement[str]]
    ) -> ColumnElement[str]:
        """What is said of the instant at which they became active before, which is looked up once."""
        row, before, theirs = self.row, aliased(MovementRow, name="before"), self._theirs
        found = select(said(func.max(before.at))).where(
            before.customer == row.customer, before.at < row.at, theirs.is_edge(before)
        )
        return found.correlate(row).scalar_subquery()

    def _way(self, ways: Collection[str], otherwise: str) -> ColumnElement[str]:
        """By the first of these kinds that a movement of the instant has."""
        theirs, named = self._theirs, [way for way in ways if way in KINDS_OF]
        place = case({KINDS_OF[way]: n for n, way in enumerate(named)}, value=MovementRow.kind)
        # Not by EXISTS: PostgreSQL would read each kind's movements of everybody.
        first = theirs.one(
            self.row,
            func.min(place),
            _together(MovementRow, self.row),
            or_(theirs.taken, theirs.added),
        )
        said = {n: literal(way, String()) for n, way in enumerate(named)}
        return case(said, value=first, else_=literal(otherwise, String()))


def _named(row: Row) -> tuple[ColumnElement[Any], ...]:
    return (
        row.to_plan.expression, row.to_interval.expression, row.currency.expression,
        row.subscription_id.expression,
    )  # fmt: skip


def _is_last(row: Row) -> ColumnElement[bool]:
    """Of its subscription's movements at its instant."""
    later = aliased(MovementRow, name="later_move")
    after = select(func.count()).where(
        later.subscription_id == row.subscription_id, later.number > row.number, _together(later, row)
    )  # fmt: skip
    return after.correlate(row).scalar_subquery() == 0


def _together(one: Row, other: Row) -> ColumnElement[bool]:
    """Whether they have one instant.

    Not by `=`: thousands may have it, and PostgreSQL would look through them in place of the reader's few.
    """
    return one.at.between(other.at, other.at)


def seen_in_order(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same, of which PostgreSQL believes that every second row fulfils it: else it would look for rows by it, or
    take them to be so few that it decides all there are, and sorts them.
    """
    return case((condition, true()), else_=false())


def _of_kinds(ways: Collection[str]) -> Callable[[Row], ColumnElement[bool]]:
    kinds = sorted(KINDS_OF[way] for way in ways if way in KINDS_OF)
    if len(kinds) == len(ways):
        return lambda row: row.kind.in_(kinds)
    # A switch is of any other kind.
    return lambda row: or_(row.kind.in_(kinds), row.kind.not_in(sorted(KINDS_OF.values())))


def _is_first(
    row: Row, of: Callable[[Row], ColumnElement[bool]] = lambda other: other.number.is_not(None)
) -> ColumnElement[bool]:
    """Of the reader's movements, or of some of them."""
    other = aliased(MovementRow, name="earlier")
    earlier = tuple_(other.subscription_id, other.number) < tuple_(row.subscription_id, row.number)
    before = select(func.count()).where(other.customer == row.customer, earlier, of(other))
    # Counted, not NOT EXISTS: PostgreSQL would compare each row with those of everybody. Nor by `=`, which it takes
    # to be rare.
    return before.correlate(row).scalar_subquery() < 1
