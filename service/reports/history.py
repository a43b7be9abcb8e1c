"""Read-only SQL over one reader: subscriptions, access, and the timeline up to now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, and_, case, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import AccessEntry, Article, Checkout, Grant, Offer, Reader, ReaderDevice
from service.identity.readers import find_reader
from service.problems import Problem
from service.reports.bought import PassFacts, SubscriptionFacts
from service.reports.event_lines import event_lines
from service.reports.passes import passes_of
from service.reports.subscriber_list import subscriptions_of
from service.reports.timeline import ArticleMention, Event, merged

GRANTS_SHOWN = 200
"""The number of grants and of passes shown; a reader of years may have thousands."""
LEDGER_ROWS = 200
"""The number of reads and walls shown, the latest; a reader of years has thousands."""
_ARTICLE_PATH = "/articles/"


@dataclass(frozen=True)
class Bought:
    """A subscription, and the article whose wall the reader met last before buying it."""

    facts: SubscriptionFacts
    wall: ArticleMention | None


@dataclass(frozen=True)
class ReaderHistory:
    """One reader. `complete`: the timeline holds every read and wall, not only the latest."""

    reader_id: str
    email: str | None
    email_verified: bool
    first_seen: datetime
    bought: Sequence[Bought]
    passes: Sequence[PassFacts]
    grants: Sequence[Grant]
    timeline: Sequence[Event]
    complete: bool
    all_access: bool
    """Whether all grants and passes are here, not only those that run and the newest."""


async def reader_history(session: AsyncSession, reader_id: str, now: datetime) -> ReaderHistory:
    """All that is known of a reader, at the business time `now`. Raises Problem `not-found`."""
    reader = await find_reader(session, reader_id)
    if reader is None:
        raise Problem("not-found", "Reader not found. Check the id in the list of readers.")
    devices = await _linked_devices(session, reader_id)
    theirs = _theirs(AccessEntry, reader_id, devices)
    checkouts = await _checkouts(session, _theirs(Checkout, reader_id, devices))
    found = await _grants(session, reader_id, now)
    grants = sorted(found[:GRANTS_SHOWN], key=lambda each: (each.starts_at, each.id), reverse=True)
    passes = await passes_of(session, reader_id, most=GRANTS_SHOWN + 1)
    subscriptions = await subscriptions_of(session, reader_id)
    walls = await _walls_before(session, theirs, subscriptions, checkouts)
    bought = [Bought(facts, walls.get(facts.subscription_id)) for facts in subscriptions]
    ledger = await _ledger_events(session, theirs)
    events = chain(
        _reader_events(reader),
        ledger[:LEDGER_ROWS],
        *(_checkout_events(checkout, name) for checkout, name in checkouts),
        *(_subscription_events(each) for each in bought),
        *(_grant_events(grant) for grant in grants),
        await event_lines(session, reader_id, [each.id for each in grants]),
    )
    return ReaderHistory(
        reader_id=reader.id,
        email=reader.email,
        email_verified=reader.email_verified_at is not None,
        first_seen=reader.created_at,
        bought=bought,
        passes=passes[:GRANTS_SHOWN],
        grants=grants,
        timeline=merged(events, now),
        complete=len(ledger) <= LEDGER_ROWS,
        all_access=max(len(found), len(passes)) <= GRANTS_SHOWN,
    )


async def _linked_devices(session: AsyncSession, reader_id: str) -> list[str]:
    linked = select(ReaderDevice.device_id).where(ReaderDevice.reader_id == reader_id)
    return list(await session.scalars(linked))


def _theirs(
    table: type[AccessEntry | Checkout], reader_id: str, devices: Sequence[str]
) -> ColumnElement[bool]:
    """Rows of the reader, and those of linked devices while nobody was signed in on them."""
    anonymous = and_(table.reader_id.is_(None), table.device_id.in_(devices))
    return or_(table.reader_id == reader_id, anonymous)


async def _ledger_events(session: AsyncSession, theirs: ColumnElement[bool]) -> list[Event]:
    statement = (
        select(AccessEntry, Article.slug, Article.title)
        .outerjoin(Article, Article.id == AccessEntry.article_id)
        .where(theirs)
        .order_by(AccessEntry.at.desc(), AccessEntry.id.desc())
        .limit(LEDGER_ROWS + 1)
    )
    return [
        Event(
            entry.at,
            "read" if entry.granted else "wall",
            entry.reason,
            ArticleMention(entry.article_id, slug, title),
            counted=entry.consumed,
        )
        for entry, slug, title in await session.execute(statement)
    ]


async def _checkouts(
    session: AsyncSession, theirs: ColumnElement[bool]
) -> list[tuple[Checkout, str]]:
    statement = (
        select(Checkout, Offer.name)
        .join(Offer, Offer.id == Checkout.offer_id)
        .where(theirs)
        .order_by(Checkout.created_at.desc())
    )
    return [(checkout, name) for checkout, name in await session.execute(statement)]


async def _grants(session: AsyncSession, reader_id: str, now: datetime) -> list[Grant]:
    """The newest first; where there are more than are shown, first those that run, passes last."""
    runs = and_(Grant.starts_at <= now, or_(Grant.ends_at.is_(None), Grant.ends_at > now))
    is_pass = Grant.source == "pass"
    statement = (
        select(Grant)
        .where(Grant.reader_id == reader_id)
        .order_by(
            case((runs, 0), else_=1), case((is_pass, 1), else_=0),
            Grant.starts_at.desc(), Grant.id.desc(),
        )
        .limit(GRANTS_SHOWN + 1)
    )  # fmt: skip
    return list(await session.scalars(statement))


async def _walls_before(
    session: AsyncSession,
    theirs: ColumnElement[bool],
    subscriptions: Sequence[SubscriptionFacts],
    checkouts: Sequence[tuple[Checkout, str]],
) -> dict[str, ArticleMention]:
    """By subscription, the article of the wall: the last one before the purchase, else where the
    checkout led back.
    """
    by_subscription = {c.stripe_subscription_id: c for c, _ in reversed(checkouts)}
    bought_at, led_back = {}, {}
    for facts in subscriptions:
        checkout = by_subscription.get(facts.subscription_id)
        bought_at[facts.subscription_id] = checkout.created_at if checkout else facts.since
        led_back[facts.subscription_id] = _slug_in(checkout.return_to) if checkout else None
    articles = await _articles_called(session, {slug for slug in led_back.values() if slug})
    found = {each: articles[slug] for each, slug in led_back.items() if slug in articles}
    return found | await _last_walls(session, theirs, bought_at)


async def _last_walls(
    session: AsyncSession, theirs: ColumnElement[bool], until: Mapping[str, datetime]
) -> dict[str, ArticleMention]:
    """By the same keys, the last wall up to then; in one statement, however many there are."""
    if not until:
        return {}
    last = [
        select(literal(key).label("key"), AccessEntry.article_id, Article.slug, Article.title)
        .outerjoin(Article, Article.id == AccessEntry.article_id)
        .where(theirs, AccessEntry.wall.is_not(None), AccessEntry.at <= at)
        .order_by(AccessEntry.at.desc(), AccessEntry.id.desc())
        .limit(1)
        .subquery()
        for key, at in until.items()
    ]
    found = await session.execute(union_all(*(select(each) for each in last)))
    return {key: ArticleMention(*article) for key, *article in found}


def _slug_in(return_to: str) -> str | None:
    """The article's that a checkout leads back to, checked when it was stored."""
    path = urlsplit(return_to).path
    return path.removeprefix(_ARTICLE_PATH).rstrip("/") if path.startswith(_ARTICLE_PATH) else None


async def _articles_called(
    session: AsyncSession, slugs: Collection[str]
) -> dict[str, ArticleMention]:
    if not slugs:
        return {}
    statement = select(Article.id, Article.slug, Article.title).where(Article.slug.in_(slugs))
    return {row.slug: ArticleMention(*row) for row in await session.execute(statement)}


def _reader_events(reader: Reader) -> list[Event]:
    return [Event(reader.created_at, "first_seen")]


def _checkout_events(checkout: Checkout, offer_name: str) -> list[Event]:
    events = [Event(checkout.created_at, "checkout_started", offer_name)]
    if checkout.status == "expired":
        events.append(Event(checkout.expires_at, "checkout_expired", offer_name))
    return events


def _subscription_events(bought: Bought) -> list[Event]:
    facts, events = (
        bought.facts,
        [Event(bought.facts.since, "purchase", bought.facts.offer_name, bought.wall)],
    )
    if facts.trial_end is not None and facts.standing != "trial":
        events.append(Event(facts.trial_end, "trial_ended", facts.offer_name))
    if facts.past_due_since is not None:
        events.append(Event(facts.past_due_since, "payment_overdue", facts.offer_name))
    if facts.ended_at is not None:
        events.append(Event(facts.ended_at, "subscription_ended", facts.offer_name))
    return events


def _grant_events(grant: Grant) -> list[Event]:
    events = [Event(grant.starts_at, "access_given", grant.source)]
    if grant.ends_at is not None:
        events.append(Event(grant.ends_at, "access_ended", grant.source))
    return events
