"""Read-only SQL over all readers: who they are, and what they have or had."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.statuses import LIVE_STATUSES
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
from service.finance.owing import owing_readers
from service.offers.store import gift_offers
from service.reports.few_readers import FEW, is_among, is_named, is_one_of
from service.reports.figures import COLLECTED, IN_TRIAL, PAUSED
from service.reports.led import UNKNOWN, is_last
from service.reports.queries.habits import LookedBack, is_asleep, looked_back
from service.reports.standing import Standing
from service.reports.subscriber_list import has_standing

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
            "Subscribers", "Paid subscribers", "In trial", "Trials ending within 3 days", "Collection paused", "Overdue payments", "Sleepers", "Lapsed subscribers",
            "Pass buyers", "Comped readers",
            "Registered readers",
        ),
        strict=True,
    )
)  # fmt: skip
"""What a list may be filtered by; a reader may be several."""
KINDS_OF_ONE: Mapping[Kind, str] = dict(
    zip(
        get_args(Kind),
        (
            "subscriber", "paid", "in trial", "trial ends within 3 days", "collection paused", "payments overdue", "sleeper",
            "lapsed subscriber", "pass buyer", "comped", "registered",
        ),
        strict=True,
    )
)  # fmt: skip
"""What one reader is called for each."""


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


class ReaderFacts(NamedTuple):
    """A reader, and what of KINDS they are."""

    reader_id: str
    email: str | None
    email_verified: bool
    first_seen: datetime
    kinds: tuple[Kind, ...]


_NEWEST_FIRST = Keyset(Reader.created_at, Reader.id)
_SHOWN = (Reader.id, Reader.email, Reader.email_verified_at, Reader.created_at)


async def list_readers(
    session: AsyncSession,
    chosen: ReaderFilter,
    *,
    cursor: str | None,
    limit: int,
    now: datetime,
    zone: ZoneInfo,
    few: int = FEW,
) -> Page[ReaderFacts]:
    """All readers with an address or a purchase, the newest first; `now` is business time, `zone` has the days.

    Who was erased, or merged into another reader, isn't listed. Raises Problem `invalid-request` for a
    cursor that isn't ours.
    """
    statement = select(*_SHOWN).where(
        Reader.merged_into.is_(None), Reader.erased_at.is_(None), *_conditions(chosen, now, zone)
    )
    for whose in _candidates(chosen, _moments(now, zone)):
        statement = statement.where(await is_among(session, whose, few=few))
    if query := chosen.query.strip():
        statement = statement.where(await is_named(session, query, few=few))
    page = await _NEWEST_FIRST.rows(session, statement, cursor=cursor, limit=limit)
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
    """What is seen of a reader by itself, or of most of them."""
    if chosen.kind in {"sleeper", "registered"}:
        yield _is(chosen.kind, _moments(now, zone))
    elif chosen.kind == "lapsed":
        yield ~_is("subscriber", _moments(now, zone))
    if chosen.since is not None:
        yield Reader.created_at >= chosen.since
    if chosen.until is not None:
        yield Reader.created_at < chosen.until


def _candidates(chosen: ReaderFilter, at: "_Moments") -> Iterator[Select[Any]]:
    """Ids of readers, the first thing selected: who is listed is among each of these."""
    bought = has_standing(chosen.standing) if chosen.standing is not None else []
    match chosen.kind:
        case "subscriber" | "paying" | "in_trial" | "trial_ending" | "collection_paused":
            bought.append(_state_of(chosen.kind, at))
        case "owing" | "pass_buyer" | "comped" | "lapsed":
            yield _whose(chosen.kind, at)
        case _:
            pass
    if chosen.plan:
        bought.append(Subscription.plan == chosen.plan)
    if chosen.offer_id:
        bought.append(Subscription.offer_id == chosen.offer_id)
    if bought:
        yield _subscribed(and_(*bought))
    if led_by := chosen.source.strip():
        yield (
            select(Checkout.reader_id)
            .join(
                CheckoutTouches,
                CheckoutTouches.checkout_id == Checkout.id,
                isouter=led_by == UNKNOWN,
            )
            .where(Checkout.status == "completed", is_last(led_by))
        )


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
            return is_one_of(_subscribed(_state_of(kind, at)))
        case "sleeper":
            return is_asleep(at.back)
        case "lapsed":
            return and_(is_one_of(_whose(kind, at)), ~_is("subscriber", at))
        case "registered":
            return Reader.email_verified_at.is_not(None)
        case _:
            return is_one_of(_whose(kind, at))


def _whose(kind: Literal["owing", "pass_buyer", "comped", "lapsed"], at: _Moments) -> Select[Any]:
    """Ids of who is this kind; of lapsed subscribers, of who has one that ended."""
    match kind:
        case "owing":
            return owing_readers()
        case "pass_buyer":
            return select(Pass.reader_id).where(Pass.offer_id.not_in(gift_offers()))
        case "comped":
            runs = or_(Grant.ends_at.is_(None), Grant.ends_at > at.now)
            return select(Grant.reader_id).where(Grant.source == "comp", runs)
        case "lapsed":
            return _subscribed(Subscription.status == "canceled")


def _subscribed(state: ColumnElement[bool]) -> Select[Any]:
    return select(Subscription.reader_id).where(state)
