"""The line above the paper for readers whose renewal couldn't be collected."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.duplicates import kept_of
from service.billing.language import as_pages_are
from service.billing.subscriptions import holding_subscriptions
from service.billing.words import owing_line
from service.db.context import Context
from service.identity.callers import Caller


async def payment_banner(session: AsyncSession, caller: Caller, context: Context) -> str:
    """The line, or "" where nothing of the caller's is left to pay."""
    if caller.reader_id is None:
        return ""
    live = await holding_subscriptions(session, caller.reader_id)
    kept = kept_of(live)
    owing = next((each for each in live if kept is not None and each.id == kept.id), None)
    return owing_line(owing, as_pages_are(context.settings.zone)) if owing is not None else ""
