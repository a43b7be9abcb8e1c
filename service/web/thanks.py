"""What a page says of a reader's purchases just after one: thanks, and until when it is open."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.language import as_pages_are
from service.db.context import Context
from service.identity.callers import Caller
from service.reports.bought import PassFacts, SubscriptionFacts
from service.reports.passes import passes_of
from service.reports.subscriber_list import subscriptions_of
from service.web.pass_words import pass_line
from service.web.subscription_shown import subscription_shown

_NEW = timedelta(minutes=30)


async def thanks_for(session: AsyncSession, caller: Caller, context: Context) -> str:
    """Empty: nothing was bought just now, or it isn't open."""
    if caller.reader_id is None:
        return ""
    passes = await passes_of(session, caller.reader_id)
    return thanks_in(passes, await subscriptions_of(session, caller.reader_id), context)


def thanks_in(
    passes: Sequence[PassFacts], bought: Sequence[SubscriptionFacts], context: Context
) -> str:
    """The same, of all passes and subscriptions that the reader has."""
    now, zone = context.clocks.business(), context.settings.zone
    new = next((each for each in passes if each.paid_at > now - _NEW), None)
    if new is not None:
        return pass_line(new, now, zone)
    if not bought or bought[0].until <= now or bought[0].since <= now - _NEW:
        return ""
    shown = subscription_shown(bought[0], as_pages_are(zone), now)
    return f"{shown.name}: {shown.next}" if shown.tone == "good" else ""
