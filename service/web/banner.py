"""The line above the paper for readers whose renewal couldn't be collected."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.duplicates import kept_of
from service.billing.subscriptions import holding_subscriptions
from service.identity.callers import Caller


async def payment_banner(session: AsyncSession, caller: Caller) -> str:
    """The line, or "" where nothing of the caller's is left to pay."""
    if caller.reader_id is None:
        return ""
    live = await holding_subscriptions(session, caller.reader_id)
    kept = kept_of(live)
    owing = next((each for each in live if kept is not None and each.id == kept.id), None)
    if owing is None or owing.payment_problem in {"", "bank"} or owing.access_stop:
        return ""
    if owing.payment_problem == "authentication":
        return "We couldn’t collect your payment: your bank wants you to confirm it."
    return "We couldn’t collect your payment."
