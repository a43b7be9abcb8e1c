"""Who took part in an experiment, and what they did then: from the ledger's rows that carry a variant."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Subquery, and_, case, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import UtcDateTime
from service.db.tables import (
    AccessEntry,
    ChargeRow,
    MovementRow,
    Pass,
    Reader,
    RefundRow,
    Subscription,
)
from service.metering.store import READER
from service.offers.store import gift_offers
from service.reports.queries.holders import at_hand
from service.reports.queries.ledger import with_whose
from service.reports.verdict import Tally
from service.rules.experiments import Experiment, Goal

_BEGINS = ("new", "reactivation")
_MONTH, _QUARTER = timedelta(days=30), timedelta(days=90)
_RETURNED = ("succeeded", "pending")


@dataclass(frozen=True)
class Counted:
    """The tallies, the control's first. `mixed` holders met more than one variant, such as on two devices before
    they signed in on both: they count for the first that they met.
    """

    tallies: tuple[Tally, ...]
    mixed: int


@dataclass(frozen=True)
class _Start:
    """The first payment of a holder after they had taken part; `subscription` None: for a pass."""

    variant: str
    whose: str
    waited: timedelta
    at: datetime
    subscription: str | None
    ended_at: datetime | None
    has_refund: bool


async def count_experiment(
    session: AsyncSession,
    experiment: Experiment,
    *,
    days: tuple[date, date],
    goal: Goal,
    within: timedelta,
    now: datetime,
) -> Counted:
    """`days` are its first and last in the publication's zone; `now` is business time."""
    firsts = _firsts(experiment, days)
    holders: Counter[str] = Counter()
    mixed = 0
    counts = select(firsts.c.variant, func.count(), func.sum(case((firsts.c.met > 1, 1), else_=0)))
    for variant, count, of_several in await session.execute(counts.group_by(firsts.c.variant)):
        holders[variant] = count
        mixed += int(of_several)
    starts = [each for each in await _starts(session, firsts) if each.waited <= within]
    reached = Counter(each.variant for each in starts)
    if goal == "registered":
        reached = await _registered(session, firsts, within)
    by_variant: defaultdict[str, list[_Start]] = defaultdict(list)
    for each in starts:
        by_variant[each.variant].append(each)
    tallies = (
        _tally(variant.name, variant.share, holders[name], reached[name], by_variant[name], now)
        for variant in experiment.variants
        for name in [experiment.name_of(variant)]
    )
    return Counted(tuple(tallies), mixed)


def _tally(
    variant: str, share: int, holders: int, reached: int, starts: list[_Start], now: datetime
) -> Tally:
    stays = [each for each in starts if each.subscription is not None]

    def due(after: timedelta) -> list[_Start]:
        return [each for each in stays if now - each.at >= after]

    def left(after: timedelta) -> int:
        return sum(
            each.ended_at is not None and each.ended_at - each.at <= after for each in due(after)
        )

    return Tally(
        variant, share, holders, reached, len(starts), sum(each.has_refund for each in starts),
        len(due(_MONTH)), left(_MONTH), len(due(_QUARTER)), left(_QUARTER),
    )  # fmt: skip


def _firsts(experiment: Experiment, days: tuple[date, date]) -> Subquery:
    """Each holder's first row of the experiment: its variant, when, and how many variants they met."""
    names = [experiment.name_of(each) for each in experiment.variants]
    rows = (
        select(AccessEntry.holder, AccessEntry.variant, AccessEntry.at)
        .where(AccessEntry.day.between(*days), AccessEntry.variant.in_(names))
        .where(AccessEntry.at >= experiment.started_at, AccessEntry.at < experiment.ends_at)
        .subquery("rows")
    )
    theirs = with_whose(rows).subquery("theirs")
    met = (
        select(theirs.c.whose, theirs.c.variant, func.min(theirs.c.at, type_=UtcDateTime()).label("at"))
        .group_by(theirs.c.whose, theirs.c.variant)
        .cte("met")
    )  # fmt: skip
    first = (
        select(
            met.c.whose, func.min(met.c.at, type_=UtcDateTime()).label("at"),
            func.count().label("met"),
        )
        .group_by(met.c.whose)
        .subquery("first")
    )  # fmt: skip
    return (
        select(first.c.whose, first.c.at, first.c.met, func.min(met.c.variant).label("variant"))
        .join(met, and_(met.c.whose == first.c.whose, met.c.at == first.c.at))
        .group_by(first.c.whose, first.c.at, first.c.met)
        .subquery("firsts")
    )


async def _registered(session: AsyncSession, firsts: Subquery, within: timedelta) -> Counter[str]:
    verified = (
        select((literal(READER) + Reader.id).label("whose"), Reader.email_verified_at.label("at"))
        .where(Reader.email_verified_at.is_not(None))
        .subquery("verified")
    )
    happened = at_hand(verified)
    found = await session.execute(
        select(firsts.c.variant, firsts.c.at, happened.c.at)
        .join(happened, happened.c.whose == firsts.c.whose)
        .where(happened.c.at >= firsts.c.at)
    )
    return Counter(variant for variant, met, at in found if at - met <= within)


async def _starts(session: AsyncSession, firsts: Subquery) -> list[_Start]:
    """The first payment of each holder since they took part: a subscription that begins, or a pass."""
    begun = at_hand(_payments())
    found = await session.execute(
        select(
            firsts.c.variant, firsts.c.whose, firsts.c.at.label("met"), begun.c.at,
            begun.c.subscription, begun.c.ended_at, begun.c.refunded,
        )
        .join(begun, begun.c.whose == firsts.c.whose)
        .where(begun.c.at >= firsts.c.at)
        .order_by(firsts.c.whose, begun.c.at)
    )  # fmt: skip
    starts: dict[str, _Start] = {}
    for row in found:
        start = _Start(
            row.variant, row.whose, row.at - row.met, row.at, row.subscription, row.ended_at,
            bool(row.refunded),
        )  # fmt: skip
        starts.setdefault(row.whose, start)
    return list(starts.values())


def _payments() -> Subquery:
    refunded = (
        select(RefundRow.id)
        .join(ChargeRow, ChargeRow.id == RefundRow.charge_id)
        .where(RefundRow.status.in_(_RETURNED))
    )
    subscribed = (
        select(
            (literal(READER) + Subscription.reader_id).label("whose"), MovementRow.at.label("at"),
            Subscription.id.label("subscription"), Subscription.ended_at.label("ended_at"),
            case(
                (refunded.where(ChargeRow.subscription_id == Subscription.id).exists(), 1), else_=0
            ).label("refunded"),
        )
        .join(Subscription, Subscription.id == MovementRow.subscription_id)
        .where(MovementRow.kind.in_(_BEGINS))
    )  # fmt: skip
    passes = select(
        (literal(READER) + Pass.reader_id).label("whose"), Pass.paid_at.label("at"),
        literal(None).label("subscription"), literal(None, UtcDateTime()).label("ended_at"),
        case(
            (
                or_(
                    refunded.where(ChargeRow.payment_id == Pass.id).exists(),
                    Pass.access_stop == "refund",
                ),
                1,
            ),
            else_=0,
        ).label("refunded"),
    ).where(Pass.offer_id.not_in(gift_offers()))  # fmt: skip
    return union_all(subscribed, passes).subquery("payments")
