"""Read-only SQL over all readers: who they are, and what they have or had."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.lifecycle import LIVE_STATUSES
from service.db.base import UtcDateTime
from service.db.keyset import Keyset, Page
from service.db.tables import (
    Checkout,
    CheckoutTouches,
    Grant,
    Pass,
    Reader,
    Subscription,
)
from service.finance.owing import is_owed_by
from service.offers.store import gift_offers
from service.reports.figures import COLLECTED, IN_TRIAL, PAUSED
from service.reports.led import source
from service.reports.queries.habits import LookedBack, is_asleep, looked_back
from service.reports.standing import Standing
from service.reports.subscriber_list import has_standing, names_reader

Kind = Literal[
    "subscriber",
    "paying",
    "in_trial",
    "trial_ending",
    "collection_paused",
    "owing",
    "sleeper",
    "lapsed",
    "pass_buyer",
    "comped",
    "registered",
]
TRIALS_END_WITHIN = timedelta(days=3)

KINDS: Mapping[Kind, str] = dict(
    zip(
        get_args(Kind),
        (
            "Subscribers", "Paid subscribers", "In a trial", "Trials ending within 3 days", "Collection paused", "Who owe", "Sleepers", "Lapsed subscribers",
            "Pass buyers", "Comped readers",
            "Registered readers",
        ),
        strict=True,
    )
)  # fmt: skip
"""What a list may be filtered by; a reader may be several."""


@dataclass(frozen=True)
class ReaderFilter:
    """What must all fit. `query` is part of an e-mail address, or the whole id of a reader, subscription or
    customer; plan, standing and offer are of one subscription, which also makes the kind where one does. Known first from `since` on and before
    `until`. `source` is what led them to a purchase last, or to none.
    """

    query: str = ""
    kind: Kind | None = None
    plan: str = ""
    standing: Standing | None = None
    offer_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    source: str = ""


@dataclass(frozen=True)
class ReaderFacts:
    """A reader, and what of KINDS they are."""

    reader_id: str
    email: str | None
    email_verified: bool
    first_seen: datetime
    kinds: tuple[Kind, ...]


_NEWEST_FIRST = Keyset(Reader.created_at, Reader.id)


async def list_readers(
    session: AsyncSession,
    chosen: ReaderFilter,
    *,
    cursor: str | None,
    limit: int,
    now: datetime,
    zone: ZoneInfo,
) -> Page[ReaderFacts]:
    """Everybody known by an address or a purchase, the newest first; `now` is business time, `zone` has the days.

    Who was erased, or merged into another reader, isn't listed. Raises Problem `invalid-request` for a
    cursor that isn't ours.
    """
    statement = select(Reader).where(
        Reader.merged_into.is_(None), Reader.erased_at.is_(None), *_conditions(chosen, now, zone)
    )
    page = await _NEWEST_FIRST.page(session, statement, cursor=cursor, limit=limit)
    kinds = await _kinds_of(session, [reader.id for reader in page.items], now, zone)
    return page.map(
        lambda reader: ReaderFacts(
            reader_id=reader.id,
            email=reader.email,
            email_verified=reader.email_verified_at is not None,
            first_seen=reader.created_at,
            kinds=kinds[reader.id],
        )
    )


def _conditions(
    chosen: ReaderFilter, now: datetime, zone: ZoneInfo
) -> Iterator[ColumnElement[bool]]:
    bought = has_standing(chosen.standing) if chosen.standing is not None else []
    match chosen.kind:
        case None:
            pass
        case "subscriber" | "paying" | "in_trial" | "trial_ending" | "collection_paused":
            bought.append(_state_of(chosen.kind, _moments(now, zone)))
        case _:
            yield _is(chosen.kind, _moments(now, zone))
    if query := chosen.query.strip():
        yield names_reader(query)
    if chosen.plan:
        bought.append(Subscription.plan == chosen.plan)
    if chosen.offer_id:
        bought.append(Subscription.offer_id == chosen.offer_id)
    if bought:
        yield _has_subscription(and_(*bought))
    if chosen.since is not None:
        yield Reader.created_at >= chosen.since
    if chosen.until is not None:
        yield Reader.created_at < chosen.until
    if led_by := chosen.source.strip():
        led = select(Checkout.id).outerjoin(
            CheckoutTouches, CheckoutTouches.checkout_id == Checkout.id
        )
        bought_by = and_(Checkout.reader_id == Reader.id, Checkout.status == "completed")
        yield led.where(bought_by, source(CheckoutTouches, "last") == led_by).exists()


async def _kinds_of(
    session: AsyncSession, reader_ids: list[str], now: datetime, zone: ZoneInfo
) -> dict[str, tuple[Kind, ...]]:
    """Looked up for the readers of a page alone: for all of them it takes seconds."""
    at = _moments(now, zone)
    found = await session.execute(
        _each_kind(),
        {"reader_ids": reader_ids, "now": at.now, "soon": at.soon, **at.back._asdict()},
    )
    return {
        reader_id: tuple(kind for kind, holds in zip(get_args(Kind), held, strict=True) if holds)
        for reader_id, *held in found
    }


@cache
def _each_kind() -> Select[*tuple[Any, ...]]:
    """Built once: that takes longer than to execute it."""
    at = _Moments(
        bindparam("now", type_=UtcDateTime()),
        bindparam("soon", type_=UtcDateTime()),
        LookedBack(bindparam("days", expanding=True), bindparam("earlier", type_=UtcDateTime())),
    )
    theirs = Reader.id.in_(bindparam("reader_ids", expanding=True))
    return select(Reader.id, *(_is(kind, at) for kind in get_args(Kind))).where(theirs)


class _Moments(NamedTuple):
    """What of the time makes a kind; values, or a statement's parameters."""

    now: Any
    soon: Any
    back: LookedBack


def _moments(now: datetime, zone: ZoneInfo) -> _Moments:
    return _Moments(now, now + TRIALS_END_WITHIN, looked_back(now, zone))


def _state_of(
    kind: Literal["subscriber", "paying", "in_trial", "trial_ending", "collection_paused"],
    at: _Moments,
) -> ColumnElement[bool]:
    """The state of a subscription that makes a reader this kind."""
    match kind:
        case "subscriber":
            return Subscription.status.in_(sorted(LIVE_STATUSES))
        case "paying":
            return COLLECTED
        case "in_trial":
            return IN_TRIAL
        case "trial_ending":
            ends = Subscription.trial_end
            return and_(IN_TRIAL, ends > at.now, ends <= at.soon)
        case "collection_paused":
            return PAUSED


def _is(kind: Kind, at: _Moments) -> ColumnElement[bool]:
    match kind:
        case "subscriber" | "paying" | "in_trial" | "trial_ending" | "collection_paused":
            return _has_subscription(_state_of(kind, at))
        case "owing":
            return is_owed_by(Reader.id.expression)
        case "sleeper":
            return is_asleep(at.back)
        case "lapsed":
            live = Subscription.status.in_(sorted(LIVE_STATUSES))
            return and_(
                _has_subscription(Subscription.status == "canceled"), ~_has_subscription(live)
            )
        case "pass_buyer":
            own = and_(Pass.reader_id == Reader.id, Pass.offer_id.not_in(gift_offers()))
            return select(Pass.id).where(own).exists()
        case "comped":
            runs = or_(Grant.ends_at.is_(None), Grant.ends_at > at.now)
            comp = and_(Grant.reader_id == Reader.id, Grant.source == "comp", runs)
            return select(Grant.id).where(comp).exists()
        case "registered":
            return Reader.email_verified_at.is_not(None)


def _has_subscription(state: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(Subscription.id).where(Subscription.reader_id == Reader.id, state).exists()
