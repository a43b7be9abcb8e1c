"""Who the reader is and what is open to them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from service.account.schemas import (
    EndedSubscription,
    GrantItem,
    ProcessingItem,
    Profile,
    PurchaseItem,
    SubscriptionItem,
    WordsOut,
)
from service.account.take_over import offered_purchases
from service.billing.checkouts import processing_checkouts
from service.billing.duplicates import kept_of
from service.billing.language import WrittenIn
from service.billing.ledger import state_of
from service.billing.subscriptions import BoughtSubscription, bought_subscriptions
from service.billing.words import Told, Words, words_of
from service.db.context import Context
from service.grants.store import live_page
from service.identity.callers import LiveSession
from service.identity.readers import find_reader
from service.problems import Problem

MOST_SHOWN = 100
"""Grants in a profile; the others are in the list of them."""


async def profile_of(session: AsyncSession, context: Context, caller: LiveSession) -> Profile:
    """The profile with the grants that are live now."""
    reader, now = await find_reader(session, caller.reader_id), context.clocks.business()
    if reader is None:
        raise Problem("unauthenticated", "Sign in first: the session has ended.")
    held = await live_page(session, reader.id, now, cursor=None, limit=MOST_SHOWN)
    bought = await bought_subscriptions(session, reader.id)
    runs = _running(bought)
    return Profile(
        id=reader.id,
        email=reader.email,
        email_verified=reader.email_verified_at is not None,
        created_at=reader.created_at,
        session_id=caller.session_id,
        grants=[GrantItem.of(grant) for grant in held.items],
        more_grants=held.next_cursor,
        processing=[
            ProcessingItem(
                offer=offer.id,
                name=offer.name,
                since=checkout.processing_since or checkout.created_at,
            )
            for checkout, offer in await processing_checkouts(session, reader.id)
        ],
        subscription=_shown(runs, context) if runs is not None else None,
        ended_subscription=_ended(bought, context) if runs is None else None,
        purchases=[
            PurchaseItem(id=each.id, name=each.name, bought_at=each.bought_at)
            for each in await offered_purchases(session, reader)
        ],
    )


def _running(bought: Sequence[BoughtSubscription]) -> BoughtSubscription | None:
    """Of several, which there are for moments only, the one that is kept."""
    live = [each for each in bought if each.is_live]
    kept = kept_of(
        [each.row for each in live if each.row.outside != "price"] or [e.row for e in live]
    )
    return next((each for each in live if kept is not None and each.row.id == kept.id), None)


def _shown(one: BoughtSubscription, context: Context) -> SubscriptionItem:
    until = one.until if one.until > context.clocks.business() else None
    return SubscriptionItem.of(one.row, open_until=until, words=_words(one, context))


def _ended(bought: Sequence[BoughtSubscription], context: Context) -> EndedSubscription | None:
    """The newest that ever began."""
    last = next((each for each in bought if each.has_started), None)
    if last is None:
        return None
    row = last.row
    return EndedSubscription(
        id=row.id, plan=row.plan, ended_at=row.ended_at, reason=state_of(row, None).end_reason,
        words=WordsOut.of(_words(last, context)),
    )  # fmt: skip


def _words(one: BoughtSubscription, context: Context) -> Words:
    settings = context.settings
    language = WrittenIn(settings.language, settings.zone)
    return words_of(Told(one.row, one.name, one.until, context.clocks.business(), language))
