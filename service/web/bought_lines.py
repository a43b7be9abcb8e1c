"""What a page says of a reader's purchases: thanks just after one, and why reading has ended."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.identity.callers import Caller
from service.reports.passes import passes_of
from service.reports.subscriber_list import subscriptions_of
from service.web.pass_words import pass_line
from service.web.subscription_words import subscription_shown

_NEW = timedelta(minutes=30)


@dataclass(frozen=True)
class BoughtLines:
    """`thanks` says until when what was just bought is open, `lapse` why the last subscription isn't
    and what the reader can do. Empty: there is nothing to say.
    """

    thanks: str = ""
    lapse: str = ""


NOTHING = BoughtLines()


async def bought_lines(session: AsyncSession, caller: Caller, context: Context) -> BoughtLines:
    if caller.reader_id is None:
        return NOTHING
    now, zone = context.clocks.business(), context.settings.zone
    new = next(
        (each for each in await passes_of(session, caller.reader_id) if each.paid_at > now - _NEW),
        None,
    )
    if new is not None:
        return BoughtLines(thanks=pass_line(new, now, zone))
    bought = await subscriptions_of(session, caller.reader_id)
    if not bought:
        return NOTHING
    shown = subscription_shown(bought[0], zone, now)
    if bought[0].until <= now:
        return BoughtLines(lapse=f"{shown.name}: {shown.next} {shown.advice}".strip())
    is_new = bought[0].since > now - _NEW and shown.tone == "good"
    return BoughtLines(thanks=f"{shown.name}: {shown.next}" if is_new else "")
